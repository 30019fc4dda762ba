"""A computation over the clips of a data set: in chunks, with progress, going on where it was interrupted."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from hear_cacophony.frontend.spectrogram import SAMPLE_RATE
from hear_cacophony.progress import ByteProgress
from hear_tasks.evaluate.listing import Clip
from hear_tasks.evaluate.result_cache import FileState, KeptValues, file_state

CHUNK_CLIPS = 64
CHUNK_SECONDS = 600.0
"""Audio in a chunk: 38 MB, of which two are held at a time."""


@dataclasses.dataclass(frozen=True)
class Sound:
    """A clip that was read.

    Attributes:
        clip: the clip.
        state: its file's, before it was read.
        samples: 16 kHz mono, shape (samples,), float32.
    """

    clip: Clip
    state: FileState
    samples: np.ndarray


@dataclasses.dataclass(frozen=True)
class Computed:
    """Values of clips.

    Attributes:
        clips: those that have a value, in their order.
        values: one for each of them, shape (clips, ...).
        samples: length of each of them at 16 kHz.
        faults: what was wrong with each of the others, by file.
    """

    clips: tuple[Clip, ...]
    values: np.ndarray
    samples: tuple[int, ...]
    faults: dict[str, str]


def compute_over_clips(
    clips: Sequence[Clip],
    read: Callable[[pathlib.Path], np.ndarray],
    compute: Callable[[Sequence[Sound]], np.ndarray],
    kept: KeptValues,
    title: str,
) -> Computed:
    """Compute a value for each clip that is not kept yet, and collect all of them.

    Args:
        clips: the clips.
        read: gives the samples of a file; ValueError or OSError where it cannot.
        compute: gives a value for each of some clips; ValueError where it cannot.
        kept: where values are kept, chunk by chunk.
        title: stands before the progress.
    """
    faults: dict[str, str] = {}
    states: dict[int, FileState] = {}
    for number, clip in enumerate(clips):
        try:
            states[number] = file_state(f"{clip.number} {clip.name}", clip.path)
        except OSError as error:
            faults[str(clip.path)] = str(error)
    missing = [number for number, state in states.items() if state not in kept]
    with ByteProgress(title, sum(states[number][1] for number in missing)) as progress:
        sounds = _read_sounds(clips, states, missing, read, faults)
        for chunk in _ahead(_chunks(sounds)):
            _compute_chunk(chunk, compute, kept, faults)
            progress.advance(sum(sound.state[1] for sound in chunk))
    there = [(clips[number], kept[state]) for number, state in states.items() if state in kept]
    values = np.array([each.value for _, each in there])
    return Computed(tuple(clip for clip, _ in there), values, tuple(each.samples for _, each in there), faults)


def _read_sounds(
    clips: Sequence[Clip],
    states: dict[int, FileState],
    numbers: Sequence[int],
    read: Callable[[pathlib.Path], np.ndarray],
    faults: dict[str, str],
) -> Iterator[Sound]:
    for number in numbers:
        clip = clips[number]
        try:
            yield Sound(clip, states[number], read(clip.path))
        except (ValueError, OSError) as error:
            faults[str(clip.path)] = str(error).removeprefix(f"{clip.path}: ")


def _chunks(sounds: Iterator[Sound]) -> Iterator[list[Sound]]:
    chunk: list[Sound] = []
    samples = 0
    for sound in sounds:
        chunk.append(sound)
        samples += len(sound.samples)
        if len(chunk) == CHUNK_CLIPS or samples >= CHUNK_SECONDS * SAMPLE_RATE:
            yield chunk
            chunk, samples = [], 0
    if chunk:
        yield chunk


def _ahead(chunks: Iterator[list[Sound]]) -> Iterator[list[Sound]]:
    """The same, each chunk read while the one before it is computed."""
    with concurrent.futures.ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = reader.submit(next, chunks, None)
            yield chunk


def _compute_chunk(
    chunk: Sequence[Sound],
    compute: Callable[[Sequence[Sound]], np.ndarray],
    kept: KeptValues,
    faults: dict[str, str],
) -> None:
    """Where the chunk fails for what a clip holds, each clip alone, so that one takes no other with it."""
    try:
        kept.add([sound.state for sound in chunk], compute(chunk), [len(sound.samples) for sound in chunk])
    except ValueError as error:
        if len(chunk) == 1:
            faults[str(chunk[0].clip.path)] = str(error)
            return
        for sound in chunk:
            _compute_chunk([sound], compute, kept, faults)
