"""What of a tarball is there already: by a note beside the audio of which tarball it is, or by comparing each file."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO

from hear_cacophony.files.atomic_write import write_json
from hear_cacophony.files.file_identity import FileState
from hear_tasks.prepare.tar_stream import ArchiveError, audio_of, opened, read_first_audio
from hear_tasks.text_files import read_object_if_whole

NOTE_FILE = ".unpacked-from.json"
"""In a folder of audio, with which it goes: the tarball that it came from, and all audio that this one holds."""

_BLOCK = 1 << 20

Place = Callable[[str], pathlib.Path]
"""The directory of a task by its name, which need not be there."""


def find_held(archive: pathlib.Path, place: Place, advance: Callable[[int], None], *, note: bool) -> list[str] | None:
    """The names of a tarball's task directories, if these hold all of its audio.

    Audio that came from this very file is known by its note; any other is compared with the tarball, file by file.

    Args:
        archive: the tarball.
        place: where its tasks would be.
        advance: called with the number of bytes of the tarball that were read since the last call.
        note: whether it is noted beside what is the same, so that it need not be compared again.

    Returns:
        None where its first audio is not there, of which no more was read; [] where any other is not.

    Raises:
        ArchiveError: it cannot be read, or what is there is of other contents; the message names a file.
    """
    first, rate = read_first_audio(archive)
    if not (place(first) / rate).is_dir():
        return None
    state = FileState.of(archive)
    audio = _noted(state, place(first) / rate)
    if audio is None or not all(_noted(state, folder) == audio for folder in _there(audio, place)):
        audio = _compare(archive, place, advance)
        if note:
            note_origin(state, audio, place)
    else:
        advance(state.size)
    if len(_there(audio, place)) < len(audio):
        return []
    return list(dict.fromkeys(name for name, _ in audio))


def note_origin(state: FileState, audio: Sequence[tuple[str, str]], place: Place) -> None:
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


def check_same(archive: pathlib.Path, inside: str, contents: IO[bytes], size: int, task: pathlib.Path) -> None:
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
                check_same(archive, inside, contents, size, task)
    for (name, rate), expected in audio.items():
        for there in files_in(place(name) / rate):
            if there not in expected:
                raise ArchiveError(f"{archive}: does not hold {there}, which is there already{_remedy(place(name))}")
    return list(audio)


def files_in(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """The files in a folder and below it but hidden ones."""
    for place, _, names in os.walk(folder):
        yield from (pathlib.Path(place, name) for name in sorted(names) if not name.startswith("."))


def _is_same(contents: IO[bytes], there: pathlib.Path) -> bool:
    with there.open("rb") as stream:
        while block := contents.read(_BLOCK):
            if stream.read(len(block)) != block:
                return False
        return not stream.read(1)
