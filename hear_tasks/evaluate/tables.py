"""Tables of data sets: every row is read whole, or the file and the line are named where that cannot be."""

from __future__ import annotations

import csv
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence

Check = tuple[str, Callable[[str], object]]
"""What the values of a column have to be, in words, and whether one is."""

WHOLE_NUMBER: Check = ("a whole number", str.isdecimal)


class LayoutError(ValueError):
    """A data set does not lie as its publisher distributes it; the message says what was expected where."""


def read_table(
    file: pathlib.Path,
    columns: Sequence[str],
    *,
    header: bool = True,
    others: int = 0,
    delimiter: str = ",",
    checks: Mapping[str, Check] | None = None,
) -> list[dict[str, str]]:
    """Rows of a table by its columns. Blank lines are none.

    Args:
        file: the file.
        columns: columns that it has to have, each of them filled in every row.
        header: whether its first row names its columns, in any order and beside others.
        others: where it does not, how many more columns may follow.
        delimiter: what stands between them.
        checks: of values, by column.

    Raises:
        LayoutError: the file is none of text, lacks a column, or holds a row with more or fewer values than the
            first one has, an empty or a wrong value in one of `columns`, or a line break; or it holds no row.
    """
    rows = _rows(file, delimiter)
    names = list(columns)
    if header:
        _, names = next(rows, (0, []))
        _check_header(file, names, columns)
    records: list[dict[str, str]] = []
    for line, row in rows:
        if not header and not records:
            names += [""] * min(others, len(row) - len(names))
        records.append(dict(zip(names, row, strict=False)))
        fault = _fault(row, names, columns, delimiter) or _wrong_value(records[-1], columns, checks or {})
        if header and row == names:
            fault = "expected a row, got the header again; are two tables joined?"
        if fault:
            raise LayoutError(f"{file}: line {line}: {fault}; the line is {delimiter.join(row)[:200]!r}")
    if not records:
        raise LayoutError(f"{file}: expected rows of {', '.join(columns)}, found none; was it cut?")
    return records


def ends_with_a_line(file: pathlib.Path) -> bool:
    """Whether the last line of a file has an end, as one has that was not cut in it."""
    with file.open("rb") as content:
        content.seek(max(0, file.stat().st_size - 1))
        return content.read() in (b"\n", b"\r")


def _check_header(file: pathlib.Path, names: Sequence[str], columns: Sequence[str]) -> None:
    if any(names.count(column) != 1 for column in columns):
        raise LayoutError(
            f"{file}: expected a table with the columns {', '.join(columns)}, each once, got "
            f"{', '.join(names) or 'an empty file'}; is this the table of another data set, or another delimiter?"
        )


def _fault(row: Sequence[str], names: Sequence[str], columns: Sequence[str], delimiter: str) -> str:
    """What is wrong with the number of values in a row."""
    if len(row) == len(names):
        return ""
    listed = ", ".join(columns) + (" and others" if len(names) > len(columns) else "")
    why = f"is one with {delimiter!r} in it not quoted?" if len(row) > len(names) else "was it cut?"
    return f"expected {len(names)} values ({listed}), got {len(row)}; {why}"


def _wrong_value(record: Mapping[str, str], columns: Sequence[str], checks: Mapping[str, Check]) -> str:
    for column in columns:
        value = record[column].strip()
        what, is_right = checks.get(column, ("a value", bool))
        if not value or not is_right(value):
            return f"expected {what} in {column!r}, got {value!r}"
    return ""


def _rows(file: pathlib.Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, with the number of their line."""
    line = 1
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            for row in reader:
                if any("\n" in value or "\r" in value for value in row):
                    raise csv.Error(f"it goes on to line {reader.line_num}")
                if any("\0" in value for value in row):
                    raise LayoutError(
                        f"{file}: line {line}: expected text, there are zero bytes in it, as a full disk or a copy "
                        "that failed leaves them; fetch the file again"
                    )
                if row:
                    yield line, row
                line = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise LayoutError(f"{file}: expected a table as UTF-8 text: {error}") from None
    except csv.Error as error:
        raise LayoutError(
            f"{file}: line {line}: expected a row of the table in one line, cannot tell where it ends ({error}); "
            'is there a " too many, or one too few?'
        ) from None
