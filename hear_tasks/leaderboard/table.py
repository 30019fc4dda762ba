"""The rows and columns of the leaderboard: models side by side on the benchmark's columns and on tasks of one's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

from hear_tasks.leaderboard.metric_names import readable_metric
from hear_tasks.leaderboard.models import Model
from hear_tasks.leaderboard.scores import Score
from hear_tasks.registry import COLUMNS, TASKS, find_tasks

MARK = "*"
"""Behind a score that has reservations."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the leaderboard.

    Attributes:
        label: a column of the official leaderboard, or the directory of another task.
        official: whether it is a column of the official leaderboard.
        metric: name of its score, for people.
        chance: the score of guessing, None where there is no saying.
        scores: one for each model, None where it has none.
    """

    label: str
    official: bool
    metric: str
    chance: float | None
    scores: tuple[Score | None, ...]


def leaderboard_rows(models: Sequence[Model]) -> tuple[Row, ...]:
    """The lines that any of the models has a score for: the official columns in their order, then other tasks."""
    known = {task.directory for task in TASKS}
    others = sorted({directory for model in models for directory in model.scores} - known)
    columns = [_row(column, True, [column_score(model, column) for model in models]) for column in COLUMNS]
    own_tasks = [_row(task, False, [model.scores.get(task) for model in models]) for task in others]
    return tuple(row for row in (*columns, *own_tasks) if any(row.scores))


def _row(label: str, official: bool, scores: Sequence[Score | None]) -> Row:
    metrics = dict.fromkeys(readable_metric(score.metric) for score in scores if score)
    chance = next((score.chance for score in scores if score), None)
    return Row(label, official, " / ".join(metrics), chance, tuple(scores))


def column_score(model: Model, column: str) -> Score | None:
    """The score of a model in a column of the official leaderboard.

    Where two directories make one column it is their mean, without a deviation, and None unless both have a score.

    Raises:
        ValueError: no column has that name.
    """
    scores = [model.scores.get(task.directory) for task in find_tasks(column)]
    whole = [score for score in scores if score is not None]
    if len(whole) < len(scores):
        return None
    if len(whole) == 1:
        return whole[0]
    return dataclasses.replace(
        whole[0],
        value=sum(score.value for score in whole) / len(whole),
        deviation=None,
        reservations=_joined(score.reservations for score in whole),
        unrecorded=_joined(score.unrecorded for score in whole),
    )


def _joined(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each for part in parts for each in part))


def incomplete_columns(model: Model) -> list[str]:
    """One message for each column of which a model has some directories only."""
    messages = []
    for column in COLUMNS:
        missing = [task.directory for task in find_tasks(column) if task.directory not in model.scores]
        if missing and len(missing) < len(find_tasks(column)):
            messages.append(
                f"{model.name}: {column} is left blank: it is the mean over {len(find_tasks(column))} tasks, "
                f"and {', '.join(missing)} has no score"
            )
    return messages


def tasks_not_run(models: Sequence[Model]) -> list[str]:
    """One message for each model that was not run on some tasks that another has a score for."""
    scored = sorted({task for model in models for task in model.scores})
    missing = [(model.name, [task for task in scored if task not in model.tasks]) for model in models]
    return [f"{name}: not run on {', '.join(tasks)}" for name, tasks in missing if tasks]


def leaderboard_cells(models: Sequence[Model]) -> list[list[str]]:
    """The leaderboard as cells of text, the head first: tasks down and models across."""
    head = ["task", "score", "chance", *(model.title for model in models)]
    return [
        head,
        *([row.label, row.metric, _chance(row), *map(format_cell, row.scores)] for row in leaderboard_rows(models)),
    ]


def _chance(row: Row) -> str:
    return "" if row.chance is None else f"{row.chance:.3f}"


def format_cell(score: Score | None) -> str:
    """A score for people, with its deviation and mark; "" where there is none."""
    if score is None:
        return ""
    deviation = "" if score.deviation is None else f" ± {score.deviation:.3f}"
    return f"{score.value:.3f}{deviation}{MARK if score.reservations else ''}"


def remarks(models: Sequence[Model]) -> list[str]:
    """What the table cannot show: the reservations, and what is not recorded."""
    reservations = group_remarks(models, lambda row, score: score.reservations)
    unrecorded = group_remarks(models, lambda row, score: score.unrecorded)
    lines = [f"{MARK} not as the official leaderboard asks: {remark}" for remark in reservations]
    return [*lines, *(f"not recorded: {remark}" for remark in unrecorded)]


def group_remarks(models: Sequence[Model], parts: Callable[[Row, Score], tuple[str, ...]]) -> list[str]:
    """Each distinct remark, with the models that it is about, and their tasks unless it is about all of them."""
    found: dict[str, list[str]] = {}
    rows = leaderboard_rows(models)
    for i, model in enumerate(models):
        labels: dict[str, list[str]] = {}
        scored = [(row, score) for row in rows if (score := row.scores[i]) is not None]
        for row, score in scored:
            if parts(row, score):
                labels.setdefault("; ".join(parts(row, score)), []).append(row.label)
        for remark, about in labels.items():
            where = model.name if len(about) == len(scored) else f"{model.name}: {', '.join(about)}"
            found.setdefault(remark, []).append(where)
    return [f"{remark} [{'; '.join(where)}]" for remark, where in found.items()]
