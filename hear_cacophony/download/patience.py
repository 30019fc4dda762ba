"""When a host asks for patience: the statuses that say so, and for how long."""

from __future__ import annotations

import datetime
import email.utils
from collections.abc import Mapping

PASSING = (408, 429, 500, 502, 503, 504)
"""Statuses of HTTP with which a host may give the same file later."""


def asked_seconds(headers: Mapping[str, str]) -> float | None:
    """The seconds that a host asks to wait, by its header Retry-After.

    Args:
        headers: of its answer; keys in any case.

    Returns:
        None where it does not say, or not in a form of the standard, which are whole seconds and a date.
    """
    asked = headers.get("Retry-After", "").strip()
    if asked.isdecimal():
        return float(asked)
    try:
        until = email.utils.parsedate_to_datetime(asked)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=datetime.UTC)
    return max(0.0, (until - datetime.datetime.now(datetime.UTC)).total_seconds())
