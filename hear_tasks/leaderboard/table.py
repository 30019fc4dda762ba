"""The HEAR leaderboard: models side by side on the benchmark's columns and on tasks of one's own.

As text, as markdown, as the official leaderboard's CSV, and beside published scores.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Callable, Iterable, Sequence

from hear_tasks.leaderboard.published import PublishedRow, find_published
from hear_tasks.leaderboard.scores import Model, Score
from hear_tasks.registry import COLUMNS, TASKS, find_tasks

CSV_HEADER = ("Model", "URL", "Submission Date", *COLUMNS)
"""The header of the official leaderboard."""

MARK = "*"
"""Behind a score that has reservations."""

_HEAD_WIDTH = 16
_GAP = "  "


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the leaderboard.

    Attributes:
        label: a column of the official leaderboard, or the directory of another task.
        official: whether it is a column of the official leaderboard.
        metric: name of its score.
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
    metrics = dict.fromkeys(score.metric for score in scores if score)
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


def format_text(models: Sequence[Model], width: int | None = None) -> str:
    """The leaderboard as text, tasks down and models across.

    Args:
        models: at least one of them with a score.
        width: characters in a line; a table that is wider goes on below itself. None: any.
    """
    table = _text_table(_leaderboard_cells(models), 3, width)
    return "\n\n".join(part for part in (table, "\n".join(_remarks(models))) if part)


def format_markdown(models: Sequence[Model]) -> str:
    """The leaderboard as a table of markdown, with the remarks below it."""
    remarks = [f"- {_escape(line)}" for line in _remarks(models)]
    return "\n\n".join(part for part in (_markdown_table(_leaderboard_cells(models)), "\n".join(remarks)) if part)


def _leaderboard_cells(models: Sequence[Model]) -> list[list[str]]:
    head = ["task", "score", "chance", *(model.title for model in models)]
    return [head, *([row.label, row.metric, _chance(row), *map(_cell, row.scores)] for row in leaderboard_rows(models))]


def _chance(row: Row) -> str:
    return "" if row.chance is None else f"{row.chance:.3f}"


def _cell(score: Score | None) -> str:
    if score is None:
        return ""
    deviation = "" if score.deviation is None else f" ± {score.deviation:.3f}"
    return f"{score.value:.3f}{deviation}{MARK if score.reservations else ''}"


def _remarks(models: Sequence[Model]) -> list[str]:
    """What the table cannot show: the reservations, and what is not recorded."""
    reservations = _grouped(models, lambda row, score: score.reservations)
    unrecorded = _grouped(models, lambda row, score: score.unrecorded)
    lines = [f"{MARK} not as the official leaderboard asks: {remark}" for remark in reservations]
    return [*lines, *(f"not recorded: {remark}" for remark in unrecorded)]


def _grouped(models: Sequence[Model], parts: Callable[[Row, Score], tuple[str, ...]]) -> list[str]:
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


def format_csv(models: Sequence[Model], *, unofficial: bool = False) -> str:
    """The leaderboard as the official CSV: fractions, blank where there is no score.

    URL and submission date are blank, for whoever submits it.

    Args:
        models: one line each; a model of which nothing is official has none.
        unofficial: whether scores with reservations are let in.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    rows = leaderboard_rows(models)
    for i, model in enumerate(models):
        scored = [(row, score) for row in rows if (score := row.scores[i]) is not None]
        values = {row.label: f"{score.value:.6f}" for row, score in scored if not _barred(row, score, unofficial)}
        if values:
            writer.writerow([model.name, "", "", *(values.get(column, "") for column in COLUMNS)])
    return text.getvalue()


def left_out_of_csv(models: Sequence[Model], *, unofficial: bool = False) -> list[str]:
    """What `format_csv` leaves out: one message for each reason, with the models and tasks."""
    reasons = _grouped(models, lambda row, score: _barred(row, score, unofficial))
    return [f"left out of the CSV: {reason}" for reason in reasons]


def _barred(row: Row, score: Score, unofficial: bool) -> tuple[str, ...]:
    """The reasons that keep a score out of the CSV."""
    if not row.official:
        return ("no column of the official leaderboard",)
    return () if unofficial else score.reservations


def format_comparisons(models: Sequence[Model], published: Sequence[PublishedRow], width: int | None = None) -> str:
    """Each model beside the published rows, as text; see `format_text` for `width`."""
    parts = []
    for model in models:
        cells = _comparison_cells(model, published)
        parts.append("\n".join([_belonging(model), _text_table(cells, 2, width) if cells else _NONE_PUBLISHED]))
    return "\n\n".join([_COMPARISON, *parts, "\n".join(_legend(published))])


