"""Rows of cells as lines of text, their columns aligned."""

from __future__ import annotations

from collections.abc import Collection, Sequence

GAP = "  "
"""Between two columns."""


def text_table(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """A line for each row; each column is as wide as its widest cell.

    Args:
        rows: of as many cells each.
        right: the columns that are aligned on the right, such as those of numbers.
    """
    widths = column_widths(rows)
    sides = [">" if i in right else "<" for i in range(len(widths))]
    return [GAP.join(map("{:{}{}}".format, row, sides, widths)).rstrip() for row in rows]


def column_widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Characters of the widest cell in each column."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]
