"""From clips to embeddings: the core that every interface of the package goes through."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hear_cacophony import frontend, timestamps
from hear_cacophony.audio import as_clips, check_samples, is_loud, warn_loud
from hear_cacophony.batching import TOKENS_PER_BATCH, Batch, make_batches
from hear_cacophony.checkpoint import Checkpoint
from hear_cacophony.encoder import AttentionPooler, AudioEncoder
from hear_cacophony.frontend import HOP_LENGTH, PATCH_FRAMES, PATCHES_PER_STEP, SAMPLE_RATE, STEP_LENGTH
from hear_cacophony.options import Options, parse_options
from hear_cacophony.parameters import to_variables
from hear_cacophony.stages import EncoderConfig, Stage
from hear_cacophony.weights import load_checkpoint
from hear_cacophony.windows import Window, cut_windows

PRECISION = "highest"
"""Matrix products in full float32, also on GPUs that would take fewer bits unless told otherwise."""


@dataclasses.dataclass(frozen=True)
class TimestampEmbeddings:
    """Timestamp embeddings of one clip.

    Attributes:
        embeddings: shape (timestamps, timestamp_embedding_size), float32.
        timestamps: milliseconds from the start of the clip, shape (timestamps,), float64.
    """

    embeddings: np.ndarray
    timestamps: np.ndarray


@dataclasses.dataclass(frozen=True)
class _Row:
    """One window of one clip, as the encoder sees it.

    `real_frames` counts the frames from the clip's start on which a key may stand: for
    scenes whole patches only, for timestamps all of them, counted from the lead-in.
    """

    clip: int
    window: Window
    real_frames: int


class EmbeddingModel:
    """An encoder with its weights, its options and its compiled programs.

    Takes 16 kHz mono clips, gives NumPy arrays, and imports neither TensorFlow nor torch.

    Attributes:
        stage: which of the two encoders this is.
        config: sizes of the encoder.
        options: protocol and its settings.
        md5: MD5 of the file that the weights were published in; "" where there is none.
        release: the published file that this is, or None.
        untrained: True where the weights are random.
    """

    sample_rate = SAMPLE_RATE

    def __init__(self, checkpoint: Checkpoint, options: Options) -> None:
        self.stage = checkpoint.stage
        self.config = checkpoint.config
        self.options = options
        self.md5 = checkpoint.md5
        self.release = checkpoint.release
        self.untrained = checkpoint.untrained
        variables = to_variables(checkpoint.stage, checkpoint.config, checkpoint.parameters)
        self._variables = jax.device_put(variables)
        self._loudness_warned = False

    @property
    def scene_embedding_size(self) -> int:
        """Values in a scene embedding."""
        return self.config.hidden_size

    @property
    def timestamp_embedding_size(self) -> int:
        """Values in a timestamp embedding."""
        return self.config.hidden_size

    def timestamps(self, num_samples: int) -> np.ndarray:
        """Timestamps of a clip of `num_samples`, in milliseconds, float64; runs no encoder."""
        if self.options.protocol == "hear":
            return timestamps.centre_timestamps(num_samples, self.options.hop_ms)
        seconds = self.options.max_seconds or num_samples / SAMPLE_RATE
        return timestamps.published_timestamps(seconds, self._padded_steps(num_samples))

    def embed_scenes(self, clips: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """One embedding for each clip.

        Args:
            clips: 16 kHz mono clips with samples in [-1, 1]: a sequence of float arrays of
                shape (samples,), of any lengths, or one array of shape (clips, samples).

        Returns:
            Shape (clips, scene_embedding_size), float32. The mean of the patches in stage 1,
            attention pooling of unit norm in stage 2.

        Raises:
            ValueError: no clip or sample, NaN or infinite samples, or a clip longer than
                `max_seconds`.
            TypeError: samples are not floats.
        """
        checked = self._checked(clips)
        rows = [row for i, clip in enumerate(checked) for row in self._scene_rows(i, len(clip))]
        sums = np.zeros((len(checked), self.scene_embedding_size), np.float32)
        for batch in make_batches([row.window.steps for row in rows], PATCHES_PER_STEP, _tokens_per_batch()):
            members = [rows[i] for i in batch.rows]
            pooled = self._run_scenes(checked, members, batch)
            for row, embedding in zip(members, pooled, strict=True):
                sums[row.clip] += embedding * (row.window.keep_stop - row.window.keep_start)
        return self._finish_scenes(sums, rows)

    def embed_timestamps(self, clips: Sequence[np.ndarray] | np.ndarray) -> list[TimestampEmbeddings]:
        """Embeddings along each clip.

        Args and errors as in `embed_scenes`.

        Returns:
            For each clip its embeddings (each the mean of the 8 frequency patches around
            its timestamp) and their timestamps.
        """
        checked = self._checked(clips)
        rows = [row for i, clip in enumerate(checked) for row in self._timestamp_rows(i, len(clip))]
        passes = self._passes()
        results = [self._empty_timestamps(len(clip)) for clip in checked]
        row_steps = [row.window.steps for row in rows]
        for batch in make_batches(row_steps, PATCHES_PER_STEP * passes, _tokens_per_batch()):
            members = [rows[i] for i in batch.rows]
            for row, embeddings in zip(members, self._run_timestamps(checked, members, batch), strict=True):
                _keep(row.window, passes, embeddings, results[row.clip].embeddings)
        return results

    def _checked(self, clips) -> list[np.ndarray]:
        checked = as_clips(clips)
        check_samples(checked)
        if not self._loudness_warned and is_loud(checked):
            self._loudness_warned = True
            warn_loud(checked)
        self._check_lengths(checked)
        return checked

    def _check_lengths(self, clips: list[np.ndarray]) -> None:
        seconds = self.options.max_seconds
        if seconds is None:
            return
        for i, clip in enumerate(clips):
            if len(clip) > round(seconds * SAMPLE_RATE):
                raise ValueError(
                    f"clip {i} has {len(clip) / SAMPLE_RATE:g} s, more than max_seconds={seconds:g}; "
                    "give the length of the longest clip, or use protocol='hear', which needs none"
                )

    def _padded_steps(self, num_samples: int) -> int:
        """Time steps to which the published protocol pads a clip."""
        seconds = self.options.max_seconds
        return _whole_steps(num_samples if seconds is None else round(seconds * SAMPLE_RATE))

    def _scene_rows(self, clip: int, num_samples: int) -> list[_Row]:
        steps = _whole_steps(num_samples)
        if self.options.protocol == "published":
            padded = self._padded_steps(num_samples)
            return [_Row(clip, Window(0, padded, 0, padded), steps * PATCH_FRAMES)]
        return [_Row(clip, window, steps * PATCH_FRAMES) for window in cut_windows(steps)]

    def _timestamp_rows(self, clip: int, num_samples: int) -> list[_Row]:
        if self.options.protocol == "published":
            return self._scene_rows(clip, num_samples)
        frames = timestamps.lead_in_frames(self.options.hop_ms) + frontend.count_frames(num_samples)
        return [_Row(clip, window, frames) for window in cut_windows(-(-frames // PATCH_FRAMES))]

    def _passes(self) -> int:
        """Shifted passes of the encoder that together give one embedding per hop."""
        return PATCH_FRAMES // timestamps.hop_frames(self.options.hop_ms)

    def _run_scenes(self, clips: list[np.ndarray], rows: list[_Row], batch: Batch) -> np.ndarray:
        audio = _cut_audio(clips, rows, batch, _samples_of(batch.steps * PATCH_FRAMES), lead_in=0)
        real = _fill([_real_steps(row, 0) for row in rows], batch.size)
        keep = _fill([_keep_steps(row) for row in rows], batch.size)
        pooled = _embed_scenes(self._variables, audio, real, keep, stage=self.stage, config=self.config)
        return np.asarray(pooled)[: len(rows)]

    def _run_timestamps(self, clips: list[np.ndarray], rows: list[_Row], batch: Batch) -> np.ndarray:
        passes, hop = self._passes(), timestamps.hop_frames(self.options.hop_ms)
        frames = batch.steps * PATCH_FRAMES + (passes - 1) * hop
        lead_in = timestamps.lead_in_frames(self.options.hop_ms) * HOP_LENGTH
        audio = _cut_audio(clips, rows, batch, _samples_of(frames), lead_in)
        real = _fill([[_real_steps(row, i * hop) for i in range(passes)] for row in rows], batch.size)
        embedded = _embed_timestamps(self._variables, audio, real, config=self.config, hop=hop)
        return np.asarray(embedded)[: len(rows)]

    def _finish_scenes(self, sums: np.ndarray, rows: list[_Row]) -> np.ndarray:
        steps = np.zeros((len(sums), 1), np.float32)
        for row in rows:
            steps[row.clip] += row.window.keep_stop - row.window.keep_start
        means = sums / steps
        if self.stage.pool_path is None:
            return means
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    def _empty_timestamps(self, num_samples: int) -> TimestampEmbeddings:
        times = self.timestamps(num_samples)
        return TimestampEmbeddings(np.empty((len(times), self.timestamp_embedding_size), np.float32), times)


def load_embedding_model(
    path: str | os.PathLike[str] = "", *, stage: Stage | None = None, **options: Any
) -> EmbeddingModel:
    """Load an encoder for use without TensorFlow.

    Args:
        path: a published checkpoint, a converted `.safetensors` file, "random" or
            "random-tiny" (untrained weights), or "" for the weights of this machine (see
            `hear_cacophony.weights`).
        stage: the stage that the file has to hold; either unless given.
        options: `protocol`, `timestamp_hop_ms`, `max_seconds`: see `hear_cacophony.options`.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: the file is not a checkpoint of this stage.
        TypeError, ValueError: an unknown option, or an impossible value.
    """
    parsed = parse_options(options)
    return EmbeddingModel(load_checkpoint(path, stage), parsed)


@functools.partial(jax.jit, static_argnames=("stage", "config"))
def _embed_scenes(variables, audio, real, keep, *, stage: Stage, config: EncoderConfig):
    """Scene embeddings of rows of audio.

    `real` holds the time steps that count as keys, shape (batch,); `keep` the first and
    last time step that are pooled, shape (batch, 2).
    """
    steps = audio.shape[1] // STEP_LENGTH
    log_mel = frontend.log_mel(audio, steps * PATCH_FRAMES)
    mask = _below(real, steps)
    encoded = _encode(variables, log_mel, mask, config)
    kept = _below(keep[:, 1], steps) & ~_below(keep[:, 0], steps)
    if stage.pool_path is None:
        return jnp.mean(encoded, axis=1, where=kept[..., None])
    with jax.default_matmul_precision(PRECISION):
        return AttentionPooler(config).apply({"params": variables["pooler"]}, encoded, kept & mask)


@functools.partial(jax.jit, static_argnames=("config", "hop"))
def _embed_timestamps(variables, audio, real, *, config: EncoderConfig, hop: int):
    """Timestamp embeddings of rows of audio, shape (batch, steps * passes, hidden).

    `hop` is the number of frames between passes; `real` holds the time steps that count as
    keys in each pass, shape (batch, passes).
    """
    batch, passes = real.shape
    frames = audio.shape[1] // HOP_LENGTH - frontend.WINDOW_OVERHANG // HOP_LENGTH
    pass_frames = frames - (passes - 1) * hop
    log_mel = frontend.log_mel(audio, frames)
    shifted = jnp.stack([log_mel[:, i * hop : i * hop + pass_frames] for i in range(passes)], axis=1)
    rows = shifted.reshape(batch * passes, pass_frames, -1)
    mask = _below(real.reshape(-1), pass_frames // PATCH_FRAMES)
    encoded = _encode(variables, rows, mask, config)
    by_step = encoded.reshape(batch, passes, -1, PATCHES_PER_STEP, encoded.shape[-1]).mean(axis=3)
    return by_step.swapaxes(1, 2).reshape(batch, -1, encoded.shape[-1])


def _encode(variables, log_mel, mask, config: EncoderConfig):
    patches = frontend.to_patches(log_mel)
    with jax.default_matmul_precision(PRECISION):
        return AudioEncoder(config).apply({"params": variables["encoder"]}, patches, mask)


def _below(limit, steps: int):
    """Mask of the patches in time steps before `limit`, shape (batch, patches)."""
    step = jnp.arange(steps * PATCHES_PER_STEP) // PATCHES_PER_STEP
    return step < limit[:, None]


def _whole_steps(num_samples: int) -> int:
    """Whole patches along a clip; one for a clip that is shorter than a patch."""
    return max(1, frontend.count_frames(num_samples) // PATCH_FRAMES)


def _samples_of(frames: int) -> int:
    """Samples that `frames` frames read."""
    return frames * HOP_LENGTH + frontend.WINDOW_OVERHANG


def _cut_audio(clips, rows: list[_Row], batch: Batch, length: int, lead_in: int) -> np.ndarray:
    """The rows' audio, silent before and after their clips, shape (batch.size, length)."""
    audio = np.zeros((batch.size, length), np.float32)
    for target, row in zip(audio, rows, strict=False):
        start = row.window.start * STEP_LENGTH - lead_in
        offset = max(0, -start)
        piece = clips[row.clip][max(0, start) : start + length]
        target[offset : offset + len(piece)] = piece
    return audio


def _real_steps(row: _Row, shift: int) -> int:
    """Time steps of a row that hold a real frame, in the pass that starts `shift` frames late."""
    return -(-(row.real_frames - shift) // PATCH_FRAMES) - row.window.start


def _keep_steps(row: _Row) -> tuple[int, int]:
    return row.window.keep_start - row.window.start, row.window.keep_stop - row.window.start


def _fill(values: list, size: int) -> np.ndarray:
    """`values` as an array of `size` rows; rows without a clip repeat the last one."""
    return np.array(values + [values[-1]] * (size - len(values)), np.int32)


def _keep(window: Window, passes: int, embeddings: np.ndarray, target: np.ndarray) -> None:
    """Copy what is kept of a window to its place among the clip's embeddings."""
    start, stop = window.keep_start * passes, min(window.keep_stop * passes, len(target))
    offset = window.start * passes
    target[start:stop] = embeddings[start - offset : stop - offset]


def _tokens_per_batch() -> int:
    return TOKENS_PER_BATCH[jax.default_backend()]
