"""The user's cache folder: weights, compiled functions, fetched packages and whatever else can be made again."""

from __future__ import annotations

import os
import pathlib

_NO_HOME = "/dev/null"
"""In place of a home that is not known: no folder can be made in it."""

CACHE_ADVICE = "set HOME, or XDG_CACHE_HOME, to a folder that you may write to"
"""What to do where the cache folder cannot be written to."""


def cache_folder(*below: str) -> pathlib.Path:
    """`hear_cacophony` below XDG_CACHE_HOME, or below ~/.cache, and a folder in it; it need not be there yet.

    A relative XDG_CACHE_HOME is ignored, as its specification says: it would be another folder wherever one works.
    """
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(cache):
        home = os.path.expanduser("~")
        cache = os.path.join(home if os.path.isabs(home) else _NO_HOME, ".cache")
    return pathlib.Path(cache, "hear_cacophony", *below)


def make_writable_folder(folder: pathlib.Path, advice: str = CACHE_ADVICE) -> None:
    """Make a folder, in the cache unless told otherwise, where there is none.

    Raises:
        PermissionError: it cannot be written to; the message ends with the advice.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(folder, os.W_OK | os.X_OK) else "no leave"
    except OSError as error:
        reason = "no home is known" if folder.is_relative_to(_NO_HOME) else error.strerror or str(error)
    if reason:
        raise PermissionError(f"{folder}: cannot be written to ({reason}); {advice}")
