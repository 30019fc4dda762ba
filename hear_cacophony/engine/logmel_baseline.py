"""The baseline that needs no weights: statistics over time of the encoders' own log-mel spectrogram."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from hear_cacophony.engine import timestamps
from hear_cacophony.engine.devices import Devices, compiled
from hear_cacophony.engine.embedding import Embedder
from hear_cacophony.engine.options import Options
from hear_cacophony.engine.window_embedders import WindowEmbedder, fill_batch, scale, timestamp_windows
from hear_cacophony.engine.windows import Window, cut_spans
from hear_cacophony.frontend import spectrogram
from hear_cacophony.frontend.spectrogram import MEL_BANDS, PATCH_FRAMES, STEP_LENGTH


class LogMelModel(Embedder):
    """Mean and standard deviation over time of the 128 log-mel bands, 256 values."""

    def __init__(self, options: Options, devices: Devices | None = None) -> None:
        super().__init__(options, devices or Devices())
        self.scene_embedder = LogMelSceneEmbedder(options, self.devices)
        self.timestamp_embedder = LogMelTimestampEmbedder(options, self.devices)

    def with_options(self, options: Options) -> LogMelModel:
        """The baseline with other options."""
        return LogMelModel(options, self.devices)

    def merge_windows(self, windows: np.ndarray, weights: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Mean and standard deviation over all windows, from the mean and variance in each.

        The variance of the whole is the mean of the windows' variances and squared distances of
        their means from that of the whole.
        """
        weights = weights[:, None].astype(np.float64)
        mean, variance = np.split(windows.astype(np.float64), 2, axis=1)
        total = np.add.reduceat(weights, starts)
        whole = np.add.reduceat(mean * weights, starts) / total
        rows_of_clip = np.diff([*starts, len(windows)])
        spread = variance + (mean - np.repeat(whole, rows_of_clip, axis=0)) ** 2
        deviation = np.sqrt(np.add.reduceat(spread * weights, starts) / total)
        return np.concatenate([whole, deviation], axis=1).astype(np.float32)


class LogMelSceneEmbedder(WindowEmbedder):
    """Mean and variance of each band over the frames of a window."""

    size = 2 * MEL_BANDS
    tokens_per_step = 1

    def __init__(self, options: Options, devices: Devices) -> None:
        self._options, self._devices = options, devices

    def windows(self, clip: int, num_samples: int) -> list[Window]:
        frames = spectrogram.count_frames(num_samples)
        spans = cut_spans(-(-frames // PATCH_FRAMES), self._options.window_steps, self._options.context_steps)
        return [Window(clip, span, span.start * STEP_LENGTH, frames) for span in spans]

    def num_samples(self, steps: int) -> int:
        return spectrogram.count_samples(steps * PATCH_FRAMES)

    def run(self, audio: np.ndarray, windows: Sequence[Window]) -> jax.Array:
        kept = fill_batch([_kept_frames(window) for window in windows], len(audio))
        return _embed_scenes((), self._devices.split(audio), self._devices.split(kept), mesh=self._devices.mesh)


class LogMelTimestampEmbedder(WindowEmbedder):
    """Mean and standard deviation of each band over the 16 frames around each centre."""

    size = 2 * MEL_BANDS
    tokens_per_step = 1

    def __init__(self, options: Options, devices: Devices) -> None:
        self._options, self._devices = options, devices
        self._shifts = timestamps.shifts(options.hop_ms)

    def windows(self, clip: int, num_samples: int) -> list[Window]:
        return timestamp_windows(clip, num_samples, self._options)

    def num_samples(self, steps: int) -> int:
        return spectrogram.count_samples(steps * PATCH_FRAMES + self._shifts[-1])

    def run(self, audio: np.ndarray, windows: Sequence[Window]) -> jax.Array:
        return _embed_timestamps((), self._devices.split(audio), mesh=self._devices.mesh, shifts=self._shifts)


def _scene_statistics(_, audio, kept):
    """Mean and variance over the frames from kept[:, 0] to kept[:, 1], shape (batch, 256)."""
    frames = spectrogram.count_whole_frames(audio.shape[1])
    log_mel = spectrogram.log_mel(scale(audio), frames)
    frame = jnp.arange(frames)
    counts = ((frame >= kept[:, :1]) & (frame < kept[:, 1:]))[..., None]
    mean = jnp.mean(log_mel, axis=1, where=counts)
    return jnp.concatenate([mean, jnp.var(log_mel, axis=1, where=counts)], axis=-1)


_embed_scenes = compiled(_scene_statistics)


def _timestamp_statistics(_, audio, *, shifts: tuple[int, ...]):
    """Mean and standard deviation over each 16 frames, shape (batch, steps * passes, 256)."""
    frames = spectrogram.count_whole_frames(audio.shape[1])
    log_mel = spectrogram.log_mel(scale(audio), frames)
    steps = (frames - shifts[-1]) // PATCH_FRAMES
    by_pass = [log_mel[:, shift : shift + steps * PATCH_FRAMES] for shift in shifts]
    stacked = jnp.stack([each.reshape(len(audio), steps, PATCH_FRAMES, MEL_BANDS) for each in by_pass], axis=2)
    statistics = jnp.concatenate([stacked.mean(axis=3), stacked.std(axis=3)], axis=-1)
    return statistics.reshape(len(audio), steps * len(shifts), 2 * MEL_BANDS)


_embed_timestamps = compiled(_timestamp_statistics, "shifts")


def _kept_frames(window: Window) -> tuple[int, int]:
    """First and last frame of a window that count, from the window's start."""
    start = window.span.start * PATCH_FRAMES
    stop = min(window.span.keep_stop * PATCH_FRAMES, window.real_frames)
    return window.span.keep_start * PATCH_FRAMES - start, stop - start
