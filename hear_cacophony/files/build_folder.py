"""Folders that are made whole or not at all, also when a process is killed."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import tempfile
from collections.abc import Callable

from hear_cacophony.files.atomic_write import sync_folder, sync_tree
from hear_cacophony.files.lock import BusyError, lock_file


def build_folder(target: pathlib.Path, build: Callable[[pathlib.Path], None], *, replace: bool = False) -> None:
    """Make the folder `target`, whole or not at all.

    The work is done in a hidden folder beside `target`. Where a process was killed in it, the
    next one removes it; where two processes make the same folder, that of the first stays.

    Args:
        target: the folder to make.
        build: fills the empty folder that it is given.
        replace: whether a folder that is there gives way to the new one.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".building-{target.name}-"
    _remove_abandoned(target.parent, prefix)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=prefix) as work, _lock_file(work).open("w") as lock:
        lock_file(lock.fileno(), target)
        part = pathlib.Path(work) / target.name
        part.mkdir()
        build(part)
        sync_tree(part)
        if replace and target.exists():
            target.rename(pathlib.Path(work) / "replaced")
        try:
            part.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    sync_folder(target.parent)


def _remove_abandoned(parent: pathlib.Path, prefix: str) -> None:
    """Remove the working folders that no living process holds."""
    for folder in parent.glob(f"{prefix}*"):
        with contextlib.suppress(FileNotFoundError, BusyError), _lock_file(folder).open("w") as lock:
            if lock_file(lock.fileno(), folder):  # without locks there is no telling whose it is
                shutil.rmtree(folder)


def _lock_file(work: str | pathlib.Path) -> pathlib.Path:
    return pathlib.Path(work) / "lock"
