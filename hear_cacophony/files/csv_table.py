"""Tables that people bring: CSV files in UTF-8 with a header, whose rows keep to it."""

from __future__ import annotations

import csv
import io
import pathlib
from collections.abc import Iterator

Rows = Iterator[tuple[int, dict[str, str | None]]]


def read_utf8(file: pathlib.Path) -> str:
    """The text in a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is a pipe or a device, or not UTF-8.
    """
    if file.exists() and not (file.is_file() or file.is_dir()):  # to open a pipe is to wait for who writes to it
        raise ValueError(f"{file}: expected a file, got a pipe or a device; save it to a file first")
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Of two-byte encodings: every other byte of most texts is 0.
        known = "utf-16" if b"\0" in error.object[:200] else "latin1"
        raise ValueError(
            f"{file}: expected UTF-8, got the byte 0x{error.object[error.start]:02X} at {error.start}; "
            f"save it as UTF-8: iconv -f {known} -t utf-8 IN > OUT"
        ) from error


def read_csv(file: pathlib.Path) -> tuple[list[str], Rows]:
    """The names of a table's columns, and its rows with the number of the line that each ends in, read as they come.

    A row that is shorter than the header has None in what it lacks.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not UTF-8 or no CSV, a name is there twice, or a row is longer than the header; the line is
            named.
    """
    reader = csv.DictReader(io.StringIO(read_utf8(file), newline=""), strict=True, skipinitialspace=True)
    try:
        columns = list(reader.fieldnames or ())
    except csv.Error as error:
        raise _no_csv(file, reader, error) from error
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise ValueError(f"{file}: expected each column once, found {', '.join(twice)} more often")
    return columns, _rows(file, reader, len(columns))


def _rows(file: pathlib.Path, reader: csv.DictReader, columns: int) -> Rows:
    try:
        for row in reader:
            if None in row:
                raise ValueError(
                    f"{file}, line {reader.line_num}: expected {columns} columns, got more; put what holds a comma in "
                    'quotes: "rain, then thunder"'
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise _no_csv(file, reader, error) from error


def _no_csv(file: pathlib.Path, reader: csv.DictReader, error: csv.Error) -> ValueError:
    return ValueError(f"{file}, line {reader.reader.line_num}: no CSV ({error}); is a quote left open?")