def format_markdown_comparisons(models: Sequence[Model], published: Sequence[PublishedRow]) -> str:
    """Each model beside the published rows, as markdown."""
    parts = []
    for model in models:
        cells = _comparison_cells(model, published)
        parts += [_escape(_belonging(model)), _markdown_table(cells) if cells else _NONE_PUBLISHED]
    return "\n\n".join([_COMPARISON, *parts, "\n".join(f"- {_escape(line)}" for line in _legend(published))])


_COMPARISON = "Beside the published scores: the published score, and ours minus it."
_NONE_PUBLISHED = "None of its tasks has a published score."


def _legend(published: Sequence[PublishedRow]) -> list[str]:
    return [f"[{i}] {row.model} ({row.source})" for i, row in enumerate(published, 1)]


def _comparison_cells(model: Model, published: Sequence[PublishedRow]) -> list[list[str]]:
    """Published columns down, the model and the published rows across; [] where it has none of the columns.

    The row that its checkpoint belongs to is marked as its own.
    """
    own = find_published(model.weights.md5)
    heads = [f"[{i}] own row" if row == own else f"[{i}]" for i, row in enumerate(published, 1)]
    columns = {column for row in published for column in row.scores}
    rows = [row for row in leaderboard_rows([model]) if row.label in columns]
    body = [[row.label, _cell(row.scores[0]), *(_published_cell(row, each) for each in published)] for row in rows]
    return [["task", model.title, *heads], *body] if body else []


def _published_cell(row: Row, published: PublishedRow) -> str:
    score, figure = row.scores[0], published.scores.get(row.label)
    if score is None or figure is None:
        return ""
    difference = round(score.value - figure, 3) + 0.0  # which makes -0.0 0.0
    return f"{figure:.3f} {difference:+.3f}"


def _belonging(model: Model) -> str:
    """Which published row the checkpoint of a model belongs to."""
    weights = model.weights
    if weights.untrained:
        return f"{model.name}: untrained weights, of no published row"
    if not weights.md5:
        return f"{model.name}: the MD5 of its checkpoint is not recorded, so its published row is not known"
    row = find_published(weights.md5)
    if row is None:
        return f"{model.name}: {weights.name}, MD5 {weights.md5}, is the checkpoint of no published row"
    return f"{model.name}: {weights.name}, MD5 {weights.md5}, is the checkpoint of the published row {row.model!r}"


def _text_table(cells: list[list[str]], fixed: int, width: int | None) -> str:
    """Lines of text; where they are wider than `width`, the table goes on below with its `fixed` first columns."""
    heads = [_broken(head) for head in cells[0]]
    height = max(map(len, heads))
    lines = [list(line) for line in zip(*([""] * (height - len(head)) + head for head in heads), strict=True)]
    lines += cells[1:]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    return "\n\n".join(
        _aligned(lines, height, [*range(fixed), *block], widths) for block in _blocks(widths, fixed, width)
    )


def _broken(head: str) -> list[str]:
    """A head in lines of about `_HEAD_WIDTH` characters, broken behind punctuation and spaces."""
    lines = [""]
    for part in re.findall(r"[^\s._=/-]*[\s._=/-]*", head):
        if lines[-1] and len(lines[-1] + part.rstrip()) > _HEAD_WIDTH:
            lines.append("")
        lines[-1] += part
    return [line.rstrip() for line in lines]


def _blocks(widths: list[int], fixed: int, width: int | None) -> list[list[int]]:
    """The columns beyond the fixed ones, in as many blocks as `width` asks for; at least one in each."""
    left = sum(widths[:fixed]) + len(_GAP) * (fixed - 1)
    blocks: list[list[int]] = [[]]
    used = left
    for column in range(fixed, len(widths)):
        needed = len(_GAP) + widths[column]
        if width is not None and blocks[-1] and used + needed > width:
            blocks.append([])
            used = left
        blocks[-1].append(column)
        used += needed
    return blocks


def _aligned(lines: list[list[str]], height: int, columns: list[int], widths: list[int]) -> str:
    text = [_GAP.join(line[column].ljust(widths[column]) for column in columns).rstrip() for line in lines]
    rule = "-" * max(map(len, text))
    return "\n".join([*text[:height], rule, *text[height:]])


def _markdown_table(cells: list[list[str]]) -> str:
    lines = [[_escape(cell) for cell in line] for line in cells]
    lines.insert(1, ["---"] * len(cells[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escape(text: str) -> str:
    """Text with the characters escaped that mean something in markdown."""
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", text)
