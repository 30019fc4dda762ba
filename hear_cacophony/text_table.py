"""Rows of cells as lines of text, their columns aligned."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hear_cacophony.printable import on_one_line

GAP = "  "
"""Between two columns."""


def text_table(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """A line for each row, whatever is in its cells; each column is as wide as its widest cell.

    Args:
        rows: of as many cells each.
        right: the columns that are aligned on the right, such as those of numbers.
    """
    rows = [list(map(on_one_line, row)) for row in rows]
    widths = column_widths(rows)
    sides = [">" if i in right else "<" for i in range(len(widths))]
    return [GAP.join(map("{:{}{}}".format, row, sides, widths)).rstrip() for row in rows]


def column_widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Characters of the widest cell in each column."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]
