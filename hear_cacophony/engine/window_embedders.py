"""What runs on the devices: one compiled function for each kind of embedding and each shape of a batch.

It takes windows of audio and gives embeddings: frontend, patches and encoder in one. Audio may come as
16-bit integers, which are scaled on the device.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hear_cacophony.engine import timestamps
from hear_cacophony.engine.devices import Devices, compiled
from hear_cacophony.engine.options import Options
from hear_cacophony.engine.padding_mask import time_step_mask
from hear_cacophony.engine.windows import Window, WindowSpan, cut_spans
from hear_cacophony.frontend import spectrogram
from hear_cacophony.frontend.spectrogram import HOP_LENGTH, PATCH_FRAMES, PATCHES_PER_STEP, SAMPLE_RATE, STEP_LENGTH
from hear_cacophony.model.encoder import AudioEncoder
from hear_cacophony.model.pooling import AttentionPooler
from hear_cacophony.model.stages import EncoderConfig, Stage

PRODUCTS = {"float32": "highest", "bfloat16": "default"}
"""Products of float32 in full float32, also on GPUs that would take fewer bits unless told otherwise."""

_FULL_SCALE = 1 << 15


class WindowEmbedder(abc.ABC):
    """One kind of embedding.

    Attributes:
        size: values in the result of a window (of each time in it).
        tokens_per_step: patches that the encoder sees in a time step of a window.
    """

    size: int
    tokens_per_step: int

    @abc.abstractmethod
    def windows(self, clip: int, num_samples: int) -> list[Window]:
        """The windows of clip number `clip`, in order."""

    @abc.abstractmethod
    def num_samples(self, steps: int) -> int:
        """Samples in a window of `steps` time steps."""

    @abc.abstractmethod
    def run(self, audio: np.ndarray, windows: Sequence[Window]) -> jax.Array:
        """Embed a batch, without waiting for the result.

        Args:
            audio: int16, or float32 in [-1, 1], shape (batch, `num_samples`); the batch is a multiple of
                the number of devices.
            windows: the first windows of it; what the others hold does not matter.

        Returns:
            Shape (batch, `size`) for scenes, (batch, times, `size`) along clips.
        """


class SceneEmbedder(WindowEmbedder):
    """Scene embeddings of an encoder: each window the mean of its patches (stage 1) or their pooling (stage 2)."""

    tokens_per_step = PATCHES_PER_STEP

    def __init__(self, variables: Any, stage: Stage, config: EncoderConfig, options: Options, devices: Devices) -> None:
        self.size = config.hidden_size
        self._variables, self._stage, self._config = variables, stage, config
        self._options, self._devices = options, devices

    def windows(self, clip: int, num_samples: int) -> list[Window]:
        steps = whole_steps(num_samples)
        if self._options.protocol == "published":
            return [_whole_window(clip, num_samples, self._options)]
        spans = cut_spans(steps, self._options.window_steps, self._options.context_steps)
        return [_window(clip, span, 0, steps * PATCH_FRAMES) for span in spans]

    def num_samples(self, steps: int) -> int:
        return spectrogram.count_samples(steps * PATCH_FRAMES)

    def run(self, audio: np.ndarray, windows: Sequence[Window]) -> jax.Array:
        real = fill_batch([_real_steps(window, 0) for window in windows], len(audio))
        keep = fill_batch([_keep_steps(window) for window in windows], len(audio))
        arrays = map(self._devices.split, (audio, real, keep))
        static = {"stage": self._stage, "config": self._config, "precision": self._options.precision}
        return _embed_scenes(self._variables, *arrays, mesh=self._devices.mesh, **static)


class PatchEmbedder(SceneEmbedder):
    """The encoder's own outputs, shape (batch, patches, `size`): what captions are made from."""

    def run(self, audio: np.ndarray, windows: Sequence[Window]) -> jax.Array:
        real = fill_batch([_real_steps(window, 0) for window in windows], len(audio))
        arrays = map(self._devices.split, (audio, real))
        static = {"config": self._config, "precision": self._options.precision}
        return _embed_patches(self._variables, *arrays, mesh=self._devices.mesh, **static)


class TimestampEmbedder(WindowEmbedder):
    """Embeddings along clips: each time the mean of the patches of one time step.

    The encoder makes as many shifted passes over a window as there are hops in a time step.
    """

    def __init__(self, variables: Any, config: EncoderConfig, options: Options, devices: Devices) -> None:
        self.size = config.hidden_size
        self._variables, self._config = variables, config
        self._options, self._devices = options, devices
        self._shifts = timestamps.shifts(options.hop_ms)
        self.tokens_per_step = PATCHES_PER_STEP * len(self._shifts)

    def windows(self, clip: int, num_samples: int) -> list[Window]:
        if self._options.protocol == "published":
            return [_whole_window(clip, num_samples, self._options)]
        return timestamp_windows(clip, num_samples, self._options)

    def num_samples(self, steps: int) -> int:
        return spectrogram.count_samples(steps * PATCH_FRAMES + self._shifts[-1])

    def run(self, audio: np.ndarray, windows: Sequence[Window]) -> jax.Array:
        real = fill_batch([[_real_steps(window, shift) for shift in self._shifts] for window in windows], len(audio))
        arrays = map(self._devices.split, (audio, real))
        static = {"config": self._config, "shifts": self._shifts, "precision": self._options.precision}
        return _embed_timestamps(self._variables, *arrays, mesh=self._devices.mesh, **static)


