"""Tables of data sets: CSV files whose columns are checked before they are used."""

from __future__ import annotations

import csv
import pathlib
from collections.abc import Sequence


class LayoutError(ValueError):
    """A data set does not lie as its publisher distributes it; the message says what was expected where."""


def read_table(file: pathlib.Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a CSV file with a header, as dicts.

    Args:
        file: the file.
        columns: columns that it has to have, each of them filled in every row.

    Raises:
        LayoutError: the file is none of text, lacks a column, or a row lacks a value.
    """
    header, *rows = _rows(file, ",") or [[]]
    lacking = [column for column in columns if column not in header]
    if lacking:
        raise LayoutError(
            f"{file}: expected a table with the columns {', '.join(columns)}, "
            f"got {', '.join(header) or 'an empty file'}; is this the table of another data set?"
        )
    records = [dict(zip(header, row, strict=False)) for row in rows]
    for line, record in enumerate(records, 2):
        empty = [column for column in columns if not record.get(column, "").strip()]
        if empty:
            raise LayoutError(f"{file}: row {line}: expected a value in each of its columns, none in {empty[0]!r}")
    return records


def read_plain_table(file: pathlib.Path, columns: Sequence[str], delimiter: str) -> list[list[str]]:
    """Rows of a file without a header.

    Args:
        file: the file.
        columns: what its first columns are, each of them filled in every row.
        delimiter: what stands between them.

    Raises:
        LayoutError: the file is none of text, or a row lacks a value.
    """
    rows = _rows(file, delimiter)
    for line, row in enumerate(rows, 1):
        if len(row) < len(columns) or not all(value.strip() for value in row[: len(columns)]):
            raise LayoutError(f"{file}: row {line}: expected {', '.join(columns)}, got {delimiter.join(row)!r}")
    return rows


def _rows(file: pathlib.Path, delimiter: str) -> list[list[str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise LayoutError(f"{file}: expected a table as UTF-8 text: {error}") from None
