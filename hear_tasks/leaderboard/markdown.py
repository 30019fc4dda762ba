"""The leaderboard as tables of markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hear_tasks.leaderboard.models import Model
from hear_tasks.leaderboard.published import (
    CAPTION,
    COMPARISON,
    NONE_PUBLISHED,
    PublishedRow,
    comparison_cells,
    explain_rows,
    name_published_row,
    published_table_cells,
    shown_rows,
)
from hear_tasks.leaderboard.table import leaderboard_cells, remarks, reservation_marks


def format_markdown(models: Sequence[Model]) -> str:
    """The leaderboard as a table of markdown, with the remarks below it."""
    table = _markdown_table(leaderboard_cells(models))
    return "\n\n".join(part for part in (table, _list(remarks(models))) if part)


def format_markdown_comparisons(models: Sequence[Model], published: Sequence[PublishedRow]) -> str:
    """Each model beside the published rows, as markdown."""
    shown, marks = shown_rows(models, published), reservation_marks(models)
    parts = [COMPARISON]
    for model in models:
        cells = comparison_cells(model, shown, marks)
        parts += [_escape(name_published_row(model)), _markdown_table(cells) if cells else NONE_PUBLISHED]
    if shown:
        parts.append(_list(explain_rows(shown)))
    return "\n\n".join(parts)


def format_markdown_published_table(models: Sequence[Model]) -> str:
    """The published table with the scores of these models in it, as markdown."""
    return f"{CAPTION}\n\n{_markdown_table(published_table_cells(models))}"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {_escape(line)}" for line in lines)


def _markdown_table(cells: list[list[str]]) -> str:
    lines = [[_escape(cell) for cell in line] for line in cells]
    lines.insert(1, ["---"] * len(cells[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escape(text: str) -> str:
    """Text with the characters escaped that mean something in markdown."""
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", text)
