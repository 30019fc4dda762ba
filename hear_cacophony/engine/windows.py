"""Windows: the pieces of clips that the encoder sees at once; long clips are cut, with overlapping context."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from hear_cacophony.frontend.spectrogram import PATCH_FRAMES

WINDOW_STEPS = 187
"""Longest window in time steps of 160 ms, unless told otherwise: the whole steps in 30 s."""

CONTEXT_STEPS = 12
"""Least time steps of context between a patch that is kept and a cut, unless told otherwise: 1.9 s."""


@dataclasses.dataclass(frozen=True)
class WindowSpan:
    """A stretch of a clip that the encoder sees at once, in time steps.

    Its outputs are kept from `keep_start` to `keep_stop`; the rest is context.
    """

    start: int
    stop: int
    keep_start: int
    keep_stop: int

    @property
    def steps(self) -> int:
        return self.stop - self.start


def cut_spans(steps: int, window_steps: int = WINDOW_STEPS, context_steps: int = CONTEXT_STEPS) -> list[WindowSpan]:
    """Cut a clip of `steps` time steps into windows of `window_steps`, which overlap by `2 * context_steps` at least.

    A clip of up to one window is not cut. A longer one is cut into as few windows as leave the
    required context; neighbours share their overlap half and half, so that each step is kept
    exactly once, from the window in which it has the most context.
    """
    if steps <= window_steps:
        return [WindowSpan(0, steps, 0, steps)]
    last_start = steps - window_steps
    gaps = -(-last_start // (window_steps - 2 * context_steps))
    starts = [i * last_start // gaps for i in range(gaps + 1)]
    cuts = [(start + previous + window_steps) // 2 for previous, start in itertools.pairwise(starts)]
    bounds = [0, *cuts, steps]
    return [
        WindowSpan(start, start + window_steps, keep_start, keep_stop)
        for start, keep_start, keep_stop in zip(starts, bounds[:-1], bounds[1:], strict=True)
    ]


@dataclasses.dataclass(frozen=True)
class Window:
    """One window of one clip.

    Attributes:
        clip: index of the clip.
        span: in time steps from the start of the clip's lead-in.
        first_sample: sample of the clip that the window starts with; negative in the lead-in of silence.
        real_frames: frames from the start of the lead-in that belong to the clip.
    """

    clip: int
    span: WindowSpan
    first_sample: int
    real_frames: int

    @property
    def steps(self) -> int:
        """Time steps in the window."""
        return self.span.steps

    @property
    def weight(self) -> int:
        """Frames of the clip that count in this window, the others being context; at least 1."""
        stop = min(self.span.keep_stop * PATCH_FRAMES, self.real_frames)
        return max(1, stop - self.span.keep_start * PATCH_FRAMES)

    def overlap(self, num_samples: int, length: int) -> tuple[int, int, int]:
        """Where the audio of a window of `length` samples lies.

        Returns:
            The first sample to take from a clip of `num_samples`, the sample to stop at, and the place of
            the first one in the window.
        """
        start = max(0, self.first_sample)
        stop = max(start, min(num_samples, self.first_sample + length))
        return start, stop, start - self.first_sample


def cut_audio(clips: Sequence[np.ndarray], windows: Sequence[Window], size: int, length: int) -> np.ndarray:
    """The windows' audio, silent before and after their clips, shape (size, length); windows beyond are silent."""
    audio = np.zeros((size, length), np.float32)
    for target, window in zip(audio, windows, strict=False):
        start, stop, place = window.overlap(len(clips[window.clip]), length)
        target[place : place + stop - start] = clips[window.clip][start:stop]
    return audio
