"""Scores against the step of training, as a table and as a picture."""

from __future__ import annotations

import math
import pathlib
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hear_cacophony.files.atomic_write import write_file
from hear_cacophony.text_table import text_table
from hear_tasks.leaderboard import COLOURS, Model, Row, Score, leaderboard_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ACROSS = 3
_INCHES = (2.6, 2.2)


def format_curve(steps: Sequence[int], models: Sequence[Model]) -> str:
    """A table: a line for the log-mel baseline, one for each step, and a column for each task and for their mean.

    Args:
        steps: in order.
        models: the log-mel baseline, then that of each step.
    """
    rows = leaderboard_rows(models)
    heads = [["step", *(row.label for row in rows), "mean"], ["", *(row.metric for row in rows), "of all tasks"]]
    names = ["log-mel", *("0 (untrained)" if step == 0 else str(step) for step in steps)]
    lines = [[name, *_cells([row.scores[i] for row in rows])] for i, name in enumerate(names)]
    return "\n".join(text_table([*heads, *lines])) + "\n"


def _cells(scores: Sequence[Score | None]) -> list[str]:
    """Those of a line, the mean last, which is told where every task has a score."""
    values = [score.value for score in scores if score is not None]
    mean = f"{statistics.fmean(values):.3f}" if len(values) == len(scores) else ""
    return [*("" if score is None else f"{score.value:.3f}" for score in scores), mean]


def plot_curve(picture: pathlib.Path, steps: Sequence[int], models: Sequence[Model]) -> None:
    """Draw a plot for each task, with lines for the log-mel baseline, the untrained model and chance.

    Args:
        picture: a .png file.
        steps, models: as in `format_curve`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # takes long to load
    from matplotlib.figure import Figure

    rows = leaderboard_rows(models)
    across = min(_ACROSS, len(rows))
    down = math.ceil(len(rows) / across)
    figure = Figure(figsize=(_INCHES[0] * across, _INCHES[1] * down + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(down, across, squeeze=False).flat
    for axes, row in zip(grid, rows, strict=False):
        _draw_task(axes, steps, row)
    for axes in list(grid)[len(rows) :]:
        axes.set_visible(False)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=7)
    write_file(picture, lambda part: figure.savefig(part, format="png", dpi=150, metadata={"Software": None}))


def _draw_task(axes: Axes, steps: Sequence[int], row: Row) -> None:
    baseline, *scores = (math.nan if score is None else score.value for score in row.scores)
    axes.plot(steps, scores, "o-", color=COLOURS[0], markersize=3, label="trained")
    axes.axhline(baseline, color=COLOURS[1], linestyle="--", label="log-mel")
    axes.axhline(scores[0] if steps[0] == 0 else math.nan, color=COLOURS[7], linestyle=":", label="untrained")
    axes.set_title(f"{row.label}\n{row.metric}", fontsize=7)
    axes.tick_params(labelsize=6)
    axes.set_xlabel("step", fontsize=6)
