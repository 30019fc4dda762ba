"""Many audio files through a model, chunk by chunk: bounded in memory, and safe to kill.

The results of finished chunks lie in the user's cache folder until all is done. What a chunk holds, and thus how its
clips share batches, depends on the list of files alone, so that a run which was killed ends with the same bytes as
one that was not.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import soundfile

from hear_cacophony.files.atomic_write import write_file
from hear_cacophony.files.cache_folder import cache_folder
from hear_cacophony.files.lock import BusyError, lock_file
from hear_cacophony.frontend.read_audio import read_audio
from hear_cacophony.progress import FileProgress
from hear_cacophony.sounds.find import Sound

CHUNK_SOUNDS = 32
CHUNK_SECONDS = 1200.0
"""Most files in a chunk, and most seconds of audio, but for a single longer file."""

READERS = 4
"""Threads that read the files of the next chunk while one is computed."""

Compute = Callable[[list[np.ndarray], list[int]], Mapping[str, np.ndarray]]
"""From clips, and their places in the list of files, to arrays with one entry for each clip along the first axis or,
where some have more, an array `lengths` of how many belong to each clip."""


@dataclasses.dataclass(frozen=True)
class Chunk:
    """What became of some files.

    Attributes:
        sounds: those that could be read.
        arrays: their results.
        faults: what is wrong with the others, by name.
    """

    sounds: tuple[Sound, ...]
    arrays: Mapping[str, np.ndarray]
    faults: Mapping[str, str]


class Chunks:
    """The chunks of a list of files, computed where they are not there yet."""

    def __init__(self, folder: pathlib.Path, parts: Sequence[Sequence[Sound]]) -> None:
        self._folder, self._parts = folder, parts

    def __iter__(self) -> Iterator[Chunk]:
        """All chunks in order, from the disk."""
        for number, part in enumerate(self._parts):
            yield self._read(number, part)

    @property
    def faults(self) -> dict[str, str]:
        """What is wrong with files that could not be read, by name."""
        return {name: fault for chunk in self for name, fault in chunk.faults.items()}

    def compute(self, compute: Compute, check_length: Callable[[int], None], title: str) -> None:
        """Compute the chunks that are missing, reading the files of the next one meanwhile."""
        missing = [number for number in range(len(self._parts)) if not self._file(number).exists()]
        first = np.cumsum([0, *map(len, self._parts)])
        total = int(first[-1])
        with ThreadPoolExecutor(READERS) as pool, FileProgress(title, total) as progress:
            progress.advance(total - sum(len(self._parts[number]) for number in missing))
            ahead = self._submit(pool, missing[0], check_length) if missing else []
            for number, following in zip(missing, [*missing[1:], None], strict=True):
                audio = [each.result() for each in ahead]
                ahead = [] if following is None else self._submit(pool, following, check_length)
                self._write(number, audio, compute, int(first[number]))
                progress.advance(len(audio))

    def _submit(
        self, pool: ThreadPoolExecutor, number: int, check_length: Callable[[int], None]
    ) -> list[Future[np.ndarray | str]]:
        return [pool.submit(_read_or_fault, sound, check_length) for sound in self._parts[number]]

    def _write(self, number: int, audio: list[np.ndarray | str], compute: Compute, first: int) -> None:
        part = self._parts[number]
        clips = [each for each in audio if not isinstance(each, str)]
        faults = {sound.name: each for sound, each in zip(part, audio, strict=True) if isinstance(each, str)}
        places = [first + i for i, each in enumerate(audio) if not isinstance(each, str)]
        arrays = dict(compute(clips, places)) if clips else {}
        told = np.frombuffer(json.dumps(faults).encode(), np.uint8)

        def save(file: pathlib.Path) -> None:
            with file.open("wb") as stream:
                np.savez(stream, faults=told, **arrays)  # type: ignore[arg-type]

        write_file(self._file(number), save)

    def _read(self, number: int, part: Sequence[Sound]) -> Chunk:
        with np.load(self._file(number)) as arrays:
            faults = json.loads(arrays["faults"].tobytes())
            results = {name: arrays[name] for name in arrays.files if name != "faults"}
        return Chunk(tuple(sound for sound in part if sound.name not in faults), results, faults)

    def _file(self, number: int) -> pathlib.Path:
        return self._folder / f"chunk-{number:06}.npz"


@contextlib.contextmanager
def open_chunks(sounds: Sequence[Sound], identity: Mapping[str, Any]) -> Iterator[Chunks]:
    """The chunks of a list of files, which are removed when the work with them has ended well.

    Args:
        sounds: the files.
        identity: what the results depend on besides the files, for JSON.

    Raises:
        BusyError: another process does the same.
    """
    listed = [dataclasses.astuple(sound) for sound in sounds]
    digest = hashlib.sha256(json.dumps([identity, os.getcwd(), listed], sort_keys=True).encode()).hexdigest()
    folder = cache_folder("unfinished", digest[:24])
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / "lock"
    with lock.open("w") as held:
        lock_file(held.fileno(), lock, _tell)
        yield Chunks(folder, _cut(sounds))
        shutil.rmtree(folder, ignore_errors=True)


def _cut(sounds: Sequence[Sound]) -> list[list[Sound]]:
    parts: list[list[Sound]] = []
    used = 0.0
    for sound in sounds:
        seconds = _seconds(sound)
        if not parts or len(parts[-1]) == CHUNK_SOUNDS or used + seconds > CHUNK_SECONDS:
            parts.append([])
            used = 0.0
        parts[-1].append(sound)
        used += seconds
    return parts


def _seconds(sound: Sound) -> float:
    """Length by the header; 0 where it cannot be read, which is told when the file is."""
    try:
        return soundfile.info(sound.name).duration
    except (OSError, ValueError, RuntimeError):
        return 0.0


def _read_or_fault(sound: Sound, check_length: Callable[[int], None]) -> np.ndarray | str:
    """The clip of a file, or what is wrong with it."""
    try:
        clip = read_audio(sound.name)
        check_length(len(clip))
    except (OSError, ValueError, RuntimeError) as error:
        return str(error).removeprefix(f"{sound.name}: ")
    if sound.has_changed():
        return "changed while it was read; run the same command again"
    return clip


def tell_faults(faults: Mapping[str, str], command: str) -> int:
    """Say on standard error which files could not be read; the exit status."""
    for name, fault in faults.items():
        _tell(f"{command}: {name}: {fault}")
    if faults:
        _tell(f"{command}: {len(faults)} files could not be read and were left out")
    return 1 if faults else 0


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


__all__ = ["BusyError", "Chunk", "Chunks", "open_chunks", "tell_faults"]
