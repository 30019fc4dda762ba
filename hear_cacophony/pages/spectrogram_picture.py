"""A small picture of a sound: its log-mel spectrogram, as the encoders see it."""

from __future__ import annotations

import functools
import io

import jax
import numpy as np

from hear_cacophony.frontend.spectrogram import HOP_LENGTH, MEL_BANDS, count_frames, count_samples, log_mel

WIDEST = 600
"""Columns of a picture; of longer sounds each is the mean of several frames."""

_BLOCK_FRAMES = 512
"""Frames that are computed at once: one shape, so that nothing is compiled twice."""

_LOWEST, _HIGHEST = -1.5, 2.5
"""Log-mel values that are told apart; silence has -1.4."""

_QUALITY = 55


def draw_spectrogram(samples: np.ndarray) -> bytes:
    """A WebP picture of a sound, low frequencies at the bottom; from its least value, dark, to its largest.

    Args:
        samples: 16 kHz mono in [-1, 1], shape (samples,), at least one.
    """
    from PIL import Image

    columns = _columns(samples)
    low, high = float(columns.min()), float(columns.max())
    scaled = np.round((columns - low) * (255 / max(high - low, 1e-6))).astype(np.uint8)
    picture = Image.fromarray(_colours()[scaled.T[::-1]])
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=_QUALITY, method=4)
    return file.getvalue()


def _columns(samples: np.ndarray) -> np.ndarray:
    """Log-mel values over time, shape (columns, MEL_BANDS)."""
    frames = count_frames(len(samples))
    levels = np.empty((frames, MEL_BANDS), np.uint8)  # of an hour 46 MB
    for first in range(0, frames, _BLOCK_FRAMES):
        block = np.zeros(count_samples(_BLOCK_FRAMES), np.float32)
        part = samples[first * HOP_LENGTH :][: len(block)]
        block[: len(part)] = part
        values = np.asarray(_log_mel_of_block(jax.device_put(block, _cpu())))[: frames - first]
        scaled = (values - _LOWEST) * (255 / (_HIGHEST - _LOWEST))
        levels[first : first + len(values)] = np.round(np.clip(scaled, 0, 255))
    count = min(frames, WIDEST)
    starts = np.arange(count) * frames // count
    lengths = np.diff([*starts, frames])
    return np.add.reduceat(levels, starts, axis=0, dtype=np.float32) / lengths[:, None]


@jax.jit
def _log_mel_of_block(block: jax.Array) -> jax.Array:
    return log_mel(block, _BLOCK_FRAMES)


@functools.cache
def _cpu() -> jax.Device:
    """Where pictures are computed, also where there is a GPU, which may be at work for somebody else."""
    return jax.local_devices(backend="cpu")[0]


@functools.cache
def _colours() -> np.ndarray:
    """The colours of values from 0 to 255, shape (256, 3); they differ in lightness, whatever the colour vision."""
    import matplotlib

    return np.round(255 * matplotlib.colormaps["magma"](np.arange(256))[:, :3]).astype(np.uint8)
