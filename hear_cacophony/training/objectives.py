"""What is minimised in each stage, as a function of parameters and a batch, and what is measured on held-out clips."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from hear_cacophony.engine.devices import on_each
from hear_cacophony.engine.padding_mask import padding_mask
from hear_cacophony.frontend import spectrogram
from hear_cacophony.frontend.spectrogram import PATCH_FRAMES, PATCHES_PER_STEP, STEP_LENGTH
from hear_cacophony.model.stages import AUDIOMAE, PATCH_SIZE, EncoderConfig, TextConfig
from hear_cacophony.training.batches import Batch
from hear_cacophony.training.contrastive_captioner import ContrastiveCaptioner, Texts
from hear_cacophony.training.losses import caption_loss, contrastive_loss, patch_mean_loss
from hear_cacophony.training.masked_autoencoder import MaskedAutoencoder, PatchSet
from hear_cacophony.training.options import TrainOptions
from hear_cacophony.training.shards import FULL_SCALE

Parameters = Mapping[str, jax.Array]


class Objective(Protocol):
    """One of the two, see `make_objective`."""

    def loss(self, parameters: Parameters, batch: Batch, key: jax.Array, weight: jax.Array | float = 1.0) -> jax.Array:
        """What is minimised, shape ().

        Args:
            parameters: by path.
            batch: the whole one, or a part of it.
            key: that of the dropout.
            weight: of the mean over `targets`: 1, or as many times more of them as the parts of a batch have on
                average, with which the mean of their losses is that of all targets.
        """

    def targets(self, batch: Batch) -> jax.Array:
        """Over how many patches or tokens of each clip a mean is taken, shape (clips,)."""

    def measure(self, parameters: Parameters, batch: Batch) -> dict[str, jax.Array]:
        """The loss without dropout as "loss", shape (), and what else is looked at."""

    def products(self, batch: Batch) -> float:
        """Multiplications and additions of the matrix products of a step, forward and backward counted once each."""


def make_objective(options: TrainOptions, mesh: jax.sharding.Mesh) -> Objective:
    """That of the stage of a run, on the devices of a mesh."""
    how: dict[str, Any] = {"precision": options.precision, "remat": options.remat}
    sizes = options.sizes
    if options.of is AUDIOMAE:
        return _Restoration(MaskedAutoencoder(sizes.encoder, sizes.decoder, normalise=options.normalise, **how), mesh)
    return _Contrast(ContrastiveCaptioner(sizes.encoder, sizes.text, **how), options.caption_weight, mesh)


@dataclasses.dataclass(frozen=True)
class _Restoration:
    model: MaskedAutoencoder
    mesh: jax.sharding.Mesh

    def loss(self, parameters: Parameters, batch: Batch, key: jax.Array, weight: jax.Array | float = 1.0) -> jax.Array:
        return weight * self.model.loss(parameters, *self._inputs(batch))

    def targets(self, batch: Batch) -> jax.Array:
        return jnp.asarray(batch.wanted_counts)

    def measure(self, parameters: Parameters, batch: Batch) -> dict[str, jax.Array]:
        kept, wanted, steps = self._inputs(batch)
        known = patch_mean_loss(self.model.targets(wanted), wanted.mask)
        return {"loss": self.model.loss(parameters, kept, wanted, steps), "patch_mean_loss": known}

    def products(self, batch: Batch) -> float:
        clips, kept = batch.places.shape
        assert batch.wanted_places is not None
        wanted = batch.wanted_places.shape[1]
        encoder, decoder = self.model.config, self.model.decoder
        tokens = kept * PATCH_SIZE * encoder.hidden_size + kept * encoder.hidden_size * decoder.hidden_size
        tokens += wanted * decoder.hidden_size * PATCH_SIZE
        return 6 * clips * (tokens + _layers(encoder, kept) + _layers(decoder, kept + wanted))

    def _inputs(self, batch: Batch) -> tuple[PatchSet, PatchSet, int]:
        patches = _patches(self.mesh, batch.audio)
        kept = _patch_set(patches, batch.places, batch.counts)
        wanted = _patch_set(patches, batch.wanted_places, batch.wanted_counts)
        return kept, wanted, patches.shape[1] // PATCHES_PER_STEP


@dataclasses.dataclass(frozen=True)
class _Contrast:
    model: ContrastiveCaptioner
    caption_weight: float
    mesh: jax.sharding.Mesh

    def loss(self, parameters: Parameters, batch: Batch, key: jax.Array, weight: jax.Array | float = 1.0) -> jax.Array:
        patches, texts, steps = self._inputs(batch)
        losses = self.model.losses(parameters, patches, texts, steps, key)
        return losses.contrastive + self.caption_weight * weight * losses.caption

    def targets(self, batch: Batch) -> jax.Array:
        return jnp.asarray(batch.lengths) - 1  # all tokens but the first

    def measure(self, parameters: Parameters, batch: Batch) -> dict[str, jax.Array]:
        patches, texts, steps = self._inputs(batch)
        outputs = self.model.forward(parameters, patches, texts, steps)
        caption = caption_loss(outputs.caption_logits, texts.ids, texts.mask)
        loss = contrastive_loss(outputs.similarities) + self.caption_weight * caption
        return {"loss": loss, "audio": outputs.audio, "text": outputs.text}

    def products(self, batch: Batch) -> float:
        clips, kept = batch.places.shape
        assert batch.ids is not None
        tokens, text = batch.ids.shape[1], self.model.text_config
        audio = kept * PATCH_SIZE * self.model.config.hidden_size + _layers(self.model.config, kept)
        cross = text.decoder_layers * (2 * (kept + tokens) * text.hidden_size**2 + 2 * tokens * kept * text.hidden_size)
        vocabulary = tokens * text.hidden_size * text.vocabulary_size
        pooled = (2 * kept + 1) * self.model.config.hidden_size**2 + 2 * kept * self.model.config.hidden_size
        pooled += (tokens + 2) * text.hidden_size**2 + 2 * tokens * text.hidden_size
        towers = _layers(text, tokens) + _layers(dataclasses.replace(text, num_layers=text.decoder_layers), tokens)
        return 6 * clips * (audio + pooled + towers + cross + vocabulary)

    def _inputs(self, batch: Batch) -> tuple[PatchSet, Texts, int]:
        patches = _patches(self.mesh, batch.audio)
        ids, lengths = jnp.asarray(batch.ids), jnp.asarray(batch.lengths)
        texts = Texts(ids, padding_mask(lengths, ids.shape[1]))
        return _patch_set(patches, batch.places, batch.counts), texts, patches.shape[1] // PATCHES_PER_STEP


def _layers(config: EncoderConfig | TextConfig, tokens: int) -> float:
    """Multiplications in the products of transformer layers over a sequence."""
    hidden = config.hidden_size
    per_token = 4 * hidden**2 + 2 * hidden * config.mlp_size + 2 * tokens * hidden
    return config.num_layers * tokens * per_token


def _patches(mesh: jax.sharding.Mesh, audio: Any) -> jax.Array:
    """Log-mel patches, shape (clips, patches, 256); each device makes those of its clips."""

    def body(_: Any, audio: jax.Array) -> jax.Array:
        frames = audio.shape[1] // STEP_LENGTH * PATCH_FRAMES
        log_mel = spectrogram.log_mel(audio.astype(jnp.float32) / FULL_SCALE, frames)
        return spectrogram.to_patches(log_mel)

    return on_each(mesh, body, (), audio)


def _patch_set(patches: jax.Array, places: Any, counts: Any) -> PatchSet:
    mask = padding_mask(counts, places.shape[1])
    values = jnp.take_along_axis(patches, places[..., None], axis=1)
    return PatchSet(jnp.where(mask[..., None], values, 0.0), places, mask)
