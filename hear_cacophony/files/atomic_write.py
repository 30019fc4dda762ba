"""Files that are written whole or not at all, also when a process is killed or the power fails."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from hear_cacophony.files.lock import BusyError, lock_file

PREFIX = ".writing-"
"""Start of the names of unfinished files. One that a killed process has left is never taken for a finished one."""

_DEVICES = ("/dev", "/dev/fd", "/proc/self/fd")
"""Folders of devices and open files, in which nothing is to be replaced: /dev/stdout may lead to a file."""


def write_file(path: pathlib.Path, write: Callable[[pathlib.Path], object]) -> None:
    """Write a file whole or not at all, in place of any that is there.

    A device or a pipe, such as /dev/null, stays what it is, and takes the content when it is whole.

    Args:
        path: the file; its folder is made where it is missing.
        write: writes the path that it is given: in a folder of its own beside `path`, with the name of `path`.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    if _takes_a_stream(path):
        _write_stream(path, write)
        return
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
    """Make sure that a folder is on the disk with all that is in it; not what its links lead to, if anything."""
    for parent, _, files in os.walk(folder):
        for file in (pathlib.Path(parent) / name for name in files):
            if not file.is_symlink():
                _sync(file)
        _sync(pathlib.Path(parent))


def _takes_a_stream(path: pathlib.Path) -> bool:
    """Whether there is something in whose place no file may come."""
    among_devices = os.path.abspath(path.parent) in _DEVICES
    return path.exists() and not path.is_dir() and (among_devices or not path.is_file())


def _write_stream(path: pathlib.Path, write: Callable[[pathlib.Path], object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        part = pathlib.Path(folder) / path.name
        write(part)
        with part.open("rb") as content, path.open("wb") as stream:
            shutil.copyfileobj(content, stream)


@contextlib.contextmanager
def _beside(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A path for the unfinished file: unique, on the file system of `path`, and gone at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path.parent)
    folder, lock = _locked_folder(path.parent)
    try:
        yield folder / path.name
    except OSError as error:
        if error.filename is None or str(error.filename).startswith(str(folder)):
            error.filename = str(path)  # a write knows no name, and nobody the unfinished one
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked_folder(parent: pathlib.Path) -> tuple[pathlib.Path, int]:
    """A new folder, and the descriptor that holds its lock."""
    while True:
        folder = pathlib.Path(tempfile.mkdtemp(dir=parent, prefix=PREFIX))
        with contextlib.suppress(FileNotFoundError, BusyError):  # another process took it for an abandoned one
            return folder, _lock(folder)[0]


def _remove_abandoned(parent: pathlib.Path) -> None:
    """Remove what processes have left that were killed while they wrote: the folders that no living one holds."""
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            number, locked = _lock(folder)
            if locked:  # without locks there is no telling whose it is
                shutil.rmtree(folder)
            os.close(number)


def _lock(folder: pathlib.Path) -> tuple[int, bool]:
    """Lock a folder; its descriptor, and whether the file system has locks."""
    number = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        locked = lock_file(number, folder)
        (folder / ".lock").stat()  # it may have been removed before it was locked
    except OSError:
        os.close(number)
        raise
    return number, locked


def _sync(path: pathlib.Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
