"""Unpacking the tarballs that HEAR tasks are published as, whole or not at all, unless they are there already.

A tarball is read as a stream, once. Its tasks are built in a folder of their own, which takes its place
when the last byte has been read and checked, so that a folder with a task's audio is always a whole one.

What of a tarball is there already is told by a note beside the audio of which tarball it is, or by comparing each file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import pathlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO

from hear_cacophony.files.atomic_write import write_json
from hear_cacophony.files.file_identity import FileState
from hear_cacophony.files.full_disk import describe_full, is_full
from hear_tasks.prepare.tar_stream import ArchiveError, audio_of, opened, read_first_audio
from hear_tasks.text_files import read_object_if_whole

UNFINISHED = ".unpacking-"
"""Start of the names of folders that are being unpacked to."""

NOTE_FILE = ".unpacked-from.json"
"""In a folder of audio, with which it goes: the tarball that it came from, and all audio that this one holds."""

_BLOCK = 1 << 20

_MOVING = threading.Lock()
"""Of two tarballs with one task the second finds what the first has moved, whole, and is compared with that."""

Place = Callable[[str], pathlib.Path]
"""The directory of a task by its name, which need not be there."""


def unpack(archive: pathlib.Path, tasks: pathlib.Path, advance: Callable[[int], None] = lambda _: None) -> list[str]:
    """Unpack a tarball of HEAR tasks, unless all of its audio is there already, as it holds it.

    Files of a task that is there already, say with audio at another rate, stay as they are.

    Args:
        archive: the tarball, of either published layout.
        tasks: folder for the task directories.
        advance: called with the number of bytes of the tarball that were read so far, where it is read twice from 0
            on again.

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
    part = pathlib.Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=tasks))
    state = FileState.of(archive)
    try:
        _check_room(archive, tasks)
        audio = _extract(archive, part, advance)
        _note_origin(state, audio, lambda name: part / name)
        os.sync()  # a folder that has its final name is whole, even after a loss of power
        with _MOVING:
            _move(archive, part, tasks)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return list(dict.fromkeys(name for name, _ in audio))


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
        read = done
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
            for file in [entry] if entry.is_file() else _files_in(entry):
                with file.open("rb") as contents:
                    _check_same(archive, str(file.relative_to(entry.parent)), contents, file.stat().st_size, task)
    for entry in entries:
        target = tasks / entry.parent.name / entry.name
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            entry.rename(target)


def find_held(archive: pathlib.Path, place: Place, advance: Callable[[int], None], *, note: bool) -> list[str]:
    """The names of a tarball's task directories, if these hold all of its audio; [] otherwise.

    Audio that came from this very file is known by its note; any other is compared with the tarball, file by file.

    Args:
        archive: the tarball.
        place: where its tasks would be.
        advance: called with the number of bytes of the tarball that were read so far, of which there are none where
            its first audio is not there.
        note: whether it is noted beside what is the same, so that it need not be compared again.

    Raises:
        ArchiveError: it cannot be read, or what is there is of other contents; the message names a file.
    """
    first, rate = read_first_audio(archive)
    if not (place(first) / rate).is_dir():
        return []
    state = FileState.of(archive)
    audio = _noted(state, place(first) / rate)
    if audio is None or not all(_noted(state, folder) == audio for folder in _there(audio, place)):
        audio = _compare(archive, place, advance)
        if note:
            _note_origin(state, audio, place)
    else:
        advance(state.size)
    if len(_there(audio, place)) < len(audio):
        return []
    return list(dict.fromkeys(name for name, _ in audio))


def _note_origin(state: FileState, audio: Sequence[tuple[str, str]], place: Place) -> None:
    """Note, beside audio, the tarball that it is of, unless that has changed since it was read, or none can be written.

    Args:
        state: of the tarball, before it was read.
        audio: task directory and sample rate of all its audio.
        place: where its tasks are.
    """
    if state.tells_of_changes and state.holds():
        for folder in _there(audio, place):
            with contextlib.suppress(OSError):  # the next call compares once more
                write_json(folder / NOTE_FILE, {"tarball": dataclasses.astuple(state), "audio": audio})


def _check_same(archive: pathlib.Path, inside: str, contents: IO[bytes], size: int, task: pathlib.Path) -> None:
    """Raise ArchiveError where a task does not hold a file of a tarball as that does.

    Args:
        archive: the tarball.
        inside: path of the file in its task.
        contents: of the file.
        size: in bytes.
        task: the directory of the task that is there.
    """
    there = task / inside
    if not there.is_file():
        raise ArchiveError(f"{archive}: its {inside} is not in {task}, which is there already{_remedy(task)}")
    if there.stat().st_size != size or not _is_same(contents, there):
        raise ArchiveError(f"{archive}: its {inside} differs from {there}, which is there already{_remedy(task)}")


def _remedy(task: pathlib.Path) -> str:
    return f"; is it of another version of the task? Choose another folder, or move {task} away"


def _noted(state: FileState, folder: pathlib.Path) -> list[tuple[str, str]] | None:
    """All audio of the tarball in this state, if that in a folder came from it; None where nothing tells so."""
    noted = read_object_if_whole(folder / NOTE_FILE)
    if noted.get("tarball") != list(dataclasses.astuple(state)):
        return None
    return [(str(name), str(rate)) for name, rate in noted.get("audio", ())] if state.tells_of_changes else None


def _there(audio: Iterable[tuple[str, str]], place: Place) -> list[pathlib.Path]:
    """The folders of audio that are there."""
    return [folder for name, rate in audio if (folder := place(name) / rate).is_dir()]


def _compare(archive: pathlib.Path, place: Place, advance: Callable[[int], None]) -> list[tuple[str, str]]:
    """Task directory and sample rate of all audio of a tarball, of which what is there is the same."""
    audio: dict[tuple[str, str], set[pathlib.Path]] = {}
    with opened(archive, advance) as files:
        for path, contents, size in files:
            name, _, inside = path.partition("/")
            task, of = place(name), audio_of(path)
            if of:
                audio.setdefault(of, set()).add(task / inside)
            if (task / of[1]).is_dir() if of else (task / inside).exists():
                _check_same(archive, inside, contents, size, task)
    for (name, rate), expected in audio.items():
        for there in _files_in(place(name) / rate):
            if there not in expected:
                raise ArchiveError(f"{archive}: does not hold {there}, which is there already{_remedy(place(name))}")
    return list(audio)


def _files_in(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """The files in a folder and below it but hidden ones."""
    for place, _, names in os.walk(folder):
        yield from (pathlib.Path(place, name) for name in sorted(names) if not name.startswith("."))


def _is_same(contents: IO[bytes], there: pathlib.Path) -> bool:
    with there.open("rb") as stream:
        while block := contents.read(_BLOCK):
            if stream.read(len(block)) != block:
                return False
        return not stream.read(1)
