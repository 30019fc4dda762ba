"""Which packages are installed, and what to do where one is not."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterable


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """The versions of those of these packages that are installed."""
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def check_installed(package: str, purpose: str, extra: str = "tasks") -> None:
    """Raise ModuleNotFoundError, before any work, where a package of an extra is not installed."""
    if importlib.util.find_spec(package.replace("-", "_")) is None:
        raise ModuleNotFoundError(f"{purpose} {package}: pip install 'hear_cacophony[{extra}]'")
