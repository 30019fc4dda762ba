"""The audio encoder's own outputs, patch by patch: what captions are made from.

Also clips of which some patches count alone, as in the published evaluation of long clips.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from hear_cacophony.engine.batches import bucket_steps
from hear_cacophony.engine.devices import compiled
from hear_cacophony.engine.embedding import EmbeddingModel
from hear_cacophony.engine.window_embedders import PRODUCTS, PatchEmbedder, whole_steps
from hear_cacophony.frontend import spectrogram
from hear_cacophony.frontend.spectrogram import PATCH_FRAMES, PATCHES_PER_STEP
from hear_cacophony.model.encoder import AudioEncoder
from hear_cacophony.model.pooling import AttentionPooler
from hear_cacophony.model.stages import EncoderConfig

KeptPatches = Sequence[np.ndarray | None]
"""For each of some clips the indices of the patches that count, or None for all of them."""


class PatchEncoder:
    """Encodes clips patch by patch, with the weights, options and devices of a model of stage 2."""

    def __init__(self, model: EmbeddingModel) -> None:
        self._model = model
        self._embedder = PatchEmbedder(model.variables, model.stage, model.config, model.options, model.devices)

    def encode(self, clips: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs for every whole patch of each clip, after the last norm.

        Args:
            clips: as `EmbeddingModel.check_clips` gives them.

        Returns:
            For each clip shape (patches, hidden_size), float32, time-major: 8 patches to each 160 ms. Those of
            a clip that is cut into windows come from the window in which they have the most context.
        """
        windows = [window for i, clip in enumerate(clips) for window in self._embedder.windows(i, len(clip))]
        results = [np.empty((count_patches(len(clip)), self._embedder.size), np.float32) for clip in clips]
        for batch, encoded in self._model.run_windows(self._embedder, "patch", list(clips), windows):
            for i, patches in zip(batch.windows, encoded, strict=True):
                start, stop, offset = (
                    steps * PATCHES_PER_STEP
                    for steps in (windows[i].span.keep_start, windows[i].span.keep_stop, windows[i].span.start)
                )
                target = results[windows[i].clip][start:stop]  # padding of the published protocol lies beyond
                target[:] = patches[start - offset : start - offset + len(target)]
        return results

    def encode_kept(self, clip: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """The outputs for some patches of a clip, of which alone the encoder is given, each at its own place in time.

        Args:
            clip: as `EmbeddingModel.check_clips` gives it. It is taken whole.
            kept: indices of whole patches (8 * time step + frequency band), shape (kept,).

        Returns:
            Shape (kept, hidden_size), float32.

        Raises:
            ValueError: the clip has no such patch.
        """
        model = self._model
        indices = _checked_indices(kept, count_patches(len(clip)))
        frames = bucket_steps(whole_steps(len(clip))) * PATCH_FRAMES
        audio = np.zeros(spectrogram.count_samples(frames), np.float32)
        audio[: len(clip)] = clip[: len(audio)]
        arrays = (
            model.devices.split(np.broadcast_to(x, (len(model.devices), *x.shape)).copy()) for x in (audio, indices)
        )
        static = {"config": model.config, "precision": model.options.precision}
        return np.asarray(_encode_kept(model.variables, *arrays, mesh=model.devices.mesh, **static))[0]

    def encode_some(self, clips: list[np.ndarray], kept: KeptPatches) -> list[np.ndarray]:
        """`encode` of the clips all of whose patches count, `encode_kept` of the others, in order."""
        whole = [clip for clip, patches in zip(clips, kept, strict=True) if patches is None]
        encoded = iter(self.encode(whole) if whole else ())
        return [
            next(encoded) if patches is None else self.encode_kept(clip, patches)
            for clip, patches in zip(clips, kept, strict=True)
        ]

    def embed_some(self, clips: Sequence[np.ndarray], kept: KeptPatches) -> np.ndarray:
        """Embeddings of clips by the patches that count, shape (clips, hidden_size), float32."""
        results = np.empty((len(clips), self._embedder.size), np.float32)
        whole = [i for i, patches in enumerate(check_kept(kept, clips)) if patches is None]
        if whole:
            results[whole] = self._model.embed_scenes([clips[i] for i in whole])
        for i, patches in enumerate(kept):
            if patches is not None:
                results[i] = self.pool(self.encode_kept(clips[i], patches))
        return results

    def pool(self, encoded: np.ndarray) -> np.ndarray:
        """The embedding of encoded patches, shape (hidden_size,), from shape (patches, hidden_size)."""
        return np.asarray(_pool(self._model.variables["pooler"], encoded[None], config=self._model.config))[0]


def check_kept(kept: KeptPatches, clips: Sequence[np.ndarray]) -> KeptPatches:
    """What was given; ValueError where it is not for these clips."""
    if len(kept) != len(clips):
        raise ValueError(f"kept_patches: expected one entry for each of {len(clips)} clips, got {len(kept)}")
    return kept


def count_patches(num_samples: int) -> int:
    """Patches along a clip."""
    return whole_steps(num_samples) * PATCHES_PER_STEP


def _checked_indices(kept: np.ndarray, patches: int) -> np.ndarray:
    indices = np.asarray(kept)
    if indices.ndim != 1 or not indices.size or not np.issubdtype(indices.dtype, np.integer):
        raise ValueError(f"kept patches: expected indices of shape (kept,), got {indices.dtype} {indices.shape}")
    if indices.min() < 0 or indices.max() >= patches or len(np.unique(indices)) < len(indices):
        raise ValueError(
            f"kept patches: expected some of the patches 0 to {patches - 1} of the clip, each once, "
            f"got {len(indices)} from {indices.min()} to {indices.max()}"
        )
    return indices.astype(np.int32)


def _kept_patches(variables, audio, kept, *, config: EncoderConfig, precision: str):
    log_mel = spectrogram.log_mel(audio, spectrogram.count_whole_frames(audio.shape[1]))
    patches = spectrogram.to_patches(log_mel)
    steps = patches.shape[1] // PATCHES_PER_STEP
    patches = jnp.take_along_axis(patches, kept[..., None], axis=1)
    all_real = jnp.ones(kept.shape, bool)
    with jax.default_matmul_precision(PRODUCTS[precision]):
        encoder = AudioEncoder(config, jnp.dtype(precision))
        return encoder.apply({"params": variables["encoder"]}, patches, all_real, kept, steps)


_encode_kept = compiled(_kept_patches, "config", "precision")


@functools.partial(jax.jit, static_argnames="config")
def _pool(variables, encoded, *, config: EncoderConfig):
    with jax.default_matmul_precision(PRODUCTS["float32"]):
        return AttentionPooler(config).apply({"params": variables}, encoded, jnp.ones(encoded.shape[:2], bool))
