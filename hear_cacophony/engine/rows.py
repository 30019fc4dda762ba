"""Rows: windows of clips, as a compiled program sees them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from hear_cacophony.engine.windows import Window
from hear_cacophony.frontend.spectrogram import PATCH_FRAMES


@dataclasses.dataclass(frozen=True)
class Row:
    """One window of one clip.

    Attributes:
        clip: index of the clip.
        window: in time steps from the start of the clip's lead-in.
        first_sample: sample of the clip that the row starts with; negative in the lead-in of silence.
        real_frames: frames from the start of the lead-in that belong to the clip.
    """

    clip: int
    window: Window
    first_sample: int
    real_frames: int

    @property
    def steps(self) -> int:
        """Time steps in the row."""
        return self.window.steps

    @property
    def weight(self) -> int:
        """Frames of the clip that count in this row, the others being context; at least 1."""
        stop = min(self.window.keep_stop * PATCH_FRAMES, self.real_frames)
        return max(1, stop - self.window.keep_start * PATCH_FRAMES)

    def span(self, num_samples: int, length: int) -> tuple[int, int, int]:
        """Where the audio of a row of `length` samples lies.

        Returns:
            The first sample to take from a clip of `num_samples`, the sample to stop at, and the place of
            the first one in the row.
        """
        start = max(0, self.first_sample)
        stop = max(start, min(num_samples, self.first_sample + length))
        return start, stop, start - self.first_sample


def cut_audio(clips: Sequence[np.ndarray], rows: Sequence[Row], size: int, length: int) -> np.ndarray:
    """The rows' audio, silent before and after their clips, shape (size, length); rows beyond are silent."""
    audio = np.zeros((size, length), np.float32)
    for target, row in zip(audio, rows, strict=False):
        start, stop, place = row.span(len(clips[row.clip]), length)
        target[place : place + stop - start] = clips[row.clip][start:stop]
    return audio
