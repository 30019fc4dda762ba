"""Recordings at the sample rate of the tasks: reading, the ends of their sound, and a common level."""

from __future__ import annotations

import pathlib

import numpy as np
import soundfile

from hear_cacophony.frontend.resample import resample
from hear_tasks.debian_packages import SourceError
from hear_tasks.write_task import SAMPLE_RATE

RMS = 0.05
"""Root mean square of a clip at the common level, full scale 1."""

PERCUSSIVE_RMS = 0.025
"""The same in tasks with strokes, whose peaks are high above their level."""

PEAK = 0.98
"""Largest sample of a clip: one with higher peaks at its level is made softer."""

BLOCK = SAMPLE_RATE // 100
"""Samples of which a level is taken: 10 ms."""

SILENCE_DB = -35.0
"""Level below the loudest 10 ms under which the ends of a recording count as silence."""

LEAD = SAMPLE_RATE // 50
"""Samples kept before the first sound: 20 ms."""


def read_recording(file: pathlib.Path) -> np.ndarray:
    """The recording at 16 kHz, the mean of its channels, shape (samples,).

    Raises:
        SourceError: it cannot be read, or is silent throughout; the message names the file.
        ModuleNotFoundError: soxr is not installed.
    """
    try:
        samples, rate = soundfile.read(file, dtype="float64", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise SourceError(f"{file}: expected a recording: {error.error_string}; is the package damaged?") from error
    resampled = resample(samples.mean(axis=1), rate)
    if not resampled[: len(resampled) // BLOCK * BLOCK].any():
        raise SourceError(f"{file}: expected a recording, this is silent throughout; is the package damaged?")
    return resampled


def sounding(samples: np.ndarray) -> tuple[int, int]:
    """Where the sound begins and ends, in samples: what lies outside is silence."""
    blocks = samples[: len(samples) // BLOCK * BLOCK].reshape(-1, BLOCK)
    level = np.sqrt(np.mean(blocks**2, axis=1))
    loud = np.flatnonzero(level > level.max() * 10 ** (SILENCE_DB / 20))
    return int(loud[0]) * BLOCK, int(loud[-1] + 1) * BLOCK


def trim(samples: np.ndarray) -> np.ndarray:
    """Without the silence at both ends, but for up to 20 ms before the sound."""
    start, end = sounding(samples)
    return samples[max(0, start - LEAD) : end]


def at_level(samples: np.ndarray, rms: float = RMS) -> np.ndarray:
    """The samples at a common level, or as loud as `PEAK` allows; they must not be silent."""
    return samples * min(rms / np.sqrt(np.mean(samples**2)), PEAK / np.abs(samples).max())
