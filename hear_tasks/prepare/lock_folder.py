"""One run at a time in a folder."""

from __future__ import annotations

import contextlib
import os
import pathlib
import sys
from collections.abc import Iterator

from hear_cacophony.files.lock import BusyError, lock_file


@contextlib.contextmanager
def lock_folder(folder: pathlib.Path, tasks: pathlib.Path) -> Iterator[None]:
    """Lock a folder; the lock ends with the process and leaves no file.

    Args:
        folder: an existing folder.
        tasks: the folder of tasks that it is, or is in; a remark on missing locks names it, once.

    Raises:
        BusyError: another run holds the lock.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        _lock(handle, folder, tasks)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: pathlib.Path, tasks: pathlib.Path) -> None:
    try:
        lock_file(handle, tasks / folder.name, lambda remark: print(f"prepare: {remark}", file=sys.stderr, flush=True))
    except BusyError:
        raise BusyError(f"{folder}: another run is writing to it; wait for its end, or stop it") from None
