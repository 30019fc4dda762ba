"""Of a task's page: the scores of each model with its folds, and the grid points beside the chosen one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hear_cacophony.pages import Column, Plot, Table, Text
from hear_cacophony.pages.blocks import PLOT_COLOURS, Block, Heading, plot_text
from hear_tasks.leaderboard import plain_hyperparameter, readable_metric
from hear_tasks.report.predicted import Predicted
from hear_tasks.report.trainings import TrainingRecord

_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def fold_blocks(found: Mapping[str, Predicted]) -> list[Block]:
    """The scores of every tested split, and how its network was found; models by their titles."""
    names = list(
        dict.fromkeys(
            name.removeprefix("test_")
            for predicted in found.values()
            for part in predicted.test_scores.values()
            for name in part
            if name.startswith("test_") and name not in ("test_score", "test_loss")
        )
    ) or ["score"]
    folds = any("aggregated_scores" in predicted.scores for predicted in found.values())
    columns = [
        Column("model", wide=True),
        Column("tested on"),
        *(Column(_readable(name, names), "number", digits=4, wide=folds) for name in names),
        Column("loss", "number", digits=4, wide=folds),
        Column("best validation", "number", digits=4, wide=folds),
        Column("in epoch", "number", digits=0),
        Column("minutes", "number", digits=1),
    ]
    rows = [row for title, predicted in found.items() for row in _fold_rows(title, predicted, names)]
    return [Heading("Scores"), Table(columns, rows, "scores of each model on each split that was tested on")]


def _readable(name: str, names: Sequence[str]) -> str:
    """The name of a score, or of a statistic, which heareval puts behind the name of its score."""
    score = next((each for each in names if name.startswith(f"{each}_")), None)
    if score is None:
        return readable_metric(name)
    return f"{readable_metric(score)}: {name.removeprefix(f'{score}_').replace('_', ' ')}"


def _fold_rows(title: str, predicted: Predicted, names: Sequence[str]) -> list[list[Any]]:
    parts = predicted.test_scores
    keys = [f"test_{name}" for name in names]
    rest = ("test_loss", "validation_score", "epoch", "time_in_min")
    rows = [
        [title, split, *(_number(part.get(key)) for key in keys), *(_number(part.get(key)) for key in rest)]
        for split, part in parts.items()
    ]
    for row, part in zip(rows, parts.values(), strict=True):
        if isinstance(part.get("epoch"), int):
            row[-2] = part["epoch"] + 1
    means = predicted.scores.get("aggregated_scores")
    if isinstance(means, dict):
        cells = [_mean_cell(means, key) for key in (*keys, "test_loss", "validation_score")]
        rows.insert(0, [title, f"mean of {len(parts)}", *cells, None, None])
    return rows


def _mean_cell(means: Mapping[str, Any], key: str) -> Any:
    mean, deviation = _number(means.get(f"{key}_mean")), _number(means.get(f"{key}_std"))
    if mean is None or deviation is None:
        return mean
    return [mean, f"{mean:.4f} ± {deviation:.4f}"]


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value == value else None


def grid_blocks(found: Mapping[str, tuple[list[TrainingRecord], str]]) -> list[Block]:
    """The grid points of each model and what is not known of them; models by their titles."""
    blocks: list[Block] = [Heading("Grid points")]
    gaps = [f"{title}: {gap}." for title, (_, gap) in found.items() if gap]
    if gaps:
        blocks.append(Text(gaps, warns=True))
    records = [(title, record) for title, (each, _) in found.items() for record in each]
    if not records:
        return blocks
    differing = _differing([record.hparams for _, record in records])
    columns = [
        Column("model", wide=True),
        Column("for the test on"),
        Column("chosen"),
        Column("best validation", "number", digits=4),
        Column("in epoch", "number", digits=0),
        *(Column(name) for name in differing),
    ]
    rows = [
        [
            title,
            record.test or None,
            "chosen" if record.chosen else None,
            record.score,
            None if record.epoch is None else record.epoch + 1,
            *(_shown(record, name) for name in differing),
        ]
        for title, record in records
    ]
    blocks.append(Table(columns, rows, "every training: the grid points, and the chosen one for each further split"))
    curves = [(title, record) for title, record in records if record.validations]
    if curves:
        blocks.append(_curves(curves, list(found), differing))
    return blocks


def _differing(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the hyperparameters that are not the same in all of these."""
    names = dict.fromkeys(name for point in points for name in point)
    return [name for name in names if len({str(point.get(name)) for point in points}) > 1]


def _shown(record: TrainingRecord, name: str) -> str:
    return str(plain_hyperparameter(record.hparams.get(name, "")))


def _curves(curves: Sequence[tuple[str, TrainingRecord]], titles: Sequence[str], differing: Sequence[str]) -> Plot:
    data = []
    for number, (title, record) in enumerate(curves):
        point = ", ".join(f"{name} {_shown(record, name)}" for name in differing)
        name = f"{title}, {record.test}{', chosen' if record.chosen else ''}"
        epochs, scores = zip(*record.validations, strict=True)
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if len(epochs) == 1 else "lines",
                "x": [epoch + 1 for epoch in epochs],
                "y": scores,
                "name": plot_text(name, 50),
                "text": plot_text(point, 120),
                "hovertemplate": "epoch %{x}: %{y:.4f}<br>%{text}<extra>%{fullData.name}</extra>",
                "line": {
                    "color": PLOT_COLOURS[titles.index(title) % len(PLOT_COLOURS)],
                    "dash": _DASHES[number % len(_DASHES)],
                    "width": 3 if record.chosen else 1.2,
                },
                "opacity": 1 if record.chosen else 0.6,
            }
        )
    layout = {"xaxis": {"title": {"text": "epoch"}}, "yaxis": {"title": {"text": "validation score"}}}
    return Plot(data, layout, "validation score against epoch of each training; the chosen ones are drawn thick")
