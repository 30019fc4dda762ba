"""The user's cache folder: weights, compiled functions, fetched packages and whatever else can be made again."""

from __future__ import annotations

import os
import pathlib


def cache_folder(*below: str) -> pathlib.Path:
    """`hear_cacophony` below XDG_CACHE_HOME, or below ~/.cache, and a folder in it; it need not be there yet."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(cache, "hear_cacophony", *below)
