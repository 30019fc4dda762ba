"""Models beside the published rows: the published score, and ours minus it."""

from __future__ import annotations

from collections.abc import Sequence

from hear_tasks.leaderboard.models import Model
from hear_tasks.leaderboard.published import PublishedRow, find_published, published_rows
from hear_tasks.leaderboard.table import Row, format_cell, leaderboard_rows

COMPARISON = "Beside the published scores: the published score, and ours minus it."
NONE_PUBLISHED = "None of its tasks has a published score."


def shown_rows(models: Sequence[Model], published: Sequence[PublishedRow]) -> tuple[PublishedRow, ...]:
    """The published rows with a score in a column that one of the models has a score in."""
    columns = {row.label for row in leaderboard_rows(models)}
    return tuple(row for row in published if columns & row.scores.keys())


def explain_rows(shown: Sequence[PublishedRow]) -> list[str]:
    """One line for each published row that is shown: its number in the heads, and where it is from."""
    return [f"[{i}] {row.model} ({row.source})" for i, row in enumerate(shown, 1)]


def comparison_cells(model: Model, shown: Sequence[PublishedRow]) -> list[list[str]]:
    """Columns down, the model and the published rows across; [] where it has none of the published columns.

    A published row without a score in any of these columns is left out; the one that the checkpoint belongs to is
    marked as its own.
    """
    own = find_published(model.weights.md5)
    rows = [row for row in leaderboard_rows([model]) if any(row.label in each.scores for each in shown)]
    labels = {row.label for row in rows}
    across = [(i, each) for i, each in enumerate(shown, 1) if labels & each.scores.keys()]
    heads = [f"[{i}] own row" if each == own else f"[{i}]" for i, each in across]
    body = [
        [row.label, format_cell(row.scores[0]), *(_published_cell(row, each) for _, each in across)] for row in rows
    ]
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
