"""Characters that a tokenizer can take: a text may hold half of one, which has no UTF-8."""

from __future__ import annotations

_SHOWN = 20
"""Characters that are shown before and behind the wrong one."""


def check_characters(text: str, what: str) -> None:
    """Refuse half characters (surrogates of UTF-16), as an escape of JSON that was cut or a byte of an argument leaves.

    Args:
        text: the text.
        what: it is, for the message.

    Raises:
        ValueError: it holds one.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        around = text[max(0, error.start - _SHOWN) : error.start + _SHOWN]
        raise ValueError(
            f"{what}: expected whole characters, got the half one {text[error.start]!r} at {error.start}, in "
            f"{around!r}; was the text cut, or is it no UTF-8?"
        ) from None
