"""To the encoders' sample rate, with libsoxr at its very high quality."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

SAMPLE_RATE = 16_000
"""Samples per second, as the encoders take them."""

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
    resampled = _soxr().resample(samples, rate, SAMPLE_RATE, quality="VHQ")
    return resampled if len(resampled) else samples[:1]


def resample_blocks(
    blocks: Iterable[np.ndarray], rate: int, to: int = SAMPLE_RATE, dtype: str = "float32"
) -> Iterator[np.ndarray]:
    """As `resample`, to the last bit, in pieces.

    Args:
        blocks: samples one after the other, each of shape (samples,), of `dtype`; at least one sample in all.
        rate: their samples per second.
        to: samples per second of the result.
        dtype: float32 or float64.

    Raises:
        ModuleNotFoundError: soxr is not installed.
    """
    if rate == to:
        yield from blocks
        return
    stream = _soxr().ResampleStream(rate, to, 1, dtype=dtype, quality="VHQ")
    first, count = np.zeros(1, dtype), 0
    for number, block in enumerate(blocks):
        first = block[:1] if number == 0 else first
        resampled = stream.resample_chunk(block)
        count += len(resampled)
        yield resampled
    last = stream.resample_chunk(np.zeros(0, dtype), last=True)
    yield last if count + len(last) else first


def _soxr() -> Any:
    try:
        import soxr  # here, as what comes at 16 kHz never needs it
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "audio at another rate than 16 kHz needs soxr: pip install soxr", name="soxr"
        ) from error
    return soxr
