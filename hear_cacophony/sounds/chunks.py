"""Many audio files through a model, chunk by chunk: bounded in memory, and safe to kill.

What a chunk holds, and thus how its clips share batches, depends on the list of files alone, so that a run which was
killed ends with the same bytes as one that was not.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from hear_cacophony.files.file_identity import ContentDigests
from hear_cacophony.frontend.read_audio import header_seconds, read_audio
from hear_cacophony.progress import FileProgress
from hear_cacophony.sounds.faults import tell
from hear_cacophony.sounds.find import Sound
from hear_cacophony.sounds.kept_results import Chunk, KeptResults, open_shared, open_unfinished
from hear_cacophony.sounds.pump import ReadAhead, WriteBehind

CHUNK_SOUNDS = 32
CHUNK_SECONDS = 1200.0
"""Most files in a chunk, and most seconds of audio, but for a single longer file."""

_GATHERED = 256
"""Embeddings that are given at a time."""

Read = Callable[[str], np.ndarray]
"""From the name of a file to its clip, 16 kHz mono, shape (samples,); OSError or ValueError where it cannot be used."""

Compute = Callable[[list[np.ndarray], list[Sound]], Mapping[str, np.ndarray]]
"""From clips, and the sounds that they are of, to arrays as in `Chunk`; ValueError where a clip cannot be used."""

Prepare = Callable[[], Compute]
"""Gives what computes, such as from a model that it loads, whenever clips need it. Its errors are of no sound."""


class Results(Protocol):
    """Results of sounds, chunk by chunk in their order."""

    @property
    def faults(self) -> Mapping[str, str]:
        """What is wrong with sounds that have no results, by name."""

    def __iter__(self) -> Iterator[Chunk]: ...


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

    def compute(self, read: Read, prepare: Prepare, title: str) -> None:
        """Compute the chunks that are missing; sounds are read ahead, and results written behind.

        Args:
            read: reads a file; several threads call it.
            prepare: gives what computes the results of some clips.
            title: stands before the progress.
        """
        missing = [part for part in self._parts if not self._kept.has(part)]
        total = sum(map(len, self._parts))

        with _work(self._kept, missing, read, title, total) as (parts, write):
            for part, clips in parts:
                write(part, _make_chunk(clips, prepare))


@contextlib.contextmanager
def open_embeddings(sounds: Sequence[Sound], identity: Mapping[str, Any], command: str) -> Iterator[Embeddings]:
    """The embeddings of a list of sounds, which all commands keep and find by the contents of the files.

    Args:
        sounds: the sounds.
        identity: what an embedding depends on besides its sound, for JSON.
        command: stands before remarks.
    """
    with open_shared(sounds, identity, lambda message: tell(f"{command}: {message}")) as kept:
        yield Embeddings(kept, sounds)


class Embeddings:
    """Embeddings of a list of sounds. Made by `open_embeddings`.

    Attributes:
        missing: the sounds that have none yet.
        faults: what is wrong with sounds that could not be embedded, by name.
    """

    def __init__(self, kept: KeptResults, sounds: Sequence[Sound]) -> None:
        self._kept, self._sounds = kept, sounds
        self.missing = kept.missing(sounds)
        self.faults: dict[str, str] = {}

    def __iter__(self) -> Iterator[Chunk]:
        """All embeddings in the order of the sounds, some at a time."""
        for start in range(0, len(self._sounds), _GATHERED):
            yield self._kept.gather(self._sounds[start : start + _GATHERED])

    def compute(self, prepare: Prepare, title: str, read: Read | None = None) -> None:
        """Embed what is missing; arguments as in `Chunks.compute`, with `read_audio` unless told otherwise.

        Chunks are cut from all sounds, and contents that an earlier chunk has are left out of later ones, so that
        they are the same when a run goes on that was killed.
        """
        if not self.missing:
            return
        missing, total = set(self.missing), len(self._sounds)
        parts = [[sound for sound in part if sound in missing] for part in _cut(self._sounds)]
        seen = self._kept.contents
        with _work(self._kept, [part for part in parts if part], read or read_audio, title, total) as (groups, write):
            for _, clips in groups:
                new = [each for each in clips if isinstance(each, _Fault) or (each.digest, each.sound.tag) not in seen]
                chunk = _make_chunk(new, prepare)
                self.faults |= chunk.faults
                seen.update((digest, sound.tag) for sound, digest in zip(chunk.sounds, chunk.digests, strict=True))
                if chunk.sounds:
                    write(chunk.sounds, dataclasses.replace(chunk, faults={}))


_Groups = Iterator[tuple[Sequence[Sound], Sequence["_Clip | _Fault"]]]


@contextlib.contextmanager
def _work(
    kept: KeptResults, parts: Sequence[Sequence[Sound]], read: Read, title: str, total: int
) -> Iterator[tuple[_Groups, Callable[[Sequence[Sound], Chunk], None]]]:
    """Parts with what was read of them, ahead, and what writes their chunks, behind; progress is told."""

    def read_one(sound: Sound) -> _Clip | _Fault:
        return _read_or_fault(sound, read, kept.digests)

    def write(done: tuple[Sequence[Sound], Chunk]) -> None:
        kept.write(*done)

    with (
        FileProgress(title, total) as progress,
        ReadAhead(parts, read_one) as reader,
        WriteBehind(write) as writer,
    ):
        progress.advance(total - sum(map(len, parts)))

        def groups() -> _Groups:
            for part, clips in zip(parts, reader, strict=True):
                yield part, clips
                progress.advance(len(part))

        yield groups(), lambda part, chunk: writer.put((part, chunk))


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
        seconds = header_seconds(sound.name)
        if not parts or len(parts[-1]) == CHUNK_SOUNDS or used + seconds > CHUNK_SECONDS:
            parts.append([])
            used = 0.0
        parts[-1].append(sound)
        used += seconds
    return parts


@dataclasses.dataclass(frozen=True)
class _Clip:
    sound: Sound
    digest: str
    samples: np.ndarray


@dataclasses.dataclass(frozen=True)
class _Fault:
    """What is wrong with a sound."""

    sound: Sound
    reason: str


def _read_or_fault(sound: Sound, read: Read, digests: ContentDigests) -> _Clip | _Fault:
    """The clip of a file, or what is wrong with it."""
    try:
        clip = read(sound.name)
        digest = digests.of(sound.name)
    except (OSError, ValueError) as error:
        return _Fault(sound, str(error).removeprefix(f"{sound.name}: "))
    if sound.has_changed():
        return _Fault(sound, "changed while it was read; run the same command again")
    return _Clip(sound, digest, clip)


def _make_chunk(read: Sequence[_Clip | _Fault], prepare: Prepare) -> Chunk:
    faults = {each.sound.name: each.reason for each in read if isinstance(each, _Fault)}
    clips = [each for each in read if isinstance(each, _Clip)]
    arrays: Mapping[str, np.ndarray] = {}
    if clips:
        compute = prepare()
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
