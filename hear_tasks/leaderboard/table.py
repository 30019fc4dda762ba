"""The rows and columns of the leaderboard: models side by side on the benchmark's columns and on tasks of one's own."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from hear_tasks.leaderboard.models import Model
from hear_tasks.leaderboard.scores import Score
from hear_tasks.registry import COLUMNS, TASKS, find_tasks

MARK = "*"
"""Behind a score that has reservations, with a letter that says which."""

_METRICS = {
    "top1_acc": "accuracy",
    "pitch_acc": "pitch accuracy",
    "chroma_acc": "chroma accuracy",
    "mAP": "mAP",
    "aucroc": "ROC AUC",
    "d_prime": "d-prime",
    "test_score": "score",
}
_METRIC_PATTERNS = (
    (r"event_onset_(\d+)ms_fms", r"onset F1, \1 ms"),
    (r"event_onset_offset_(\d+)ms_(\d+)perc_fms", r"onset-offset F1, \1 ms, \2 %"),
    (r"segment_(\d+)s_er", r"segment error rate, \1 s"),
)
"""heareval's names of scores, as people read them."""


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


def readable_metric(name: str) -> str:
    """The name of a score for tables, such as "onset F1, 200 ms" for "event_onset_200ms_fms"; others stay."""
    for pattern, readable in _METRIC_PATTERNS:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, readable, name)
    return _METRICS.get(name, name)


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


def reservation_marks(models: Sequence[Model]) -> dict[str, str]:
    """A letter for all that is said of a score with reservations, in the order of the table."""
    scores = [score for row in leaderboard_rows(models) for score in row.scores if score and score.reservations]
    found = dict.fromkeys("; ".join(score.reservations) for score in scores)
    return {remark: _letter(number) for number, remark in enumerate(found)}


def _letter(number: int) -> str:
    """a to z, then aa, ab and so on."""
    before, last = divmod(number, 26)
    return (_letter(before - 1) if before else "") + chr(ord("a") + last)


def leaderboard_cells(models: Sequence[Model]) -> list[list[str]]:
    """The leaderboard as cells of text, the head first: tasks down and models across."""
    head = ["task", "score", "chance", *(model.title for model in models)]
    marks = reservation_marks(models)
    lines = [
        [row.label, row.metric, _chance(row), *(format_cell(score, marks) for score in row.scores)]
        for row in leaderboard_rows(models)
    ]
    return [head, *lines]


def _chance(row: Row) -> str:
    return "" if row.chance is None else f"{row.chance:.3f}"


def format_cell(score: Score | None, marks: Mapping[str, str]) -> str:
    """A score for people, with its deviation and the mark of its reservations; "" where there is none."""
    if score is None:
        return ""
    deviation = "" if score.deviation is None else f" ± {score.deviation:.3f}"
    mark = f"{MARK}{marks['; '.join(score.reservations)]}" if score.reservations else ""
    return f"{score.value:.3f}{deviation}{mark}"


def remarks(models: Sequence[Model]) -> list[str]:
    """What the table cannot show: the reservations behind its letters, and what is not recorded."""
    marks = reservation_marks(models)
    reservations = group_remarks(models, lambda row, score: score.reservations)
    unrecorded = group_remarks(models, lambda row, score: score.unrecorded)
    lines = [f"{MARK}{mark} not as the official leaderboard asks: {reservations[each]}" for each, mark in marks.items()]
    return [*lines, *(f"not recorded: {remark}" for remark in unrecorded.values())]


def group_remarks(models: Sequence[Model], parts: Callable[[Row, Score], Iterable[str]]) -> dict[str, str]:
    """Each distinct remark, and the same with the models that it is about, and their tasks unless those are all."""
    found: dict[str, list[str]] = {}
    for i, model in enumerate(models):
        for remark, labels in tasks_of_remarks(models, i, parts).items():
            found.setdefault(remark, []).append(f"{model.name}: {', '.join(labels)}" if labels else model.name)
    return {remark: f"{remark} [{'; '.join(where)}]" for remark, where in found.items()}


def tasks_of_remarks(
    models: Sequence[Model], number: int, parts: Callable[[Row, Score], Iterable[str]]
) -> dict[str, list[str]]:
    """The remarks on the scores of one of the models, and the tasks that each is about: [] where those are all."""
    scored = [(row, score) for row in leaderboard_rows(models) if (score := row.scores[number]) is not None]
    found: dict[str, list[str]] = {}
    for row, score in scored:
        if remark := "; ".join(parts(row, score)):
            found.setdefault(remark, []).append(row.label)
    return {remark: [] if len(labels) == len(scored) else labels for remark, labels in found.items()}
