"""What is in each batch: it follows from seed, step and the number of processes alone."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from hear_cacophony.frontend.spectrogram import (
    PATCH_FRAMES,
    PATCHES_PER_STEP,
    STEP_LENGTH,
    WINDOW_OVERHANG,
    count_frames,
)
from hear_cacophony.model.stages import AUDIOMAE
from hear_cacophony.text.tokenizer import PAD, Tokenizer
from hear_cacophony.training.captions import Captions
from hear_cacophony.training.options import TrainOptions
from hear_cacophony.training.shards import Clip, Excerpt, Shards

READ_AHEAD = 4
"""Batches that are read before they are needed, each by a thread of its own."""

TOKEN_LENGTHS = (16, 32, 48, 77, 100)
"""Compiled lengths of texts."""

_ENCODED_AT_ONCE = 10_000
"""Texts whose tokens are held at a time."""

_ORDER, _HELD_OUT = 1, 2
"""What keeps the seeds of rows in training and of held-out clips apart."""


class Batch(NamedTuple):
    """Clips of one compiled length, as the step takes them.

    Attributes:
        audio: excerpts, zeros behind their end, shape (clips, samples), int16.
        places: patches that are encoded, in order, 8 * time step + frequency band, shape (clips, patches), int32.
        counts: how many of these there are, shape (clips,), int32.
        wanted_places, wanted_counts: stage 1: those to restore, likewise.
        ids: stage 2: tokens of a caption, shape (clips, tokens), int32.
        lengths: stage 2: how many of these there are, shape (clips,), int32.
    """

    audio: np.ndarray
    places: np.ndarray
    counts: np.ndarray
    wanted_places: np.ndarray | None = None
    wanted_counts: np.ndarray | None = None
    ids: np.ndarray | None = None
    lengths: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Split:
    """Numbers of the clips that are trained on, and of those that are held out."""

    training: Sequence[int]
    held_out: Sequence[int]


def split_clips(clips: Sequence[Clip], share: float) -> Split:
    """Hold a share of the sounds out, all clips of a sound together; which ones depends on their names alone."""

    def draw(name: str) -> bytes:
        return hashlib.blake2b(name.encode("utf-8", "surrogateescape")).digest()  # names may be no UTF-8

    sounds = sorted({clip.source for clip in clips}, key=draw)
    held = set(sounds[: math.ceil(share * len(sounds))])
    return Split(
        [i for i, clip in enumerate(clips) if clip.source not in held],
        [i for i, clip in enumerate(clips) if clip.source in held],
    )


def draw_caption(captions: Captions, synthetic_share: float, random: np.random.Generator) -> str:
    """One of the captions of a clip; where it has both kinds, a synthetic one as often as the share says."""
    kinds = [[each.text for each in captions if each.synthetic is kind] for kind in (True, False)]
    chosen = kinds[0] if random.random() < synthetic_share else kinds[1]
    texts = chosen or kinds[0] or kinds[1]
    return texts[random.integers(len(texts))]


def compiled_steps(longest: int, most: int) -> int:
    """Time steps that a batch is compiled for: `most`, a half or a quarter of it, as the longest clip needs."""
    return next(steps for steps in (-(-most // 4), -(-most // 2), most) if steps >= min(longest, most))


class Batches:
    """Draws and reads batches.

    Every row of every batch has a random generator of its own, which follows from the seed, the step and the row;
    the length that a batch is compiled for follows from all clips in it. So each process can draw its rows of it.
    """

    def __init__(
        self,
        shards: Shards,
        options: TrainOptions,
        tokenizer: Tokenizer | None,
        *,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        """Prepare to draw.

        Args:
            shards: the clips.
            options: those of the run.
            tokenizer: stage 2: of the captions.
            process, processes: which rows of a batch are read: part `process` of `processes` equal parts.

        Raises:
            ValueError: stage 1: no patch would be restored.
        """
        import grain  # extra `train`

        self._shards, self._options, self._tokenizer = shards, options, tokenizer
        self._part = (process, processes)
        self.split = split_clips(shards.clips, options.held_out)
        self._longest = min(options.longest_steps, max(count_steps(clip.samples) for clip in shards.clips))
        patches = self._longest * PATCHES_PER_STEP
        if options.of is AUDIOMAE and _kept(patches, options) == patches:
            raise ValueError(
                f"--mask-ratio {options.mask_ratio}: leaves none of the longest clip's {patches} patches to restore"
            )
        self._order = grain.MapDataset.range(len(self.split.training)).shuffle(seed=options.seed).repeat()

    def numbers(self, step: int) -> list[int]:
        """The clips in the batch of a step, on all processes."""
        size = self._options.batch
        return [self.split.training[self._order[row]] for row in range(step * size, (step + 1) * size)]

    @functools.cached_property
    def cut_captions(self) -> tuple[int, int]:
        """Stage 2: how many captions, of all clips, are longer than the longest text, and the tokens of the longest."""
        if self._tokenizer is None:
            return 0, 0
        limit = self._options.tokens
        texts = [caption.text for clip in self._shards.clips for caption in clip.captions]
        # A token has a byte or more, so that most texts need not be encoded for this.
        candidates = [text for text in texts if len(text.encode()) > limit - 2]
        lengths = [
            len(ids)
            for first in range(0, len(candidates), _ENCODED_AT_ONCE)
            for ids in self._tokenizer.encode(candidates[first : first + _ENCODED_AT_ONCE], sys.maxsize, warn=False)
        ]
        return sum(length > limit for length in lengths), max(lengths, default=0)

    def load(self, step: int) -> Batch:
        """The rows of this process in the batch of a step."""
        first = step * self._options.batch
        seeds = [(self._options.seed, _ORDER, first + row) for row in range(self._options.batch)]
        return self._load(self.numbers(step), seeds)

    def from_step(self, first: int) -> Iterator[Batch]:
        """The batches from a step on to the end of the run, read ahead."""
        import grain

        steps = grain.MapDataset.range(first, self._options.steps).map(self.load)
        ahead = grain.ReadOptions(num_threads=READ_AHEAD, prefetch_buffer_size=READ_AHEAD)
        return iter(steps.to_iter_dataset(ahead))

    def held_out(self, size: int, most: int) -> list[tuple[list[int], Callable[[], Batch]]]:
        """Batches of `size` clips of those held out, `most` clips in all, always drawn alike.

        Returns:
            For each batch the numbers of its clips on all processes, and what reads the rows of this process.
        """
        count = min(len(self.split.held_out), most) // size
        parts = [list(self.split.held_out[i * size : (i + 1) * size]) for i in range(count)]
        return [(part, functools.partial(self._load_held_out, part)) for part in parts]

    def _load_held_out(self, numbers: list[int]) -> Batch:
        return self._load(numbers, [(self._options.seed, _HELD_OUT, number) for number in numbers], first_caption=True)

    def _load(self, numbers: list[int], seeds: Sequence[tuple[int, ...]], *, first_caption: bool = False) -> Batch:
        options = self._options
        randoms = [np.random.default_rng(seed) for seed in seeds]
        longest = max(count_steps(self._shards.clips[number].samples) for number in numbers)
        steps = compiled_steps(longest, self._longest)
        texts: tuple = ()
        if options.of is not AUDIOMAE:
            texts = self._texts(numbers, randoms, first_caption)
        process, processes = self._part
        rows = slice(process * len(numbers) // processes, (process + 1) * len(numbers) // processes)
        clips = self._shards.clips
        excerpts = [
            _draw_excerpt(number, clips[number].samples, steps, random)
            for number, random in zip(numbers[rows], randoms[rows], strict=True)
        ]
        audio = np.zeros((len(excerpts), steps * STEP_LENGTH + WINDOW_OVERHANG), np.int16)
        for row, part in zip(audio, self._shards.read(excerpts), strict=True):
            row[: len(part)] = part
        counts = [min(steps, count_steps(clips[number].samples)) * PATCHES_PER_STEP for number in numbers[rows]]
        patches = _draw_patches(counts, steps, options, randoms[rows])
        return Batch(audio, *patches, *(text[rows] for text in texts))

    def _texts(
        self, numbers: list[int], randoms: list[np.random.Generator], first: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ids and lengths of a caption of each clip, on all processes."""
        assert self._tokenizer is not None
        all_captions = [self._shards.clips[number].captions for number in numbers]
        share = self._options.synthetic_share
        texts = [
            captions[0].text if first else draw_caption(captions, share, random)
            for captions, random in zip(all_captions, randoms, strict=True)
        ]
        encoded = self._tokenizer.encode(texts, self._options.tokens, warn=False)
        longest = max(map(len, encoded))
        ids = np.full((len(texts), next(size for size in TOKEN_LENGTHS if size >= longest)), PAD, np.int32)
        for row, tokens in zip(ids, encoded, strict=True):
            row[: len(tokens)] = tokens
        return ids, np.array([len(tokens) for tokens in encoded], np.int32)


