"""How clips are read, and how clips and texts are limited, under each protocol.

"hear" takes clips whole, in windows. "published" takes them as the published evaluation does: the mean of the channels,
resampled in the Fourier domain, from the file's own rate, where the published code has the rate from its configuration.
Of a clip with more patches than its limit a random subset counts. Where the published code draws it without a seed,
here it is drawn from a seed and the clip's name, so that a run can be repeated and a clip's embedding depends on no
other clip.
"""

from __future__ import annotations

import dataclasses
import os
import random

import numpy as np

from hear_cacophony.frontend.audio_file import open_audio
from hear_cacophony.frontend.read_audio import mono_blocks
from hear_cacophony.frontend.spectrogram import HOP_LENGTH, PATCH_FRAMES, PATCHES_PER_STEP, SAMPLE_RATE, count_frames
from hear_tasks.evaluate.datasets import Dataset, Evaluation

CAPTION_SECONDS = 30
CAPTION_TOKENS = 100
CAPTION_TEMPERATURE = 0.1
CAPTION_SEED = 42
MODEL_TOKENS = 100
"""Longest text of the model itself, with both marks."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What of a clip and of a text is used.

    Attributes:
        seconds: audio of a clip, None without limit.
        tokens: tokens of a text, with both marks.
    """

    seconds: int | None
    tokens: int

    @property
    def patches(self) -> int | None:
        """Patches of a clip, such as 500 in 10 s; whole time steps fill only 496 of these."""
        if self.seconds is None:
            return None
        return self.seconds * SAMPLE_RATE * PATCHES_PER_STEP // (HOP_LENGTH * PATCH_FRAMES)


def limits(protocol: str, evaluation: Evaluation, dataset: Dataset) -> Limits:
    """The limits of an evaluation."""
    if protocol == "hear":
        return Limits(None, MODEL_TOKENS)
    if evaluation == Evaluation.CAPTIONING:
        return Limits(CAPTION_SECONDS, CAPTION_TOKENS)
    return Limits(dataset.published_seconds, dataset.published_tokens)


def choose_patches(num_samples: int, limit: int | None, seed: int, name: str) -> np.ndarray | None:
    """The patches of a clip that count: a random subset, sorted by time, of one with more than the limit.

    Args:
        num_samples: length of the clip at 16 kHz.
        limit: most patches that count; None for all.
        seed: of the draw.
        name: of the clip.

    Returns:
        Indices of patches (8 * time step + frequency band), shape (limit,); None where all count.
    """
    if limit is None or not is_longer(num_samples, limit):
        return None
    # Python, unlike NumPy, promises the same numbers of a seed in every version.
    draw = random.Random(f"{seed} {name}")
    order = np.argsort([draw.random() for _ in range(_count_patches(num_samples))], kind="stable")
    return np.sort(order[:limit])


def is_longer(num_samples: int, limit: int | None) -> bool:
    """Whether a clip has more patches than the limit."""
    return limit is not None and _count_patches(num_samples) > limit


def _count_patches(num_samples: int) -> int:
    return count_frames(num_samples) // PATCH_FRAMES * PATCHES_PER_STEP


def read_published(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an audio file as the published evaluation does.

    Returns:
        Shape (round(n * 16000 / rate),), float32, 16 kHz.

    Raises:
        ValueError: it is no audio, was cut, has no samples, or samples that are not finite; the message says which.
        OSError: it cannot be read.
    """
    import scipy.signal  # here, so that the command line starts where the package's extra is not installed

    with open_audio(path) as audio:
        mono, rate = np.concatenate(list(mono_blocks(audio))), audio.header.rate
    if rate == SAMPLE_RATE:
        return mono
    return scipy.signal.resample(mono, round(len(mono) * float(SAMPLE_RATE) / rate)).astype(np.float32)
