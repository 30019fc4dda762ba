"""Published HEAR scores of the paper's models and those it compares with (`published.csv`), and ours beside them."""

from __future__ import annotations

import csv
import dataclasses
import functools
import importlib.resources
from collections.abc import Mapping, Sequence

from hear_tasks.leaderboard.models import Model
from hear_tasks.leaderboard.table import Row, column_score, format_cell, leaderboard_rows, reservation_marks
from hear_tasks.registry import COLUMNS

_FILE = "published.csv"

COMPARISON = "Beside the published scores: the published score, and ours minus it."
NONE_PUBLISHED = "None of its tasks has a published score."
CAPTION = (
    "The published table: our score, and in brackets the published one and ours minus it. Models that were not run are "
    "shown as published."
)


@dataclasses.dataclass(frozen=True)
class PublishedRow:
    """The published scores of one model.

    Attributes:
        model: its name; with the release where the weights were replaced.
        module: the HEAR module that embeds with it.
        md5: MD5 of the checkpoint that the scores belong to, "" where none was published.
        source: where the figures were published.
        scores: fractions from 0 to 1 by leaderboard column, only the columns that were published.
    """

    model: str
    module: str
    md5: str
    source: str
    scores: Mapping[str, float]


@functools.cache
def published_rows() -> tuple[PublishedRow, ...]:
    """All published rows, in the order of their source.

    Raises:
        ValueError: the data file holds a column that is none of the leaderboard's.
    """
    text = importlib.resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8")
    return tuple(_read_row(record) for record in csv.DictReader(text.splitlines()))


def _read_row(record: dict[str, str]) -> PublishedRow:
    model, module, md5, source = (record.pop(field) for field in ("model", "module", "md5", "source"))
    unknown = record.keys() - set(COLUMNS)
    if unknown:
        raise ValueError(f"{_FILE}: expected columns of the leaderboard, got {', '.join(sorted(map(repr, unknown)))}")
    return PublishedRow(model, module, md5, source, {column: float(value) for column, value in record.items() if value})


def find_published(md5: str) -> PublishedRow | None:
    """The published row that the checkpoint with this MD5 belongs to, None if it belongs to none."""
    return next((row for row in published_rows() if md5 and row.md5 == md5.lower()), None)


def shown_rows(models: Sequence[Model], published: Sequence[PublishedRow]) -> tuple[PublishedRow, ...]:
    """The published rows with a score in a column that one of the models has a score in."""
    columns = {row.label for row in leaderboard_rows(models)}
    return tuple(row for row in published if columns & row.scores.keys())


def explain_rows(shown: Sequence[PublishedRow]) -> list[str]:
    """One line for each published row that is shown: its number in the heads, and where it is from."""
    return [f"[{i}] {row.model} ({row.source})" for i, row in enumerate(shown, 1)]


def comparison_cells(model: Model, shown: Sequence[PublishedRow], marks: Mapping[str, str]) -> list[list[str]]:
    """Columns down, the model and the published rows across; [] where it has none of the published columns.

    A published row without a score in any of these columns is left out; the one that the checkpoint belongs to is
    marked as its own.
    """
    own = find_published(model.weights.md5)
    rows = [row for row in leaderboard_rows([model]) if any(row.label in each.scores for each in shown)]
    labels = {row.label for row in rows}
    across = [(i, each) for i, each in enumerate(shown, 1) if labels & each.scores.keys()]
    heads = [f"[{i}] own row" if each == own else f"[{i}]" for i, each in across]
    ours = [(row, [row.label, format_cell(row.scores[0], marks)]) for row in rows]
    body = [[*cells, *(_published_cell(row, each) for _, each in across)] for row, cells in ours]
    return [["task", model.title, *heads], *body] if body else []


def _published_cell(row: Row, published: PublishedRow) -> str:
    score, figure = row.scores[0], published.scores.get(row.label)
    if score is None or figure is None:
        return ""
    difference = round(score.value - figure, 3) + 0.0  # which makes -0.0 0.0
    return f"{figure:.3f} {difference:+.3f}"


def name_published_row(model: Model) -> str:
    """Which published row the checkpoint of a model belongs to."""
    weights = model.weights
    if weights.untrained:
        return f"{model.name}: untrained weights, of no published row"
    if weights.name == "none":
        return f"{model.name}: without a file of weights, of no published row"
    if not weights.md5:
        return f"{model.name}: the MD5 of its checkpoint is not recorded, so its published row is not known"
    row = find_published(weights.md5)
    by_module = [each for each in published_rows() if each.module == weights.module]
    if len(by_module) == 1 and not by_module[0].md5:
        return (
            f"{model.name}: by its module, the published row {by_module[0].model!r}, of whose weights no MD5 is known"
        )
    if row is None:
        return f"{model.name}: {weights.name}, MD5 {weights.md5}, is the checkpoint of no published row"
    return f"{model.name}: {weights.name}, MD5 {weights.md5}, is the checkpoint of the published row {row.model!r}"


def published_table_cells(models: Sequence[Model]) -> list[list[str]]:
    """Columns of the published table down, its models across, the head first.

    A row of the table belongs to the model that was embedded with its HEAR module; where a model was published twice,
    the later release counts. Others are left out, as `left_out_of_table` tells.
    """
    rows = {row.module: row for row in published_rows()}
    run = {model.weights.module: model for model in models}
    columns = [column for column in COLUMNS if any(column in row.scores for row in rows.values())]
    pairs = [(row, run.get(module)) for module, row in rows.items()]
    head = ["task", *(_head(row, model) for row, model in pairs)]
    marks = reservation_marks(models)
    return [head, *([column, *(_cell(row, model, column, marks) for row, model in pairs)] for column in columns)]


def left_out_of_table(models: Sequence[Model]) -> list[str]:
    """One message for each model that the published table has no place for."""
    rows = {row.module for row in published_rows()}
    shown = {model.weights.module: model for model in models}
    messages = []
    for model in models:
        module = model.weights.module
        if module not in rows:
            messages.append(f"{model.name}: left out of the published table, as none of its rows is of its module")
        elif shown[module] is not model:
            messages.append(f"{model.name}: left out of the published table, as {shown[module].name} has its place")
    return messages


def _head(row: PublishedRow, model: Model | None) -> str:
    if model is None:
        return f"{row.model} (published)"
    return f"{row.model} (untrained)" if model.weights.untrained else row.model


def _cell(row: PublishedRow, model: Model | None, column: str, marks: Mapping[str, str]) -> str:
    figure, score = row.scores.get(column), column_score(model, column) if model else None
    if score is None or figure is None:
        return format_cell(score, marks) if figure is None else f"({figure:.3f})"
    difference = round(score.value - figure, 3) + 0.0  # which makes -0.0 0.0
    return f"{format_cell(score, marks)} ({figure:.3f} {difference:+.3f})"
