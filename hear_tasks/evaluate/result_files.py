"""Tables of results, as CSV."""

from __future__ import annotations

import csv
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from hear_cacophony.files.atomic_write import write_file


def write_csv(path: pathlib.Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file with a header."""

    def write(part: pathlib.Path) -> None:
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)

    write_file(path, write)
