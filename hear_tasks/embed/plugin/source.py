"""The code of a plugin, as far as its version does not tell it from others."""

from __future__ import annotations

import hashlib
import pathlib
import re

_INSTALLED = {"site-packages", "dist-packages"}
_OURS = "hear_tasks"

_IMPORT = re.compile(r"^[ \t]*(?:from|import)[ \t]+(\w+)", re.MULTILINE)


def digest_code(name: str, file: str | None) -> str:
    """MD5 of a plugin's own code: of its package, or of its module and the modules beside it that are imported.

    Args:
        name: its module.
        file: that it was loaded from; None if there is none.

    Returns:
        "" for what is installed, or is of this package, which versions tell, and for what is no Python source.
    """
    top = name.split(".")[0]
    if not file or not file.endswith(".py") or _INSTALLED & {*pathlib.Path(file).parts} or top == _OURS:
        return ""
    place = pathlib.Path(file).absolute()
    package = next((folder for folder in place.parents if folder.name == top), None)
    if package is not None and ("." in name or place.name == "__init__.py"):
        files = sorted(package.rglob("*.py"))
    else:
        files = _with_imported(place)
    total = hashlib.md5(usedforsecurity=False)
    for each in files:
        total.update(f"{each.name}\0".encode() + each.read_bytes() + b"\0")
    return total.hexdigest()


def _with_imported(module: pathlib.Path) -> list[pathlib.Path]:
    """A module and the modules beside it that it imports, or that those do, in order."""
    found, to_read = {module}, [module]
    while to_read:
        names = _IMPORT.findall(to_read.pop().read_text(encoding="utf-8", errors="replace"))
        beside = [file for name in sorted(set(names)) if (file := module.parent / f"{name}.py").is_file()]
        to_read += [file for file in beside if file not in found]
        found.update(beside)
    return sorted(found)
