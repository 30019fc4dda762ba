"""Many audio files through a model, chunk by chunk: bounded in memory, and safe to kill.

What a chunk holds, and thus how its clips share batches, depends on the list of files alone, so that a run which was
killed ends with the same bytes as one that was not.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import soundfile

from hear_cacophony.files.file_identity import ContentDigests
from hear_cacophony.frontend.read_audio import read_audio
from hear_cacophony.progress import FileProgress
from hear_cacophony.sounds.find import Sound
from hear_cacophony.sounds.kept_results import Chunk, KeptResults, open_unfinished
from hear_cacophony.sounds.names import on_one_line
from hear_cacophony.sounds.pump import ReadAhead, WriteBehind

CHUNK_SOUNDS = 32
CHUNK_SECONDS = 1200.0
"""Most files in a chunk, and most seconds of audio, but for a single longer file."""

Read = Callable[[str], np.ndarray]
"""From the name of a file to its clip, 16 kHz mono, shape (samples,); OSError or ValueError where it cannot be used."""

Compute = Callable[[list[np.ndarray], list[Sound]], Mapping[str, np.ndarray]]
"""From clips, and the sounds that they are of, to arrays as in `Chunk`; ValueError where a clip cannot be used."""


@contextlib.contextmanager
def open_chunks(sounds: Sequence[Sound], identity: Mapping[str, Any], command: str) -> Iterator[Chunks]:
    """The chunks of a list of sounds, which are removed when the work with them has ended well.

    Where another process does the same, this one waits.

    Args:
        sounds: the sounds.
        identity: what the results depend on besides them, for JSON.
        command: stands before remarks.
    """
    listed = [dataclasses.astuple(sound) for sound in sounds]
    with open_unfinished([identity, listed], lambda message: tell(f"{command}: {message}")) as kept:
        yield Chunks(kept, sounds)


class Chunks:
    """The chunks of a list of sounds.

    Args:
        kept: where they are kept.
        sounds: the sounds.
    """

    def __init__(self, kept: KeptResults, sounds: Sequence[Sound]) -> None:
        self._kept, self._parts = kept, _cut(sounds)

    def __iter__(self) -> Iterator[Chunk]:
        """All chunks in order, from the disk."""
        return map(self._kept.read, self._parts)

    @property
    def faults(self) -> dict[str, str]:
        """What is wrong with sounds that have no results, by name."""
        return {name: fault for chunk in self for name, fault in chunk.faults.items()}

    def compute(self, read: Read, compute: Compute, title: str) -> None:
        """Compute the chunks that are missing; sounds are read ahead, and results written behind.

        Args:
            read: reads a file; several threads call it.
            compute: computes the results of some clips.
            title: stands before the progress.
        """
        missing = [part for part in self._parts if not self._kept.has(part)]
        total = sum(map(len, self._parts))

        def read_one(sound: Sound) -> _Clip | str:
            return _read_or_fault(sound, read, self._kept.digests)

        def write(done: tuple[list[Sound], Chunk]) -> None:
            self._kept.write(*done)

        with (
            FileProgress(title, total) as progress,
            ReadAhead(missing, read_one) as reader,
            WriteBehind(write) as writer,
        ):
            progress.advance(total - sum(map(len, missing)))
            for part, clips in zip(missing, reader, strict=True):
                writer.put((part, _make_chunk(part, clips, compute)))
                progress.advance(len(part))


def read_clips(check_length: Callable[[int], None]) -> Read:
    """`read_audio`, where `check_length` raises no ValueError for the number of samples."""

    def read(name: str) -> np.ndarray:
        clip = read_audio(name)
        check_length(len(clip))
        return clip

    return read


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
        return soundfile.info(os.fsencode(sound.name)).duration
    except (OSError, ValueError, RuntimeError, TypeError):
        return 0.0


@dataclasses.dataclass(frozen=True)
class _Clip:
    sound: Sound
    digest: str
    samples: np.ndarray


def _read_or_fault(sound: Sound, read: Read, digests: ContentDigests) -> _Clip | str:
    """The clip of a file, or what is wrong with it."""
    try:
        clip = read(sound.name)
        digest = digests.of(sound.name)
    except (OSError, ValueError) as error:
        return str(error).removeprefix(f"{sound.name}: ")
    if sound.has_changed():
        return "changed while it was read; run the same command again"
    return _Clip(sound, digest, clip)


def _make_chunk(part: Sequence[Sound], read: Sequence[_Clip | str], compute: Compute) -> Chunk:
    faults = {sound.name: each for sound, each in zip(part, read, strict=True) if isinstance(each, str)}
    clips = [each for each in read if not isinstance(each, str)]
    arrays: Mapping[str, np.ndarray] = {}
    if clips:
        try:
            arrays = _compute(compute, clips)
        except ValueError:
            clips, arrays = _compute_each(compute, clips, faults)
    return Chunk(
        tuple(each.sound for each in clips),
        tuple(each.digest for each in clips),
        tuple(len(each.samples) for each in clips),
        arrays,
        faults,
    )


def _compute(compute: Compute, clips: Sequence[_Clip]) -> Mapping[str, np.ndarray]:
    return compute([each.samples for each in clips], [each.sound for each in clips])


def _compute_each(
    compute: Compute, clips: Sequence[_Clip], faults: dict[str, str]
) -> tuple[list[_Clip], dict[str, np.ndarray]]:
    """Each clip alone where one of them cannot be used, so that it takes no other with it."""
    good, results = [], []
    for clip in clips:
        try:
            results.append(_compute(compute, [clip]))
            good.append(clip)
        except ValueError as error:
            faults[clip.sound.name] = str(error)
    return good, {name: np.concatenate([each[name] for each in results]) for name in (results[0] if results else ())}


def tell_faults(faults: Mapping[str, str], command: str) -> int:
    """Say on standard error which files could not be read; the exit status."""
    for name, fault in faults.items():
        tell(f"{command}: {on_one_line(name)}: {fault}")
    if faults:
        tell(f"{command}: {len(faults)} files could not be read and were left out")
    return 1 if faults else 0


def tell(message: str) -> None:
    """Say something on standard error."""
    print(message, file=sys.stderr, flush=True)
