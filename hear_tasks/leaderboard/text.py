"""The leaderboard as lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from hear_cacophony.text_table import GAP, column_widths, text_table
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

_HEAD_WIDTH = 24


def format_text(models: Sequence[Model], width: int | None = None) -> str:
    """The leaderboard as text, tasks down and models across.

    Args:
        models: at least one of them with a score.
        width: characters in a line; a table that is wider goes on below itself. None: any.
    """
    table = _text_table(leaderboard_cells(models), 3, width)
    return "\n\n".join(part for part in (table, "\n".join(remarks(models))) if part)


def format_comparisons(models: Sequence[Model], published: Sequence[PublishedRow], width: int | None = None) -> str:
    """Each model beside the published rows, as text; see `format_text` for `width`."""
    shown, marks = shown_rows(models, published), reservation_marks(models)
    parts = [COMPARISON]
    for model in models:
        cells = comparison_cells(model, shown, marks)
        parts.append("\n".join([name_published_row(model), _text_table(cells, 2, width) if cells else NONE_PUBLISHED]))
    if shown:
        parts.append("\n".join(explain_rows(shown)))
    return "\n\n".join(parts)


def format_published_table(models: Sequence[Model], width: int | None = None) -> str:
    """The published table with the scores of these models in it, as text; see `format_text` for `width`."""
    return f"{CAPTION}\n\n{_text_table(published_table_cells(models), 1, width)}"


def _text_table(cells: list[list[str]], fixed: int, width: int | None) -> str:
    """Lines of text; where they are wider than `width`, the table goes on below with its `fixed` first columns."""
    heads = [_broken(head) for head in cells[0]]
    height = max(map(len, heads))
    lines = [list(line) for line in zip(*([""] * (height - len(head)) + head for head in heads), strict=True)]
    lines += cells[1:]
    blocks = [[*range(fixed), *block] for block in _blocks(column_widths(lines), fixed, width)]
    return "\n\n".join(_ruled([[line[i] for i in block] for line in lines], height) for block in blocks)


def _broken(head: str) -> list[str]:
    """A head in lines of up to `_HEAD_WIDTH` characters: broken at spaces, never within a name."""
    lines = [""]
    for word in head.split():
        if lines[-1] and len(f"{lines[-1]} {word}") > _HEAD_WIDTH:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _blocks(widths: list[int], fixed: int, width: int | None) -> list[list[int]]:
    """The columns beyond the fixed ones, in as many blocks as `width` asks for; at least one in each."""
    left = sum(widths[:fixed]) + len(GAP) * (fixed - 1)
    blocks: list[list[int]] = [[]]
    used = left
    for column in range(fixed, len(widths)):
        needed = len(GAP) + widths[column]
        if width is not None and blocks[-1] and used + needed > width:
            blocks.append([])
            used = left
        blocks[-1].append(column)
        used += needed
    return blocks


def _ruled(lines: list[list[str]], height: int) -> str:
    """The columns aligned, and a rule below the first `height` lines."""
    text = text_table(lines)
    return "\n".join([*text[:height], "-" * max(map(len, text)), *text[height:]])
