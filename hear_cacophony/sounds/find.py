"""Finding audio files: those that are named, and those in folders."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Self

from hear_cacophony.files.file_identity import FileState
from hear_cacophony.frontend.audio_kinds import (
    FOREIGN_ENDINGS,
    HEAD_BYTES,
    READABLE_ENDINGS,
    TOLD_ENDINGS,
    foreign_kind,
    is_readable,
)


@dataclasses.dataclass(frozen=True)
class Sound:
    """An audio file as it was found.

    Attributes:
        name: its path as it was given, or below the folder that was given, in front of which that folder stands.
        state: how it was then; None where it could not be looked at, of which reading it tells the reason.
        tag: what its results depend on besides its content, "" if nothing.
    """

    name: str
    state: FileState | None
    tag: str = ""

    @classmethod
    def at(cls, name: str | os.PathLike[str], tag: str = "") -> Self:
        """The sound in a file as it is now; its tag ends with the ending of its name where that decides on decoding."""
        return cls(os.fspath(name), _state(os.fspath(name)), tag + deciding_ending(os.fspath(name)))

    @property
    def size(self) -> int:
        """In bytes; 0 where it could not be looked at."""
        return 0 if self.state is None else self.state.size

    def has_changed(self) -> bool:
        """Whether the file is another one by now, or gone."""
        return self.state is None or _state(self.name) != self.state


def deciding_ending(name: str) -> str:
    """The ending of a file's name, in lower case, where its content does not tell how to decode it; "" otherwise.

    libsndfile and FFmpeg then go by the name.
    """
    ending = pathlib.PurePath(name).suffix.lower()
    if not ending or ending in TOLD_ENDINGS:
        return ""
    head = _head(name)
    return "" if head is None or _is_told(head) else ending


def _is_told(head: bytes) -> bool:
    return is_readable(head) or bool(foreign_kind(head))


def _head(name: str) -> bytes | None:
    try:
        if os.path.isfile(name):  # to open a pipe is to wait for who writes to it
            with open(name, "rb") as file:
                return file.read(HEAD_BYTES)
    except OSError:
        pass
    return None


def _state(name: str) -> FileState | None:
    try:
        return FileState.of(name)
    except OSError:
        return None


def find_sounds(paths: Sequence[str | os.PathLike[str]]) -> list[Sound]:
    """The files that are named, whatever they are, and all files with sound in the folders that are named.

    Folders are searched to their depth, links followed; what is hidden (a leading dot) is left alone. A file with
    sound is told by its ending, or by how it begins. Those that cannot be read here are among them, so that nothing is
    left out without a word: reading them says what they are.

    Returns:
        Each file once, whatever the links to it, in the order of the paths, those of a folder sorted by name.

    Raises:
        FileNotFoundError: nothing is there under a path.
        OSError: a folder cannot be read.
        ValueError: no path, or a folder without an audio file.
    """
    if not paths:
        raise ValueError("expected at least one audio file, or a folder of them, got none")
    found: dict[str, Sound] = {}
    for path in paths:
        for name in _names_below(os.fspath(path)):
            sound = Sound.at(name)
            found.setdefault(os.path.realpath(name) if sound.state is None else sound.state.place, sound)
    return list(found.values())


def _names_below(path: str) -> list[str]:
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path}: no such file or folder; expected an audio file, or a folder of them")
    if not os.path.isdir(path):
        return [path]
    names = sorted(name for name in files_below(path) if has_sound(name))
    if not names:
        raise ValueError(
            f"{path}: expected audio files in this folder, found none; they are told by their endings, such as .wav, "
            ".flac, .mp3 and .ogg, or by how they begin. Name any other file by itself"
        )
    return names


def files_below(folder: str) -> Iterator[str]:
    """Files in a folder and the folders in it, and then in those that links lead to, each folder once."""
    seen: set[str] = set()
    waiting = [folder]
    while waiting:
        linked: list[str] = []
        for parent, folders, files in os.walk(waiting.pop(0), onerror=_refuse):
            place = os.path.realpath(parent)
            if place in seen:
                folders.clear()
                continue
            seen.add(place)
            folders[:] = sorted(each for each in folders if not each.startswith("."))
            linked += [path for each in folders if os.path.islink(path := os.path.join(parent, each))]
            yield from (os.path.join(parent, name) for name in files if not name.startswith("."))
        waiting += linked


def _refuse(error: OSError) -> None:
    raise OSError(f"{error.filename}: the files in this folder cannot be listed ({error.strerror})") from error


def has_sound(name: str) -> bool:
    """Whether a file holds sound, by its ending or by how it begins, or is a link to nothing."""
    if pathlib.PurePath(name).suffix.lower() in READABLE_ENDINGS | FOREIGN_ENDINGS:
        return True
    if not os.path.isfile(name):
        return os.path.islink(name) and not os.path.exists(name)  # what it led to may have been a folder of sounds
    head = _head(name)
    return head is not None and _is_told(head)
