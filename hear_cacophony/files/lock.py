"""Locks on files and folders, which die with their process; and what to do where a file system has none."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pathlib
from collections.abc import Callable, Iterator

_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF)
"""NFS without its lock service, Lustre mounted without flock, file systems that know no locks, and folders on NFS."""

_warned: set[pathlib.Path] = set()


class BusyError(OSError):
    """Another process holds the lock."""


def lock_file(
    number: int, path: pathlib.Path, tell: Callable[[str], None] = lambda _: None, *, wait: bool = False
) -> bool:
    """Lock an open file or folder until it is closed.

    Where the file system has no locks, work goes on without: that is safe as long as one process is all there
    is, and the one remark on it says so.

    Args:
        number: its descriptor.
        path: its path, for messages.
        tell: takes the remark that there are no locks, once for each folder.
        wait: whether to wait where another process holds it.

    Returns:
        Whether it is locked; False where the file system has no locks.

    Raises:
        BusyError: another process holds it.
    """
    try:
        fcntl.flock(number, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise BusyError(f"{path}: another process works on it") from None
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        if path.parent not in _warned:
            _warned.add(path.parent)
            tell(no_locks_message(path.parent))
        return False
    return True


@contextlib.contextmanager
def locked_file(path: pathlib.Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a file that is there; `tell` takes the remark that there are none.

    Raises:
        BusyError: another process holds it.
    """
    number = os.open(path, os.O_RDWR if os.access(path, os.W_OK) else os.O_RDONLY)  # NFS locks what may be written
    try:
        lock_file(number, path, tell)
        yield
    finally:
        os.close(number)


@contextlib.contextmanager
def locked_folder(
    folder: pathlib.Path, tell: Callable[[str], None] = lambda _: None, *, wait: bool = False
) -> Iterator[None]:
    """Make a working folder where there is none, and hold its lock, the file `lock` in it.

    Args:
        folder: the working folder, which its holder may remove.
        tell: takes the remark that there are no locks, once for the folder that it lies in.
        wait: whether to wait where another process holds it.

    Raises:
        BusyError: another process holds it.
    """
    number = _take(folder, tell, wait)
    try:
        yield
    finally:
        os.close(number)


@contextlib.contextmanager
def folder_in_turn(
    folder: pathlib.Path,
    tell: Callable[[str], None],
    waiting: str = "another process does the same; waiting for that",
) -> Iterator[None]:
    """As `locked_folder`; where another process holds it, tell `waiting` and wait."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked_folder(folder, tell))
        except BusyError:
            tell(waiting)
            held.enter_context(locked_folder(folder, tell, wait=True))
        yield


def _take(folder: pathlib.Path, tell: Callable[[str], None], wait: bool) -> int:
    """The lock that is in its place: the process that held it may have removed the folder since."""
    path = folder / "lock"
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            number = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            continue
        try:
            lock_file(number, folder, tell, wait=wait)
        except BaseException:
            os.close(number)
            raise
        if _is_same(path, number):
            return number
        os.close(number)


def _is_same(path: pathlib.Path, number: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(number))
    except FileNotFoundError:
        return False


def is_held(path: pathlib.Path) -> bool:
    """Whether a process holds the lock of a file; False where there is no such file, or no locks."""
    try:
        number = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        lock_file(number, path)
    except BusyError:
        return True
    finally:
        os.close(number)
    return False


def has_locks(folder: pathlib.Path) -> bool:
    """Whether the file system of an existing folder has locks; nothing is written."""
    number = os.open(folder, os.O_RDONLY)
    try:
        return lock_file(number, folder)
    except BusyError:
        return True
    finally:
        os.close(number)


def no_locks_message(folder: pathlib.Path) -> str:
    """What to say where there are no locks."""
    return (
        f"{folder}: its file system has no locks (NFS without its lock service, or Lustre mounted without -o flock?); "
        "going on without: start no second process on this folder"
    )
