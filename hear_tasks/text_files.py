"""Reading the JSON and CSV files of a task, whatever they hold, and telling of it."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any, TypeGuard

from hear_cacophony.files.json_file import parse_json, read_json, read_json_object

BYTE_ORDER_MARK = "\ufeff"
UNPACK_AGAIN = "unpack the task's tarball again"
_MOST_LINES = 20
"""Of many that are alike, such as the faults of a task."""


class FileFault(Exception):
    """A file that cannot be used; the message says what was expected and what came, `fix` what to do."""

    def __init__(self, message: str, fix: str = UNPACK_AGAIN) -> None:
        super().__init__(message)
        self.fix = fix


def read_object(file: pathlib.Path) -> tuple[dict[str, Any], list[str]]:
    """A JSON object, and the names that it has more than once on its top level (the last one counts).

    Raises:
        FileFault: there is no such file, or no JSON object in it.
    """
    text = read_text(file)
    if text.startswith(BYTE_ORDER_MARK):
        raise FileFault("expected plain UTF-8, got a byte order mark before it", "save it without the byte order mark")
    pairs: list[tuple[str, Any]] = []

    def keep_pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal pairs
        pairs = members  # the outermost object comes last
        return dict(members)

    try:
        content = parse_json(text, keep_pairs)
    except ValueError as error:
        raise FileFault(_describe_bad_json(text, error)) from error
    if not isinstance(content, dict):
        raise FileFault(f"expected a JSON object {{...}}, got {describe_type(content)}")
    seen: set[str] = set()
    repeated = [name for name, _ in pairs if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
    return content, repeated


def read_if_whole(file: pathlib.Path) -> Any:
    """The content of a JSON file; None where there is no whole one, as after a kill."""
    try:
        return read_json(file)
    except (OSError, ValueError):
        return None


def read_object_if_whole(file: pathlib.Path) -> dict[str, Any]:
    """The object of a JSON file; {} where there is no whole one."""
    try:
        return read_json_object(file)
    except (OSError, ValueError):
        return {}


def _describe_bad_json(text: str, error: ValueError) -> str:
    if not text.strip():
        return "expected JSON, got an empty file"
    cut = isinstance(error, json.JSONDecodeError) and error.pos >= len(text.rstrip()) - 1
    return f"expected JSON, could not read it: {error}{' (the file seems to be cut short)' if cut else ''}"


def read_text(file: pathlib.Path) -> str:
    """The text of a UTF-8 file.

    Raises:
        FileFault: there is no such file, or it cannot be read.
    """
    if os.path.exists(file) and not os.path.isfile(file):  # reading a pipe would wait for ever
        raise FileFault(f"expected a file, found {'a folder' if os.path.isdir(file) else 'a pipe or device'}")
    try:
        return file.read_bytes().decode()
    except FileNotFoundError as error:
        raise FileFault("expected this file, found none") from error
    except PermissionError as error:
        raise FileFault(
            "expected a file that can be read, got: permission denied", "give yourself leave to read it"
        ) from error
    except OSError as error:
        raise FileFault(f"expected a file that can be read, got: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FileFault(
            f"expected UTF-8 text, got byte 0x{error.object[error.start]:02x} at offset {error.start}"
        ) from error


def describe_type(value: object) -> str:
    """What a JSON value is, for people."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def is_number(value: object) -> TypeGuard[float]:
    """Whether a JSON value is a number, infinite and NaN included."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_moderate(value: object) -> bool:
    """Whether a JSON value is a number that stands for something: neither NaN nor beyond all bounds."""
    return is_number(value) and -1e15 < value < 1e15


def listed(names: list[str] | tuple[str, ...], limit: int = 5) -> str:
    """Some names in a row, the rest counted."""
    shown = ", ".join(names[:limit])
    return f"{shown} and {len(names) - limit:,} more" if len(names) > limit else shown


def first_lines(lines: Sequence[str], rest: str = "") -> list[str]:
    """The first of many lines, and how many more there are; `rest` is put behind that."""
    more = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], *([f"... and {more} more{rest}"] if more > 0 else [])]


def shown(value: object) -> str:
    """A JSON value for people, not too long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
