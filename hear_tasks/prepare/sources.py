"""Where the tasks are that are to be prepared: task directories, tarballs, and folders of either."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import errno
import os
import pathlib
import sys
import threading
from collections.abc import Callable, Iterable, Iterator

from hear_cacophony.files.lock import BusyError, lock_file
from hear_cacophony.progress import ByteProgress
from hear_tasks.prepare import archives
from hear_tasks.prepare.tar_stream import SUFFIXES, ArchiveError
from hear_tasks.task_folder import METADATA_FILE, SAMPLE_RATES

_KINDS = f"{SUFFIXES[0]} file"


@dataclasses.dataclass(frozen=True)
class Task:
    """A task directory to read and the one to write, often the same."""

    source: pathlib.Path
    target: pathlib.Path


@dataclasses.dataclass(frozen=True)
class Tarball:
    """A tarball, and the folder to unpack it to."""

    file: pathlib.Path
    folder: pathlib.Path


def find_sources(sources: Iterable[pathlib.Path], out: pathlib.Path | None) -> tuple[list[Task], list[Tarball]]:
    """The tasks and the tarballs of the sources.

    A task directory that is a symbolic link goes by the link's name.

    Raises:
        FileNotFoundError: a source is not there.
        ValueError: a source holds no task, or two tasks would go to one place.
    """
    tasks: list[Task] = []
    tarballs: dict[pathlib.Path, Tarball] = {}
    given = [_named(source) for source in sources]
    if not given:
        raise ValueError("expected at least one task directory or tarball, got none")
    for source in given:
        folders, files = _look_into(source)
        tasks += [Task(folder, out / folder.name if out else folder) for folder in folders]
        tarballs |= {file.resolve(): Tarball(file, out or file.parent) for file in files}
    return _distinct(tasks), list(tarballs.values())


def _named(source: pathlib.Path) -> pathlib.Path:
    """The absolute path, which keeps the names of links; a folder such as "." has no name of its own."""
    return source.resolve() if source.name in ("", "..") else source.absolute()


def _look_into(source: pathlib.Path) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
    """Task directories and tarballs of one source."""
    if not source.exists():
        raise FileNotFoundError(errno.ENOENT, f"expected a HEAR task or {_KINDS}, found nothing", str(source))
    if source.is_file():
        if not source.name.endswith(SUFFIXES):
            raise ValueError(f"{source}: expected a folder or a {_KINDS}")
        return [], [source]
    if _is_task(source):
        return [source], []
    above = [source, source / "tasks", *sorted(source.glob("hear-*/tasks"))]
    folders = [task for folder in above if folder.is_dir() for task in sorted(folder.iterdir()) if _is_task(task)]
    tarballs = [file for file in sorted(source.iterdir()) if _is_tarball(file)]
    if not folders and not tarballs:
        raise ValueError(
            f"{source}: expected a HEAR task (a folder with {METADATA_FILE}), a folder of tasks or of "
            f"{_KINDS}s, found none of them"
        )
    return folders, tarballs


def _is_task(folder: pathlib.Path) -> bool:
    if folder.name.startswith(".") or not folder.is_dir():
        return False
    return (folder / METADATA_FILE).exists() or any((folder / str(rate)).is_dir() for rate in SAMPLE_RATES)


def _is_tarball(file: pathlib.Path) -> bool:
    return file.name.endswith(SUFFIXES) and not file.name.startswith(".") and file.is_file()


def _distinct(tasks: list[Task]) -> list[Task]:
    """Each task once, also where it was named by two paths; ValueError where two tasks would go to one place."""
    targets: dict[pathlib.Path, Task] = {}
    for task in tasks:
        other = targets.setdefault(task.target.resolve(), task)
        if other.source.resolve() != task.source.resolve():
            raise ValueError(f"{other.source} and {task.source} would both go to {task.target}; give one of them")
    return list(targets.values())


def unpack_all(tarballs: list[Tarball], tasks: list[Task], jobs: int) -> tuple[list[Task], list[str]]:
    """Unpack tarballs, several at a time, unless a source holds their tasks already.

    Returns:
        The tasks that they held, and what is wrong with the others.

    Raises:
        BusyError: another run unpacks to a folder.
    """
    if not tarballs:
        return [], []
    with contextlib.ExitStack() as stack:
        for folder in sorted({tarball.folder for tarball in tarballs}):
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(lock_folder(folder, folder))
            archives.remove_unfinished(folder)
        total = sum(tarball.file.stat().st_size for tarball in tarballs)
        progress = stack.enter_context(ByteProgress("unpack", total))
        threads = stack.enter_context(concurrent.futures.ThreadPoolExecutor(jobs))
        stop = threading.Event()

        def count(size: int) -> None:
            if stop.is_set():
                raise concurrent.futures.CancelledError
            progress.advance(size)

        try:
            pending = [threads.submit(_unpack_one, tarball, tasks, count) for tarball in tarballs]
            answers = [future.result() for future in pending]
        except BaseException:
            stop.set()
            raise
    return [task for found, _ in answers for task in found], [error for _, error in answers if error]


def _unpack_one(tarball: Tarball, tasks: list[Task], count: Callable[[int], None]) -> tuple[list[Task], str]:
    """The tasks of a tarball, or what is wrong; `count` is called with bytes that were read for the first time."""
    counted = 0
    given = {task.source.name: task for task in tasks if task.source != tarball.folder / task.source.name}

    def place(name: str) -> Task:
        unpacked = tarball.folder / name
        return given.get(name, Task(unpacked, unpacked))

    def advance(done: int) -> None:
        nonlocal counted
        new = max(0, done - counted)
        counted += new
        count(new)

    try:
        held = archives.find_held(tarball.file, lambda name: place(name).source, advance, note=False) if given else []
        if held:
            return [place(name) for name in held], ""
        names = archives.unpack(tarball.file, tarball.folder, advance)
        return [Task(tarball.folder / name, tarball.folder / name) for name in names], ""
    except ArchiveError as error:
        return [], str(error)
    except OSError as error:
        return [], f"{tarball.file}: could not be unpacked to {tarball.folder}: {error}"


@contextlib.contextmanager
def lock_folder(folder: pathlib.Path, tasks: pathlib.Path) -> Iterator[None]:
    """Lock a folder; the lock ends with the process and leaves no file. A remark on missing locks names `tasks`, once.

    Raises:
        BusyError: another run holds the lock.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            lock_file(handle, tasks / folder.name, lambda remark: print(f"prepare: {remark}", file=sys.stderr))
        except BusyError:
            raise BusyError(f"{folder}: another run is writing to it; wait for its end, or stop it") from None
        yield
    finally:
        os.close(handle)
