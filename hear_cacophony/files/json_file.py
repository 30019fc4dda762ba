"""Reading JSON, whatever stands in it."""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Callable
from typing import Any


def read_json(file: pathlib.Path) -> Any:
    """What a JSON file in UTF-8 holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON; see `parse_json`.
    """
    return parse_json(file.read_text(encoding="utf-8"))


def read_json_object(file: pathlib.Path) -> dict[str, Any]:
    """As `read_json`, of an object.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON, or holds something else.
    """
    content = read_json(file)
    if not isinstance(content, dict):
        raise ValueError(f"expected a JSON object, got {type(content).__name__}")
    return content


def parse_json(text: str | bytes, make_object: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """What a text holds.

    Args:
        text: in UTF-8 where it is bytes.
        make_object: makes what stands for an object, of its names and values; a dict unless given.

    Raises:
        ValueError: it is no JSON, or nested too deeply to be read, of which Python tells otherwise.
    """
    try:
        return json.loads(text, object_pairs_hook=make_object, parse_int=_whole_number)
    except RecursionError as error:
        raise ValueError("brackets nested too deeply") from error


def _whole_number(digits: str) -> int | float:
    """One that is beyond all floats is infinite, as 1e999 is: as an int it passes for finite, and then overflows."""
    return int(digits) if len(digits) <= sys.float_info.max_10_exp else float(digits)
