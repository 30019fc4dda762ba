"""To the encoders' sample rate, with libsoxr at its very high quality."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hear_cacophony.frontend.spectrogram import SAMPLE_RATE

RATES = (1_000, 768_000)
"""Lowest and highest sample rate in Hz that is believed: others are kHz, or a number of samples."""


def check_rate(rate: Any) -> None:
    """Raise ValueError if `rate` is no sample rate in Hz."""
    number = not isinstance(rate, bool) and isinstance(rate, (int, float, np.integer, np.floating))
    if not number or not math.isfinite(rate) or not RATES[0] <= rate <= RATES[1]:
        raise ValueError(f"sample_rate={rate!r} is not possible; expected samples per second, {RATES[0]} to {RATES[1]}")


def resample(samples: np.ndarray, rate: float) -> np.ndarray:
    """Samples brought to 16 kHz without a delay.

    Args:
        samples: shape (samples,), float32 or float64.
        rate: their samples per second.

    Returns:
        Of the same dtype, samples * 16000 / rate of them to the nearest integer, at least one; the same samples
        if they are at 16 kHz.

    Raises:
        ModuleNotFoundError: soxr is not installed.
    """
    if rate == SAMPLE_RATE:
        return samples
    try:
        import soxr  # here, as what comes at 16 kHz never needs it
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "audio at another rate than 16 kHz needs soxr: pip install soxr", name="soxr"
        ) from error
    resampled = soxr.resample(samples, rate, SAMPLE_RATE, quality="VHQ")
    return resampled if len(resampled) else samples[:1]
