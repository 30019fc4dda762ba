"""Colours of points: by folder, or by a column of a table."""

from __future__ import annotations

import math
import os
import pathlib
from collections.abc import Mapping, Sequence

from hear_cacophony.files.csv_table import read_csv
from hear_cacophony.printable import as_text
from hear_tasks.map.points import Colours

NOT_LISTED = "not in the table"

_FILE_COLUMNS = ("file", "filename", "path", "name", "fname", "slice_file_name")
_FEW = 12
"""So many different numbers are shown as texts: they are classes, folds or years."""


def by_folder(files: Sequence[str]) -> Colours:
    """The folder of each file, below what all have in common."""
    folders = [os.path.dirname(file) for file in files]
    try:
        common = os.path.commonpath(folders)
    except ValueError:  # absolute paths among others, or none at all
        return Colours("folder", [folder or "." for folder in folders])
    return Colours("folder", [os.path.relpath(folder or ".", common or ".") for folder in folders])


class Table:
    """A CSV file with what is known of audio files, one in each row."""

    def __init__(self, path: pathlib.Path, column: str) -> None:
        """Read it.

        Raises:
            ValueError: it cannot be read, has no such column, a column twice, a row that is longer than the header,
                or a file twice with different values.
        """
        try:
            header, listed = read_csv(path)
            rows = list(listed)
        except OSError as error:
            raise ValueError(f"--table {path}: expected a CSV file in UTF-8: {error}") from None
        except ValueError as error:
            raise ValueError(f"--table {error}") from None
        if column not in header:
            raise ValueError(f"--table {path}: expected a column {column!r}, there are {', '.join(header) or 'none'}")
        known = [name for wanted in _FILE_COLUMNS for name in header if name.lower() == wanted]
        names = next(iter(known), header[0])
        self._title = column
        self._values: dict[str, str] = {}
        for line, row in rows:
            name, value = row[names], (row[column] or "").strip()
            if name and self._values.setdefault(name, value) != value:
                raise ValueError(
                    f"--table {path}, line {line}: expected one {column!r} for each file, got {value!r} for {name}, "
                    f"which is {self._values[name]!r} above"
                )

    def colours(self, names: Sequence[str]) -> tuple[Colours, int]:
        """The value of each file, and how many are not in the table.

        A file is known by its path as it is, by the end of that, or by its name, without its ending too.
        """
        found = [self._find(as_text(name)) for name in names]
        values = [NOT_LISTED if value is None else value for value in found]
        return Colours(self._title, _numbers(values) or values), found.count(None)

    def _find(self, name: str) -> str | None:
        parts = pathlib.PurePath(name).parts
        ends = [name, *("/".join(parts[i:]) for i in range(len(parts)))]
        return next(
            (value for end in [*ends, pathlib.PurePath(name).stem] if (value := self._values.get(end)) is not None),
            None,
        )


def _numbers(values: Sequence[str]) -> list[str | float | None] | None:
    """The values as numbers where all that there are, and many, are such."""
    numbers: list[str | float | None] = []
    for value in values:
        if value in ("", NOT_LISTED):
            numbers.append(None)
            continue
        try:
            number = float(value)
        except ValueError:
            return None
        numbers.append(number if math.isfinite(number) else None)
    return numbers if len(set(numbers) - {None}) > _FEW else None


def counted(colours: Colours) -> Mapping[str, int]:
    """How many points have each text, most first."""
    counts: dict[str, int] = {}
    for value in colours.values:
        counts[str(value)] = counts.get(str(value), 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
