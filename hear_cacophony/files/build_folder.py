"""Folders that are made whole or not at all, also when a process is killed."""

from __future__ import annotations

import contextlib
import fcntl
import pathlib
import shutil
import tempfile
from collections.abc import Callable


def build_folder(target: pathlib.Path, build: Callable[[pathlib.Path], None]) -> None:
    """Make the folder `target`, whole or not at all.

    The work is done in a hidden folder beside `target`. Where a process was killed in it, the
    next one removes it; where two processes make the same folder, that of the first stays.

    Args:
        target: the folder to make.
        build: fills the empty folder that it is given.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".building-{target.name}-"
    _remove_abandoned(target.parent, prefix)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=prefix) as work, _lock_file(work).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        part = pathlib.Path(work) / target.name
        part.mkdir()
        build(part)
        try:
            part.rename(target)
        except OSError:
            if not target.is_dir():
                raise


def _remove_abandoned(parent: pathlib.Path, prefix: str) -> None:
    """Remove the working folders that no living process holds."""
    for folder in parent.glob(f"{prefix}*"):
        with contextlib.suppress(FileNotFoundError, BlockingIOError), _lock_file(folder).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)


def _lock_file(work: str | pathlib.Path) -> pathlib.Path:
    return pathlib.Path(work) / "lock"
