"""Names of files as text: they may be no UTF-8, and hold what would break a line."""

from __future__ import annotations

import os
import unicodedata


def as_text(name: str) -> str:
    """A name that can be encoded: bytes that are no UTF-8 as \\xNN, half characters of JSON as \\uNNNN."""
    try:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return name.encode("utf-8", "backslashreplace").decode()


def on_one_line(name: str) -> str:
    """A name for people to read, with line ends and other control characters as Python writes them."""
    return "".join(
        each.encode("unicode_escape").decode() if unicodedata.category(each) in ("Cc", "Zl", "Zp") else each
        for each in as_text(name)
    )
