"""Unpacking the tarballs that HEAR tasks are published as, whole or not at all.

A tarball is read as a stream, once. Its tasks are built in a folder of their own, which takes its place
when the last byte has been read and checked, so that a folder with a task's audio is always a whole one.
"""

from __future__ import annotations

import errno
import os
import pathlib
import shutil
from collections.abc import Callable
from typing import IO

from hear_cacophony.files.file_identity import FileState
from hear_cacophony.files.full_disk import describe_full, is_full
from hear_tasks.prepare.held import check_same, files_in, find_held, note_origin
from hear_tasks.prepare.tar_stream import ArchiveError, audio_of, opened

UNFINISHED = ".unpacking-"
"""Start of the names of folders that are being unpacked to."""

_BLOCK = 1 << 20


def unpack(archive: pathlib.Path, tasks: pathlib.Path, advance: Callable[[int], None] = lambda _: None) -> list[str]:
    """Unpack a tarball of HEAR tasks, unless all of its audio is there already, as it holds it.

    Files of a task that is there already, say with audio at another rate, stay as they are.

    Args:
        archive: the tarball, of either published layout.
        tasks: folder for the task directories.
        advance: called with the number of bytes of the tarball that were read since the last call.

    Returns:
        The directory names of its tasks.

    Raises:
        ArchiveError: truncated, damaged, not a tarball of HEAR tasks, a member that may not be
            unpacked (a path that leads outside, a link, a device), no room, or other contents than those
            of a task that is there. Nothing of the tarball is left in `tasks`.
    """
    held = find_held(archive, lambda name: tasks / name, advance, note=True)
    if held:
        return held
    if held is not None:
        advance = uncounted(advance)
    part = tasks / f"{UNFINISHED}{archive.name}"
    state = FileState.of(archive)
    try:
        _check_room(archive, tasks)
        audio = _extract(archive, part, advance)
        note_origin(state, audio, lambda name: part / name)
        os.sync()  # a folder that has its final name is whole, even after a loss of power
        _move(archive, part, tasks)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return list(dict.fromkeys(name for name, _ in audio))


def uncounted(advance: Callable[[int], None]) -> Callable[[int], None]:
    """For a tarball that is read once more: its bytes count once."""
    return lambda _: advance(0)


def remove_unfinished(tasks: pathlib.Path) -> None:
    """Remove what a killed run has left."""
    for part in tasks.glob(f"{UNFINISHED}*"):
        shutil.rmtree(part)


def _extract(archive: pathlib.Path, part: pathlib.Path, advance: Callable[[int], None]) -> list[tuple[str, str]]:
    """Write the files of a tarball below `part`; task directory and sample rate of its audio."""
    written = read = 0
    audio: dict[tuple[str, str], None] = {}

    def count(done: int) -> None:
        nonlocal read
        read += done
        advance(done)

    free = shutil.disk_usage(part.parent).free
    with opened(archive, count) as files:
        try:
            for path, contents, size in files:
                _write(archive, part / path, contents)
                written += size
                of = audio_of(path)
                if of:
                    audio[of] = None
        except OSError as error:
            if not is_full(error):
                raise
            whole = max(written * archive.stat().st_size // max(1, read), archive.stat().st_size)
            raise ArchiveError(_no_room(archive, whole, part.parent, free, error)) from error
    return list(audio)


def _write(archive: pathlib.Path, file: pathlib.Path, contents: IO[bytes]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("xb") as target:
            shutil.copyfileobj(contents, target, _BLOCK)
    except FileExistsError as error:
        raise ArchiveError(f"{archive}: holds {file.name} of {file.parent.name} twice") from error


def _check_room(archive: pathlib.Path, tasks: pathlib.Path) -> None:
    needed, free = archive.stat().st_size, shutil.disk_usage(tasks).free
    if free < needed:
        raise ArchiveError(_no_room(archive, needed, tasks, free, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))


def _no_room(archive: pathlib.Path, needed: int, tasks: pathlib.Path, free: int, error: OSError) -> str:
    told = describe_full(error, tasks, f"unpacked to {tasks} it needs about {needed / 1e6:.1f} MB or more", free)
    return f"{archive}: {told} and run the same command again; nothing of this tarball was kept"


def _move(archive: pathlib.Path, part: pathlib.Path, tasks: pathlib.Path) -> None:
    """Move what was unpacked to its place; the audio, which tells that a task is whole, comes after the files."""
    entries = sorted(
        (entry for task in part.iterdir() for entry in task.iterdir()), key=lambda entry: (entry.is_dir(), entry)
    )
    for entry in entries:
        task = tasks / entry.parent.name
        if (task / entry.name).exists():
            for file in [entry] if entry.is_file() else files_in(entry):
                with file.open("rb") as contents:
                    check_same(archive, str(file.relative_to(entry.parent)), contents, file.stat().st_size, task)
    for entry in entries:
        target = tasks / entry.parent.name / entry.name
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            entry.rename(target)
