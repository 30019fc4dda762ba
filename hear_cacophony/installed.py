"""Which packages are installed, what to do where one is not, and imports as if one were not."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterable, Iterator


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """The versions of those of these packages that are installed."""
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def check_installed(purpose: str, *packages: str, extra: str = "tasks") -> None:
    """Raise ModuleNotFoundError, before any work, where packages of an extra are not installed.

    Args:
        purpose: how the message begins, such as "the plot needs".
        packages: their names; the modules have the same, but "_" for "-".
        extra: which one brings them.
    """
    absent = [each for each in packages if importlib.util.find_spec(each.replace("-", "_")) is None]
    if absent:
        raise ModuleNotFoundError(
            f"{purpose} {' and '.join(absent)}: pip install 'hear_cacophony[{extra}]'", name=absent[0]
        )


@contextlib.contextmanager
def without(package: str) -> Iterator[None]:
    """Have an import not load a heavy package that it takes wherever there is one, for something not needed here."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]
