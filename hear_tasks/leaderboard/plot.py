"""A picture of the leaderboard: one line a task, one marker a model."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hear_cacophony.files.picture_file import check_picture_name
from hear_tasks.leaderboard.models import Model
from hear_tasks.leaderboard.published import PublishedRow
from hear_tasks.leaderboard.table import Row, leaderboard_rows

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_MODELS = 8

# The colours of Okabe and Ito ("Color Universal Design", 2008), which are told apart with any colour vision; their
# yellow is too pale on paper, so grey is the eighth. Shapes tell models apart without colours too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00", "#7F7F7F")
_SHAPES = ("o", "s", "^", "D", "v", "P", "X", "h")
_WIDTH_INCHES = 7.0
_DOTS_PER_INCH = 300
_LABEL_INCHES = 0.24
_LEAST_INCHES = 1.5
"""Height of the lines of the smallest plot: its legend is to stay the smaller of the two."""
_LEGEND_LINE_INCHES = 0.16
_LEGEND_CHARACTERS = 105
"""Characters of the legend's font that fit across the picture, with room for a marker before each of three labels."""
_MARKER_POINTS = 4.0
_BAND = 0.8
"""Part of a line's height that its markers share."""
_MARGIN = 0.03
_NARROWEST_AXIS = 0.1
_HOLLOW = "hollow: not official"

