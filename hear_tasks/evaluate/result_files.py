"""Files of results, JSON and CSV."""

from __future__ import annotations

import csv
import json
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from hear_cacophony.files.atomic_write import write_file, write_text


def write_json(path: pathlib.Path, content: Any) -> None:
    """Write JSON; numbers that are none (nan) as null."""
    text = json.dumps(_plain(content), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_csv(path: pathlib.Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file with a header."""

    def write(part: pathlib.Path) -> None:
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)

    write_file(path, write)


def _plain(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    if isinstance(content, float) and content != content:
        return None
    return content