def count_steps(num_samples: int) -> int:
    """Time steps whose patches a clip fills."""
    return count_frames(num_samples) // PATCH_FRAMES


def _draw_excerpt(clip: int, samples: int, steps: int, random: np.random.Generator) -> Excerpt:
    """A clip, or a random part of one that is longer than `steps`."""
    start = int(random.integers(max(0, samples - steps * STEP_LENGTH) + 1))
    return Excerpt(clip, start, min(samples, start + steps * STEP_LENGTH + WINDOW_OVERHANG))


def _draw_patches(
    counts: list[int], steps: int, options: TrainOptions, randoms: list[np.random.Generator]
) -> tuple[Any, ...]:
    """Places and counts of the patches that are encoded and, in stage 1, of those to restore."""
    restores = options.of is AUDIOMAE
    room = steps * PATCHES_PER_STEP
    kept_room = _kept(room, options)
    kept, wanted = _Places(len(counts), kept_room), _Places(len(counts), min(options.restore, room - kept_room))
    for row, (count, random) in enumerate(zip(counts, randoms, strict=True)):
        order = random.permutation(count)
        keep = _kept(count, options)
        kept.put(row, order[:keep])
        wanted.put(row, order[keep : keep + wanted.places.shape[1]])
    return (
        (kept.places, kept.counts, wanted.places, wanted.counts) if restores else (kept.places, kept.counts, None, None)
    )


def _kept(count: int, options: TrainOptions) -> int:
    """How many of `count` patches are encoded."""
    share = 1 - options.mask_ratio if options.of is AUDIOMAE else 1.0
    return min(options.patches, max(1, round(share * count)))


class _Places:
    """Some patches of each clip, in order, and 0 behind them."""

    def __init__(self, clips: int, most: int) -> None:
        self.places = np.zeros((clips, most), np.int32)
        self.counts = np.zeros(clips, np.int32)

    def put(self, row: int, places: np.ndarray) -> None:
        self.places[row, : len(places)] = np.sort(places)
        self.counts[row] = len(places)
