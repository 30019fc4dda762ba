"""Stage 1's decoder in Flax linen: it restores patches that the encoder was not given."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from hear_cacophony.model.encoder import RowDense, encoder_layers, patch_positions
from hear_cacophony.model.norm import LayerNorm
from hear_cacophony.model.stages import PATCH_SIZE, PATCHES_PER_STEP, EncoderConfig


class PatchDecoder(nn.Module):
    """Layers like the encoder's over what it made of some patches, and over one vector for each to restore.

    `dtype` is that of the matrix products; what is between them is float32. `remat`, `unroll`: see `encoder_layers`.
    """

    config: EncoderConfig
    dtype: jnp.dtype = jnp.float32
    remat: bool = False
    unroll: bool = False

    @nn.compact
    def __call__(
        self,
        encoded: jax.Array,
        mask: jax.Array,
        places: jax.Array,
        restore_mask: jax.Array,
        restore_places: jax.Array,
        steps: int,
    ) -> jax.Array:
        """Restore patches.

        Args:
            encoded: the encoder's outputs, shape (batch, patches, hidden_size).
            mask: True where one is of a real patch, shape (batch, patches).
            places: where they stand, 8 * time step + frequency band, shape (batch, patches).
            restore_mask: True where there is a patch to restore, shape (batch, restored).
            restore_places: where those stand, shape (batch, restored).
            steps: time steps that the places lie in.

        Returns:
            Log-mel patches, shape (batch, restored, 256), float32.
        """
        hidden = self.config.hidden_size
        frequency = self.param("frequency_embedding", nn.initializers.normal(0.02), (PATCHES_PER_STEP, hidden))
        positions = patch_positions(frequency, steps)
        projected = RowDense(hidden, dtype=self.dtype, name="projection")(encoded).astype(jnp.float32)
        unknown = self.param("restore_patch", nn.initializers.normal(0.02), (hidden,))
        x = jnp.concatenate([projected + positions[places], unknown + positions[restore_places]], axis=1)
        joined_mask = jnp.concatenate([mask, restore_mask], axis=1)
        layers = encoder_layers(self.config, self.dtype, gaps=True, remat=self.remat, unroll=self.unroll)
        x, _ = layers(x, joined_mask)
        x = LayerNorm(name="final_norm")(x[:, encoded.shape[1] :])
        return RowDense(PATCH_SIZE, dtype=self.dtype, name="patch")(x).astype(jnp.float32)
