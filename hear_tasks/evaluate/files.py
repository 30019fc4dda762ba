"""Files of results, each written whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any


def write_whole(path: pathlib.Path, write: Callable[[pathlib.Path], object]) -> None:
    """Let `write` fill a file beside `path`, and move it there."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_json(path: pathlib.Path, content: Any) -> None:
    """Write JSON; numbers that are none (nan) as null."""
    text = json.dumps(_plain(content), indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(path, lambda part: part.write_text(text + "\n", encoding="utf-8"))


def write_csv(path: pathlib.Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file with a header."""

    def write(part: pathlib.Path) -> None:
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)

    write_whole(path, write)


def _plain(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    if isinstance(content, float) and content != content:
        return None
    return content