def whole_steps(num_samples: int) -> int:
    """Whole patches along a clip; one for a clip that is shorter than a patch."""
    return max(1, spectrogram.count_frames(num_samples) // PATCH_FRAMES)


def padded_steps(num_samples: int, max_seconds: float | None) -> int:
    """Time steps to which the published protocol pads a clip."""
    return whole_steps(num_samples if max_seconds is None else round(max_seconds * SAMPLE_RATE))


def timestamp_windows(clip: int, num_samples: int, options: Options) -> list[Window]:
    """Windows of a clip for embeddings along it, from the start of the lead-in to the clip's last frame."""
    lead_in = timestamps.lead_in_frames(options.hop_ms)
    frames = lead_in + spectrogram.count_frames(num_samples)
    spans = cut_spans(-(-frames // PATCH_FRAMES), options.window_steps, options.context_steps)
    return [_window(clip, span, lead_in, frames) for span in spans]


def scale(audio: jax.Array) -> jax.Array:
    """Samples in [-1, 1], float32, from those or from 16-bit integers."""
    if audio.dtype == jnp.int16:
        return audio.astype(jnp.float32) / _FULL_SCALE
    return audio.astype(jnp.float32)


def fill_batch(values: list, size: int) -> np.ndarray:
    """`values` of the windows of a batch as an array of `size` windows; those without a clip repeat the last one."""
    return np.array(values + [values[-1]] * (size - len(values)), np.int32)


def _window(clip: int, span: WindowSpan, lead_in: int, frames: int) -> Window:
    return Window(clip, span, span.start * STEP_LENGTH - lead_in * HOP_LENGTH, frames)


def _whole_window(clip: int, num_samples: int, options: Options) -> Window:
    padded = padded_steps(num_samples, options.max_seconds)
    return _window(clip, WindowSpan(0, padded, 0, padded), 0, whole_steps(num_samples) * PATCH_FRAMES)


def _scene_embeddings(variables, audio, real, keep, *, stage: Stage, config: EncoderConfig, precision: str):
    """Scene embeddings of windows of audio.

    `real` holds the time steps that count as keys, shape (batch,); `keep` the first and
    last time step that are pooled, shape (batch, 2).
    """
    steps = audio.shape[1] // STEP_LENGTH
    mask = time_step_mask(real, steps)
    encoded = _encoded_patches(variables, audio, real, config=config, precision=precision)
    kept = time_step_mask(keep[:, 1], steps) & ~time_step_mask(keep[:, 0], steps)
    if stage.pool_path is None:
        return jnp.mean(encoded, axis=1, where=kept[..., None])
    with jax.default_matmul_precision(PRODUCTS["float32"]):
        return AttentionPooler(config).apply({"params": variables["pooler"]}, encoded, kept & mask)


_embed_scenes = compiled(_scene_embeddings, "stage", "config", "precision")


def _encoded_patches(variables, audio, real, *, config: EncoderConfig, precision: str):
    """The encoder's outputs for windows of audio, shape (batch, patches, hidden); `real` as for scenes."""
    steps = audio.shape[1] // STEP_LENGTH
    log_mel = spectrogram.log_mel(scale(audio), steps * PATCH_FRAMES)
    return _encode(variables, log_mel, time_step_mask(real, steps), config, precision)


_embed_patches = compiled(_encoded_patches, "config", "precision")


def _timestamp_embeddings(variables, audio, real, *, config: EncoderConfig, shifts: tuple[int, ...], precision: str):
    """Timestamp embeddings of windows of audio, shape (batch, steps * passes, hidden).

    `shifts` are the frames by which the passes start late; `real` holds the time steps that
    count as keys in each pass, shape (batch, passes).
    """
    batch, passes = real.shape
    frames = spectrogram.count_whole_frames(audio.shape[1])
    pass_frames = frames - shifts[-1]
    log_mel = spectrogram.log_mel(scale(audio), frames)
    shifted = jnp.stack([log_mel[:, shift : shift + pass_frames] for shift in shifts], axis=1)
    windows = shifted.reshape(batch * passes, pass_frames, -1)
    mask = time_step_mask(real.reshape(-1), pass_frames // PATCH_FRAMES)
    encoded = _encode(variables, windows, mask, config, precision)
    by_step = encoded.reshape(batch, passes, -1, PATCHES_PER_STEP, encoded.shape[-1]).mean(axis=3)
    return by_step.swapaxes(1, 2).reshape(batch, -1, encoded.shape[-1])


_embed_timestamps = compiled(_timestamp_embeddings, "config", "shifts", "precision")


def _encode(variables, log_mel, mask, config: EncoderConfig, precision: str):
    patches = spectrogram.to_patches(log_mel)
    with jax.default_matmul_precision(PRODUCTS[precision]):
        return AudioEncoder(config, jnp.dtype(precision)).apply({"params": variables["encoder"]}, patches, mask)


def _real_steps(window: Window, shift: int) -> int:
    """Time steps of a window that hold a real frame, in the pass that starts `shift` frames late."""
    return -(-(window.real_frames - shift) // PATCH_FRAMES) - window.span.start


def _keep_steps(window: Window) -> tuple[int, int]:
    return window.span.keep_start - window.span.start, window.span.keep_stop - window.span.start
