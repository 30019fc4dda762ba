"""The published table again: its models across, each with its own score beside the published one, if it was run."""

from __future__ import annotations

from collections.abc import Sequence

from hear_tasks.leaderboard.models import Model
from hear_tasks.leaderboard.published import PublishedRow, published_rows
from hear_tasks.leaderboard.table import column_score, format_cell
from hear_tasks.registry import COLUMNS

CAPTION = (
    "The published table: our score, and in brackets the published one and ours minus it. Models that were not run are "
    "shown as published."
)


def published_table_cells(models: Sequence[Model]) -> list[list[str]]:
    """Columns of the published table down, its models across, the head first.

    A row of the table belongs to the model that was embedded with its HEAR module; where a model was published twice,
    the later release counts. Models of no row are left out.
    """
    rows = {row.module: row for row in published_rows()}
    run = {model.weights.module: model for model in models}
    columns = [column for column in COLUMNS if any(column in row.scores for row in rows.values())]
    pairs = [(row, run.get(module)) for module, row in rows.items()]
    head = ["task", *(_head(row, model) for row, model in pairs)]
    return [head, *([column, *(_cell(row, model, column) for row, model in pairs)] for column in columns)]


def _head(row: PublishedRow, model: Model | None) -> str:
    if model is None:
        return f"{row.model} (published)"
    return f"{row.model} (untrained)" if model.weights.untrained else row.model


def _cell(row: PublishedRow, model: Model | None, column: str) -> str:
    figure, score = row.scores.get(column), column_score(model, column) if model else None
    if score is None or figure is None:
        return format_cell(score) if figure is None else f"({figure:.3f})"
    difference = round(score.value - figure, 3) + 0.0  # which makes -0.0 0.0
    return f"{format_cell(score)} ({figure:.3f} {difference:+.3f})"
