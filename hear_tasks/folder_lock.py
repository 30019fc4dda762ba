"""A lock on a folder, which dies with the process that holds it, and files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
from collections.abc import Iterator

_NAME = "lock"


class BusyError(RuntimeError):
    """Another process works in the folder."""


@contextlib.contextmanager
def locked_folder(folder: pathlib.Path, *, wait: bool = False) -> Iterator[None]:
    """Make a folder where there is none, and hold its lock.

    Args:
        folder: the folder; its holder may remove it.
        wait: whether to wait where another process holds it.

    Raises:
        BusyError: another process holds it.
    """
    lock = _take(folder, wait)
    try:
        yield
    finally:
        os.close(lock)


def is_locked(folder: pathlib.Path) -> bool:
    """Whether a process holds the lock of a folder."""
    try:
        with (folder / _NAME).open("rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _take(folder: pathlib.Path, wait: bool) -> int:
    """The lock that is in its place: the process that held it may have removed the folder since."""
    path = folder / _NAME
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            number = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(number, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if os.path.samestat(path.stat(), os.fstat(number)):
                return number
        except BlockingIOError:
            os.close(number)
            raise BusyError(f"{folder}: another process works in it") from None
        except FileNotFoundError:
            pass
        os.close(number)


def write_whole(path: pathlib.Path, content: bytes) -> None:
    """Write a file so that it is there whole, on the disk, or as it was before."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
