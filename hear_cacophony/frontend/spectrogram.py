"""From audio samples to log-mel patches, as the encoders were trained on them.

The formulas are those of the published inference code: a magnitude STFT, 128 mel bands
on the HTK scale, and an affine logarithm.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from hear_cacophony.frontend.resample import SAMPLE_RATE

HOP_LENGTH = 160
"""Samples from one frame to the next: 10 ms."""

WINDOW_LENGTH = 400
"""Samples under the Hann window: 25 ms."""

FFT_LENGTH = 512
MEL_BANDS = 128
MAX_FREQUENCY = 8_000.0
"""Upper edge of the mel bands in Hz; the lower edge is 0."""

PATCH_FRAMES = 16
PATCH_BANDS = 16
PATCHES_PER_STEP = MEL_BANDS // PATCH_BANDS
"""Patches that share one time step, from the lowest bands to the highest."""

STEP_LENGTH = PATCH_FRAMES * HOP_LENGTH
"""Samples from one time step of patches to the next: 160 ms."""

WINDOW_OVERHANG = WINDOW_LENGTH - HOP_LENGTH
"""Samples that a frame reads beyond its own hop."""


def count_frames(num_samples: int) -> int:
    """Frames of a clip: its samples divided by the hop, rounded up."""
    return -(-num_samples // HOP_LENGTH)


def count_samples(num_frames: int) -> int:
    """Samples that `num_frames` frames read."""
    return num_frames * HOP_LENGTH + WINDOW_OVERHANG


def count_whole_frames(num_samples: int) -> int:
    """Frames that find all that they read within `num_samples`."""
    return (num_samples - WINDOW_OVERHANG) // HOP_LENGTH


@functools.cache
def mel_weights() -> np.ndarray:
    """Weights of the mel bands, shape (FFT_LENGTH / 2 + 1, MEL_BANDS), float32.

    Triangles that are linear in mel = 1127 ln(1 + f / 700), with a peak of 1 and no area
    normalisation; the DC bin weighs nothing (the definition of
    `tf.signal.linear_to_mel_weight_matrix`).
    """
    bins = np.linspace(0.0, SAMPLE_RATE / 2, FFT_LENGTH // 2 + 1)
    bin_mel = _mel(bins)[1:, None]
    edges = np.linspace(0.0, _mel(MAX_FREQUENCY), MEL_BANDS + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising = (bin_mel - lower) / (centre - lower)
    falling = (upper - bin_mel) / (upper - centre)
    weights = np.maximum(0.0, np.minimum(rising, falling))
    return np.pad(weights, [(1, 0), (0, 0)]).astype(np.float32)


def _mel(frequency):
    return 1127.0 * np.log1p(np.asarray(frequency) / 700.0)


@functools.cache
def hann_window() -> np.ndarray:
    """Periodic Hann window, shape (WINDOW_LENGTH,), float32."""
    phase = 2 * np.pi * np.arange(WINDOW_LENGTH) / WINDOW_LENGTH
    return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)


def log_mel(audio: jax.Array, num_frames: int) -> jax.Array:
    """Log-mel spectrogram of the first `num_frames` frames.

    Args:
        audio: samples in [-1, 1] at 16 kHz, shape (..., samples). Samples that the last
            frames lack count as silence; samples beyond them are not read.
        num_frames: frames to compute; frame i reads 400 samples from sample 160 i on.

    Returns:
        log(mel + 1e-5) * 0.2 + 0.9, shape (..., num_frames, MEL_BANDS), float32.
    """
    frames = _frame(audio.astype(jnp.float32), num_frames) * hann_window()
    magnitude = jnp.abs(jnp.fft.rfft(frames, FFT_LENGTH))
    mel = jnp.matmul(magnitude, mel_weights(), precision=jax.lax.Precision.HIGHEST)
    return jnp.log(mel + 1e-5) * 0.2 + 0.9


def _frame(audio: jax.Array, num_frames: int) -> jax.Array:
    """Overlapping frames, joined from whole hops: far cheaper than a gather."""
    hops_per_window = -(-WINDOW_LENGTH // HOP_LENGTH)
    num_samples = (num_frames + hops_per_window - 1) * HOP_LENGTH
    missing = max(0, num_samples - audio.shape[-1])
    audio = jnp.pad(audio, [(0, 0)] * (audio.ndim - 1) + [(0, missing)])[..., :num_samples]
    hops = audio.reshape(*audio.shape[:-1], -1, HOP_LENGTH)
    shifted = [hops[..., i : i + num_frames, :] for i in range(hops_per_window)]
    return jnp.concatenate(shifted, axis=-1)[..., :WINDOW_LENGTH]


def to_patches(log_mel: jax.Array) -> jax.Array:
    """Cut a log-mel spectrogram into patches of 16 frames by 16 bands.

    Args:
        log_mel: shape (..., frames, MEL_BANDS); frames that do not fill a patch are dropped.

    Returns:
        Shape (..., patches, 256): patch = 8 * time step + frequency band; the values of a
        patch run through its bands frame by frame.
    """
    *batch, frames, _ = log_mel.shape
    steps = frames // PATCH_FRAMES
    grid = log_mel[..., : steps * PATCH_FRAMES, :].reshape(*batch, steps, PATCH_FRAMES, PATCHES_PER_STEP, PATCH_BANDS)
    return grid.swapaxes(-3, -2).reshape(*batch, steps * PATCHES_PER_STEP, PATCH_FRAMES * PATCH_BANDS)
