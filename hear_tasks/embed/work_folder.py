"""The folder in which the embeddings of a task grow, until it takes its place whole.

Beside the task's future folder lies `.embedding-TASK`:

    lock       held by the process that works on it
    settings   what the windows in it were made with, JSON
    done       one byte for each window, 1 where its results are on the disk
    windows    results of the windows that are not yet in their final form
    task/      the future folder

A process that is killed loses the windows since the last mark. A lock dies with its process.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pathlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hear_cacophony.files.atomic_write import sync_folder, sync_tree, write_text
from hear_cacophony.files.json_file import read_json_object
from hear_cacophony.files.lock import is_held, locked_folder
from hear_tasks.embed.record import lost_files, write_mark
from hear_tasks.task_folder import EMBEDDED_FILE

PREFIX = ".embedding-"
MARK_SECONDS = 1.0
"""Least time between two marks: what a kill may lose, beside the batches in work."""


class WorkFolder:
    """The working folder of one task, locked.

    Attributes:
        task: the future folder of the task.
    """

    def __init__(self, target: pathlib.Path, folder: pathlib.Path) -> None:
        self._target, self._folder = target, folder
        self.task = folder / "task"
        self._done = -1
        self._unmarked: list[int] = []
        self._files: dict[pathlib.Path, int] = {}
        self._last_mark = time.monotonic()

    def start(self, windows: int, settings: Mapping[str, Any], files: Mapping[str, int]) -> str:
        """Take up the work where it was left, or begin it.

        Args:
            windows: number of windows.
            settings: what they are made with, for JSON. Work made with others is done again.
            files: bytes of each file for results, by its path in the working folder; room for
                them is taken now.

        Returns:
            Why earlier work is done again, "" if it is not or there was none.

        Raises:
            OSError: no room.
        """
        reason = self._difference(json.loads(json.dumps(settings)))
        if reason is None:
            reason = self._lost({**files, "done": windows})
        if reason is not None:
            self._clear()
            self.task.mkdir()
        for name, size in files.items():
            self._open(self._folder / name, size)
        self._done = self._open(self._folder / "done", windows)
        if reason is not None:
            write_text(self._folder / "settings", json.dumps(settings, indent=1))
        return reason or ""

    def _difference(self, settings: dict[str, Any]) -> str | None:
        """What differs from earlier work; "" if there was none, None if nothing does."""
        try:
            earlier = read_json_object(self._folder / "settings")
        except FileNotFoundError:
            return ""
        except ValueError:
            return "its settings are damaged"
        differing = [key for key in settings if settings[key] != earlier.get(key)]
        return None if not differing else f"other {', '.join(differing)}"

    def _lost(self, files: Mapping[str, int]) -> str | None:
        """Which files of earlier work are not whole, which would be filled up with zeros; None if all are."""
        paths = {name: self._folder / name for name in files}
        lost = [name for name, size in files.items() if not paths[name].exists() or paths[name].stat().st_size < size]
        return f"{', '.join(lost)}: cut or gone" if lost else None

    def _clear(self) -> None:
        for entry in self._folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != "lock":
                entry.unlink()

    def _open(self, path: pathlib.Path, size: int) -> int:
        """A file of `size` bytes, with room for all of them."""
        number = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self._files[path] = number
        if size and os.fstat(number).st_size != size:
            try:
                os.posix_fallocate(number, 0, size)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                    raise
                os.ftruncate(number, size)
        return number

    def done_windows(self, windows: int) -> np.ndarray:
        """Which windows are done, bool, shape (windows,)."""
        return np.frombuffer(os.pread(self._done, windows, 0), np.uint8).astype(bool)

    def write(self, name: str, offset: int, data: bytes) -> None:
        """Write all of `data` to a results file."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self._files[self._folder / name], view, offset)
            view, offset = view[written:], offset + written

    def path(self, name: str) -> pathlib.Path:
        """Path of a file in the working folder."""
        return self._folder / name

    def mark(self, windows: Sequence[int]) -> None:
        """These windows are written; now and then make sure of it and mark them done."""
        self._unmarked += windows
        if time.monotonic() - self._last_mark >= MARK_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Mark all written windows done, after their results have reached the disk."""
        if self._unmarked:
            for number in self._files.values():
                os.fdatasync(number)
            for window in self._unmarked:
                os.pwrite(self._done, b"\1", window)
            os.fdatasync(self._done)
            self._unmarked.clear()
        self._last_mark = time.monotonic()

    def finish(self) -> None:
        """Give the task's folder its place; what was there unfinished is gone then."""
        self._close()
        write_mark(self.task)
        sync_tree(self.task)
        before = self._folder / "before"
        if self._target.exists():
            self._target.rename(before)
        self.task.rename(self._target)
        sync_folder(self._target.parent)

    def _close(self) -> None:
        for number in self._files.values():
            os.close(number)
        self._files.clear()

    def remove(self) -> None:
        """Remove the working folder; what others have left beside embeddings before, their scores, comes back."""
        before = self._folder / "before"
        if (before / EMBEDDED_FILE).exists():  # they were finished, and lost
            for entry in before.iterdir():
                if not (self._target / entry.name).exists():
                    entry.rename(self._target / entry.name)
        shutil.rmtree(self._folder)


@contextlib.contextmanager
def open_work_folder(
    target: pathlib.Path, *, wait: bool = False, tell: Callable[[str], None] = lambda _: None
) -> Iterator[WorkFolder]:
    """The working folder for the task whose embeddings go to `target`, made where there is none.

    `tell` takes the remark that the file system has no locks.

    Raises:
        BusyError: another process works on it.
    """
    folder = _working_folder(target)
    with locked_folder(folder, tell, wait=wait):
        work = WorkFolder(target, folder)
        try:
            yield work
        finally:
            work._close()
            if is_done(target):
                work.remove()


def is_done(target: pathlib.Path) -> bool:
    """Whether the embeddings of a task are finished, and all there."""
    return (target / EMBEDDED_FILE).exists() and not lost_files(target)


def is_finished(target: pathlib.Path) -> bool:
    """Whether they are, and a killed run has left nothing to tidy up."""
    return is_done(target) and not _working_folder(target).exists()


def is_busy(target: pathlib.Path) -> bool:
    """Whether a process works on the embeddings of a task."""
    return is_held(_working_folder(target) / "lock")


def _working_folder(target: pathlib.Path) -> pathlib.Path:
    return target.parent / f"{PREFIX}{target.name}"
