"""Parameters that only repeat what others show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def first(count: int, values: Iterable[Any]) -> list[Any]:
    """All values as parameters of a test; those after the first `count` are left out unless pytest gets --all."""
    return [value if i < count else pytest.param(value, marks=pytest.mark.repeats) for i, value in enumerate(values)]
