"""Names and messages as text: they may be no UTF-8, and hold what would break a line or turn what follows them."""

from __future__ import annotations

import os
import unicodedata

_TURNING = {
    ord(mark): mark.encode("unicode_escape").decode()
    for mark in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
}
"""Embeddings, overrides and isolates of Unicode's bidirectional algorithm."""


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
        for each in one_direction(name)
    )


def on_own_lines(message: str) -> str:
    """A message on its own lines, each of which is as `on_one_line` shows it."""
    return "\n".join(map(on_one_line, message.split("\n")))


def one_direction(text: str) -> str:
    """A text that can be encoded, with the marks that would turn what follows it as Python writes them.

    Letters that are written from right to left stay as they are.
    """
    return as_text(text).translate(_TURNING)
