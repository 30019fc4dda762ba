"""Stage 1 in training form: some patches of a clip are encoded, and others restored from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from hear_cacophony.checkpoint.decoder import to_decoder_variables
from hear_cacophony.checkpoint.parameters import to_variables
from hear_cacophony.engine.window_embedders import PRODUCTS
from hear_cacophony.model.encoder import AudioEncoder
from hear_cacophony.model.patch_decoder import PatchDecoder
from hear_cacophony.model.stages import AUDIOMAE, EncoderConfig
from hear_cacophony.training.losses import normalised_patches, restoration_loss


class PatchSet(NamedTuple):
    """Some patches of each clip of a batch.

    Attributes:
        values: log-mel patches, zeros where there is none, shape (batch, patches, 256).
        places: where they stand, 8 * time step + frequency band, shape (batch, patches), int32.
        mask: True where there is a patch, shape (batch, patches).
    """

    values: jax.Array
    places: jax.Array
    mask: jax.Array


def unrolls(*, remat: bool) -> bool:
    """Whether each layer of the audio side is compiled by itself.

    On a CPU the copies of a scan took a fifth of a step. Where layers are computed again, a scan keeps XLA from
    seeing that they were computed before.
    """
    return not remat and jax.default_backend() == "cpu"


@dataclasses.dataclass(frozen=True)
class MaskedAutoencoder:
    """Forward pass and loss of stage 1, as functions of parameters by their path in the published layout.

    Attributes:
        config: sizes of the encoder.
        decoder: sizes of the decoder.
        precision: "float32", or "bfloat16" for the matrix products.
        remat: keep what passes between the layers alone for the gradient, and compute the rest again.
        normalise: whether the patches to restore are normalised, each by its own mean and variance.
    """

    config: EncoderConfig
    decoder: EncoderConfig
    precision: str = "float32"
    remat: bool = False
    normalise: bool = False

    def restore(self, parameters: Mapping[str, jax.Array], kept: PatchSet, wanted: PatchSet, steps: int) -> jax.Array:
        """What the decoder makes of the patches that were kept, at the places of those wanted.

        Args:
            parameters: those of encoder and decoder, by path.
            kept: what the encoder is given; those of a clip come first.
            wanted: of which places and mask count.
            steps: time steps that all places lie in.

        Returns:
            Shape (batch, wanted patches, 256), float32.
        """
        dtype, unroll = jnp.dtype(self.precision), unrolls(remat=self.remat)
        encoder = to_variables(AUDIOMAE, self.config, parameters)["encoder"]
        decoder = to_decoder_variables(self.decoder, parameters)
        with jax.default_matmul_precision(PRODUCTS[self.precision]):
            encoded = AudioEncoder(self.config, dtype, self.remat, unroll).apply(
                {"params": encoder}, kept.values, kept.mask, kept.places, steps
            )
            restored: Any = PatchDecoder(self.decoder, dtype, self.remat, unroll).apply(
                {"params": decoder}, encoded, kept.mask, kept.places, wanted.mask, wanted.places, steps
            )
        return restored

    def loss(self, parameters: Mapping[str, jax.Array], kept: PatchSet, wanted: PatchSet, steps: int) -> jax.Array:
        """The mean squared error of the restored patches; arguments as in `restore`."""
        return restoration_loss(self.restore(parameters, kept, wanted, steps), self.targets(wanted), wanted.mask)

    def targets(self, wanted: PatchSet) -> jax.Array:
        """What `restore` is to give, shape (batch, wanted patches, 256)."""
        return normalised_patches(wanted.values) if self.normalise else wanted.values
