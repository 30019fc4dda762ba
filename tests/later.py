"""Modules that take seconds to import: each process of the tests collects all files and runs few of them."""

from __future__ import annotations

import functools
import warnings
from types import ModuleType
from typing import Any

import pytest


class Later:
    """A module that is imported when a test first uses it, which is skipped where it is not there."""

    def __init__(self, name: str) -> None:
        self._name = name

    @functools.cached_property
    def module(self) -> ModuleType:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pytest.importorskip(self._name)

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):  # pytest asks all that a file has for its fixtures' marks
            raise AttributeError(attribute)
        return getattr(self.module, attribute)
