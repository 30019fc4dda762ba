"""Finding audio files: those that are named, and those in folders."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Iterator, Sequence

SUFFIXES = frozenset(
    f".{name}"
    for names in (
        "aif aifc aiff au avr caf flac htk mp2 mp3 oga ogg",
        "opus paf rf64 snd voc w64 wav wave xi",
    )
    for name in names.split()
)
"""Endings by which audio files are told in a folder: those of the formats that libsndfile reads."""


@dataclasses.dataclass(frozen=True)
class Sound:
    """An audio file as it was found.

    Attributes:
        name: its path as it was given, or below the folder that was given, in front of which that folder stands.
        size: in bytes.
        mtime_ns: time of its last change, in nanoseconds.
    """

    name: str
    size: int
    mtime_ns: int

    def has_changed(self) -> bool:
        """Whether the file is another one by now, or gone."""
        try:
            status = os.stat(self.name)
        except OSError:
            return True
        return (status.st_size, status.st_mtime_ns) != (self.size, self.mtime_ns)


def find_sounds(paths: Sequence[str | os.PathLike[str]]) -> list[Sound]:
    """The files that are named, whatever their endings, and all audio files in the folders that are named.

    Folders are searched to their depth; what is hidden (a leading dot) is left alone.

    Returns:
        Each file once, in the order of the paths, those of a folder sorted by name.

    Raises:
        FileNotFoundError: nothing is there under a path.
        ValueError: no path, or a folder without an audio file.
    """
    if not paths:
        raise ValueError("expected at least one audio file, or a folder of them, got none")
    names = [name for path in paths for name in _names_below(os.fspath(path))]
    return [_describe(name) for name in dict.fromkeys(names)]


def _names_below(path: str) -> list[str]:
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path}: no such file or folder; expected an audio file, or a folder of them")
    if not os.path.isdir(path):
        return [path]
    names = sorted(_audio_files(path))
    if not names:
        raise ValueError(
            f"{path}: expected audio files in this folder, found none; they are told by their endings, such as "
            ".wav, .flac, .mp3 and .ogg. Name a file of another ending by itself"
        )
    return names


def _audio_files(folder: str) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith(".")]
        for name in files:
            if not name.startswith(".") and pathlib.PurePath(name).suffix.lower() in SUFFIXES:
                yield os.path.join(parent, name)


def _describe(name: str) -> Sound:
    try:
        status = os.stat(name)
    except OSError:  # a link to nowhere, or gone meanwhile: reading it will tell
        return Sound(name, 0, 0)
    return Sound(name, status.st_size, status.st_mtime_ns)