_STYLE: dict[Any, Any] = {"font.size": 8, "text.parse_math": False, "svg.hashsalt": "leaderboard", "pdf.fonttype": 42}
_DASHED = {"color": "#7F7F7F", "linewidth": 0.9, "linestyle": (0, (2, 1.5))}
_PALE = {"color": "#BDBDBD", "linewidth": 1.6}
_NO_DATE: dict[str, dict[str, Any]] = {".png": {}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
"""No date in the file, so that the same scores give the same bytes."""


def check_plot(path: pathlib.Path, models: Sequence[Model] | None = None) -> None:
    """Raise what `plot_leaderboard` would raise, before any work; `models` where they are known.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
        ValueError: the file name ends in none of `SUFFIXES`, or there are more than `MAX_MODELS` models.
    """
    check_picture_name(path)
    if models is not None and len(models) > MAX_MODELS:
        raise ValueError(f"{path}: expected at most {MAX_MODELS} models, which can be told apart, got {len(models)}")


def plot_leaderboard(path: pathlib.Path, models: Sequence[Model], published: Sequence[PublishedRow] = ()) -> None:
    """Draw a dot plot of the models' scores, with the deviation over folds.

    A hollow marker is a score with reservations, or of untrained weights.

    Args:
        path: the file to write; its ending says which kind.
        models: 1 to 8, at least one of them with a score.
        published: rows whose scores are drawn as ticks behind the markers.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
        ValueError: `path` ends in none of `SUFFIXES`, or there are more than 8 models.
    """
    check_plot(path, models)
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        figure = draw_leaderboard(models, published)
        figure.savefig(path, dpi=_DOTS_PER_INCH, metadata=_NO_DATE[path.suffix.lower()])


def draw_leaderboard(models: Sequence[Model], published: Sequence[PublishedRow] = ()) -> Figure:
    """The picture of `plot_leaderboard`, not yet written."""
    from matplotlib.figure import Figure

    rows = leaderboard_rows(models)
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    ticks = [_draw_ticks(axes, [(row.chance, line) for line, row in enumerate(rows)], "chance", _DASHED)]
    # One legend entry for all published rows: they are the background, the tables have their figures.
    points = [(each.scores.get(row.label), line) for line, row in enumerate(rows) for each in published]
    ticks.append(_draw_ticks(axes, points, "published models", _PALE))
    markers = [_draw_model(axes, rows, index, model, len(models)) for index, model in enumerate(models)]
    if any(score and score.reservations for row in rows for score in row.scores):
        markers.append(_draw_marker(axes, "o", "#000000", "white", _HOLLOW))
    _label_axes(axes, rows)
    _end_axis_with_data(axes, rows, [value for value, _ in points if value is not None])
    legend_lines = _add_legend(figure, [*markers, *filter(None, ticks)])
    figure.set_size_inches(_WIDTH_INCHES, _height(len(rows), len(models), legend_lines))
    return figure


def _height(rows: int, models: int, legend_lines: int) -> float:
    """Inches: a line of the plot grows with the markers that share it; 19 lines of 8 models fill a page."""
    line = max(_LABEL_INCHES, 0.13 + 0.036 * models)
    return (
        0.6
        + _LEGEND_LINE_INCHES * legend_lines
        + max(line * rows, _LEAST_INCHES, _LEGEND_LINE_INCHES * legend_lines + 0.5)
    )


def _draw_ticks(
    axes: Axes, points: Sequence[tuple[float | None, int]], label: str, style: dict[str, Any]
) -> Artist | None:
    """A short upright stroke for each value that there is."""
    there = [(value, line) for value, line in points if value is not None]
    if not there:
        return None
    low, high = ([line + side * _BAND / 2 for _, line in there] for side in (-1, 1))
    return axes.vlines([value for value, _ in there], low, high, label=label, zorder=1, **style)


def _draw_marker(axes: Axes, shape: str, colour: str, face: str, label: str) -> Artist:
    """A marker for the legend alone."""
    return axes.plot([], [], shape, color=colour, markerfacecolor=face, markersize=_MARKER_POINTS, label=label)[0]


def _draw_model(axes: Axes, rows: Sequence[Row], index: int, model: Model, models: int) -> Artist:
    """The markers of one model; those of all models lie below one another within a line."""
    colour, shape = COLOURS[index], _SHAPES[index]
    offset = _BAND * ((index + 0.5) / models - 0.5)
    for line, row in enumerate(rows):
        score = row.scores[index]
        if score is not None:
            axes.errorbar(
                score.value,
                line + offset,
                xerr=score.deviation,
                fmt=shape,
                color=colour,
                markersize=_MARKER_POINTS,
                markerfacecolor="white" if score.reservations else colour,
                elinewidth=0.8,
                zorder=3,
            )
    return _draw_marker(axes, shape, colour, colour, model.title)


def _label_axes(axes: Axes, rows: Sequence[Row]) -> None:
    titles = _titles(rows)
    axes.set_yticks(
        range(len(rows)), [f"{title}\n{row.metric}" for title, row in zip(titles, rows, strict=True)], linespacing=1.1
    )
    axes.tick_params(axis="y", length=0, labelsize=7)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    for line in range(1, len(rows)):
        axes.axhline(line - 0.5, color="#E0E0E0", linewidth=0.6, zorder=0)
    axes.set_xlabel("score" + (" (bars: standard deviation over folds)" if _has_deviations(rows) else ""))
    axes.grid(axis="x", color="#E0E0E0", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _titles(rows: Sequence[Row]) -> list[str]:
    """Columns of the leaderboard as they are; of other tasks the name alone, where it is that of one directory."""
    names = [row.label if row.official else row.label.partition("-")[0] for row in rows]
    return [name if names.count(name) == 1 else row.label for name, row in zip(names, rows, strict=True)]


def _end_axis_with_data(axes: Axes, rows: Sequence[Row], published: Sequence[float]) -> None:
    scores = [score for row in rows for score in row.scores if score is not None]
    ends = [score.value + side * (score.deviation or 0.0) for score in scores for side in (-1, 1)]
    values = [*ends, *published, *(row.chance for row in rows if row.chance is not None)]
    low, high = min(values), max(values)
    short = max(0.0, _NARROWEST_AXIS - (high - low)) / 2
    margin = _MARGIN * max(high - low, _NARROWEST_AXIS)
    axes.set_xlim(low - short - margin, high + short + margin)


def _has_deviations(rows: Sequence[Row]) -> bool:
    return any(score is not None and score.deviation is not None for row in rows for score in row.scores)


def _add_legend(figure: Figure, handles: Sequence[Artist]) -> int:
    """Add a legend below the plot, in as many columns as fit; the number of its lines."""
    labels = [str(handle.get_label()) for handle in handles]  # those that begin with "_" too, such as a folder's
    columns = max(1, min(len(labels), _LEGEND_CHARACTERS // (max(map(len, labels)) + 5)))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=7)
    return -(-len(labels) // columns)
