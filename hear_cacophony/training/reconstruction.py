"""Clips as stage 1 restores them: some patches are kept, and the decoder makes the others from them."""

from __future__ import annotations

import dataclasses
import functools
import os

import jax
import jax.numpy as jnp
import numpy as np

from hear_cacophony.checkpoint.decoder import read_decoder, restores_normalised
from hear_cacophony.checkpoint.read import read_checkpoint
from hear_cacophony.engine.batches import bucket_steps
from hear_cacophony.engine.window_embedders import whole_steps
from hear_cacophony.frontend import spectrogram
from hear_cacophony.frontend.spectrogram import MEL_BANDS, PATCH_BANDS, PATCH_FRAMES, PATCHES_PER_STEP
from hear_cacophony.model.stages import AUDIOMAE
from hear_cacophony.training.losses import VARIANCE_EPSILON
from hear_cacophony.training.masked_autoencoder import MaskedAutoencoder, PatchSet


@dataclasses.dataclass(frozen=True)
class Reconstruction:
    """A clip, and what the decoder makes of a part of it. Spectrograms are log-mel, shape (frames, 128).

    Attributes:
        original: the whole patches of the clip.
        restored: the same, with the decoder's values in the place of the patches that were not kept.
        kept: whether each patch was kept, shape (patches,), time-major: 8 patches to each 160 ms.
    """

    original: np.ndarray
    restored: np.ndarray
    kept: np.ndarray

    @property
    def kept_values(self) -> np.ndarray:
        """Whether each value of the spectrogram was kept, shape (frames, 128)."""
        return from_patches(np.broadcast_to(self.kept[:, None], (len(self.kept), PATCH_FRAMES * PATCH_BANDS)))

    @property
    def error(self) -> float:
        """Mean squared error of the restored values."""
        return float(np.mean((self.restored - self.original)[~self.kept_values] ** 2))

    @property
    def error_of_means(self) -> float:
        """What it would be with each patch's mean in the place of its values."""
        patches = np.asarray(spectrogram.to_patches(jnp.asarray(self.original)))[~self.kept]
        return float(np.mean((patches - patches.mean(axis=1, keepdims=True)) ** 2))


class Reconstructor:
    """Stage 1, encoder and decoder.

    Attributes:
        source: name of its file.
    """

    def __init__(self, path: str | os.PathLike[str], *, normalised: bool = False) -> None:
        """Read a checkpoint of stage 1.

        Args:
            path: the file.
            normalised: that it was trained on patches of mean 0 and variance 1, where the file does not tell: those of
                `train` do. What is restored gets mean and variance of the true patches then, which it cannot know.

        Raises:
            FileNotFoundError: no such file.
            CheckpointError: it is of another stage, damaged, or holds no decoder.
        """
        checkpoint, decoder = read_checkpoint(path, AUDIOMAE), read_decoder(path)
        self.source = checkpoint.source
        self._model = MaskedAutoencoder(checkpoint.config, decoder.config)
        self._parameters = {**checkpoint.parameters, **decoder.parameters}
        self._normalised = normalised or restores_normalised(path)

    def reconstruct(self, clip: np.ndarray, mask_ratio: float, seed: int = 0) -> Reconstruction:
        """Keep some patches of a clip, drawn without replacement, and restore the others.

        Args:
            clip: 16 kHz mono in [-1, 1], shape (samples,), float32.
            mask_ratio: share of the patches to restore, above 0 and below 1; one is kept, and one restored, at least.
            seed: what is kept depends on it and on the length of the clip alone.

        Raises:
            ValueError: a ratio that is not between 0 and 1.
        """
        if not 0 < mask_ratio < 1:
            raise ValueError(f"expected a mask ratio above 0 and below 1, got {mask_ratio}")
        steps = whole_steps(len(clip))
        count, padded = steps * PATCHES_PER_STEP, bucket_steps(steps)
        audio = np.zeros(spectrogram.count_samples(padded * PATCH_FRAMES), np.float32)
        audio[: len(clip)] = clip[: len(audio)]
        keep = min(count - 1, max(1, round(count * (1 - mask_ratio))))
        kept = np.zeros(count, bool)
        kept[np.random.default_rng(seed).choice(count, keep, replace=False)] = True
        size = max(1, round(padded * PATCHES_PER_STEP * (1 - mask_ratio)) + 1)
        patches, restored = _restore(
            self._parameters,
            audio,
            _padded(np.flatnonzero(kept), size),
            _padded(np.flatnonzero(~kept), padded * PATCHES_PER_STEP),
            np.int32(keep),
            np.int32(count - keep),
            model=self._model,
            steps=padded,
        )
        original, found = np.asarray(patches)[:count], np.asarray(restored)[: count - keep]
        if self._normalised:
            truth = original[~kept]
            found = found * np.sqrt(truth.var(axis=1, keepdims=True) + VARIANCE_EPSILON) + truth.mean(1, keepdims=True)
        joined = original.copy()
        joined[~kept] = found
        return Reconstruction(from_patches(original), from_patches(joined), kept)


def from_patches(patches: np.ndarray) -> np.ndarray:
    """The spectrogram that patches were cut from, shape (frames, 128); the inverse of `spectrogram.to_patches`."""
    grid = patches.reshape(-1, PATCHES_PER_STEP, PATCH_FRAMES, PATCH_BANDS)
    return grid.swapaxes(1, 2).reshape(-1, MEL_BANDS)


def _padded(places: np.ndarray, size: int) -> np.ndarray:
    return np.pad(places, (0, size - len(places))).astype(np.int32)


@functools.partial(jax.jit, static_argnames=("model", "steps"))
def _restore(parameters, audio, kept, wanted, keep, restore, *, model: MaskedAutoencoder, steps: int):
    patches = spectrogram.to_patches(spectrogram.log_mel(audio, steps * PATCH_FRAMES))
    kept_set, wanted_set = (
        PatchSet(patches[places][None], places[None], (jnp.arange(len(places)) < number)[None])
        for places, number in ((kept, keep), (wanted, restore))
    )
    return patches, model.restore(parameters, kept_set, wanted_set, steps)[0]
