"""Files that are written whole or not at all, also when a process is killed or the power fails."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

PREFIX = ".writing-"
"""Start of the names of unfinished files. One that a killed process has left is never taken for a finished one."""

_ABANDONED_SECONDS = 3600.0
"""Age at which they are removed: no file takes so long to write."""


def write_file(path: pathlib.Path, write: Callable[[pathlib.Path], object]) -> None:
    """Write a file whole or not at all, in place of any that is there.

    Args:
        path: the file; its folder is made where it is missing.
        write: writes the path that it is given: in a folder of its own beside `path`, with the name of `path`.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    with _beside(path) as part:
        write(part)
        _sync(part)
        part.replace(path)
    sync_folder(path.parent)


def write_text(path: pathlib.Path, text: str) -> None:
    """Write a text file, UTF-8, whole or not at all, in place of any that is there."""
    write_file(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_bytes(path: pathlib.Path, content: bytes) -> None:
    """Write a file of bytes, whole or not at all, in place of any that is there."""
    write_file(path, lambda part: part.write_bytes(content))


def write_json(path: pathlib.Path, content: Any) -> None:
    """Write a JSON file, whole or not at all, in place of any that is there; numbers that are none (NaN) as null."""
    text = json.dumps(_with_nulls(content), indent=1, ensure_ascii=False, allow_nan=False)
    write_bytes(path, f"{text}\n".encode("utf-8", "backslashreplace"))  # names that are no UTF-8, as JSON escapes them


def _with_nulls(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _with_nulls(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_with_nulls(value) for value in content]
    return None if isinstance(content, float) and content != content else content


def write_text_once(path: pathlib.Path, text: str) -> bool:
    """Write a text file unless there is one: of several processes that do so at once, the first wins.

    Returns:
        Whether this call has written it.
    """
    if path.exists():
        return False
    with _beside(path) as part:
        part.write_text(text, encoding="utf-8")
        _sync(part)
        try:
            os.link(part, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links; two processes then write the same, one after the other
            if path.exists():
                return False
            part.replace(path)
    sync_folder(path.parent)
    return True


def sync_folder(folder: pathlib.Path) -> None:
    """Make sure that the entries of a folder, such as a new name, are on the disk."""
    _sync(folder)


def sync_tree(folder: pathlib.Path) -> None:
    """Make sure that a folder is on the disk with all that is in it."""
    for parent, _, files in os.walk(folder):
        for name in files:
            _sync(pathlib.Path(parent) / name)
        _sync(pathlib.Path(parent))


@contextlib.contextmanager
def _beside(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A path for the unfinished file: unique, on the file system of `path`, and gone at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path.parent)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=PREFIX, ignore_cleanup_errors=True) as folder:
        yield pathlib.Path(folder) / path.name


def _remove_abandoned(folder: pathlib.Path) -> None:
    """Remove what processes have left that were killed while they wrote."""
    for part in folder.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(part)


def _sync(path: pathlib.Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
