"""Data for the scripts of pages, written so that no text in it can end the place that it stands in."""

from __future__ import annotations

import json
import math
from typing import Any

from hear_cacophony.printable import as_text

_IN_MARKUP = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", ord("'"): "\\u0027"}
"""What means something in HTML. Line ends of JavaScript that are none of JSON are not ASCII, and so escaped anyway."""


def script_json(value: Any) -> str:
    """A value as ASCII JSON that may stand in a script of its own or between the tags of one; NaN becomes null.

    Names that are no UTF-8 become text that tells their bytes.
    """
    return json.dumps(_plain(value), allow_nan=False, separators=(",", ":")).translate(_IN_MARKUP)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return as_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {as_text(str(key)): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
