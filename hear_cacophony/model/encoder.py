"""The two audio encoders in Flax linen: a pre-norm transformer over patches."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from hear_cacophony.model.attention import attend
from hear_cacophony.model.norm import LayerNorm
from hear_cacophony.model.stages import PATCHES_PER_STEP, EncoderConfig


def time_embedding(steps: int, hidden_size: int) -> np.ndarray:
    """Fixed position embedding of the time steps, shape (steps, hidden_size), float32.

    All sines, then all cosines, of t * 10000^(-2i/d) for i = 0 .. d/2 - 1.
    """
    half = hidden_size // 2
    rate = 10_000.0 ** (-np.arange(half) / half)
    angle = np.arange(steps)[:, None] * rate
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1).astype(np.float32)


silu = jax.checkpoint(nn.silu)
"""For the gradient it keeps the input alone; to keep the sigmoid as well costs more than to compute it again."""


class RowDense(nn.Dense):
    """As `flax.linen.Dense`, over the rows of all sequences at once.

    The gradient of its kernel is then a product of two matrices. Over more axes XLA first copies one of them, turned
    around.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        """From shape (..., inputs) to (..., features)."""
        return super().__call__(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:-1], self.features)


class SelfAttention(nn.Module):
    """Multi-head self-attention; query, key and value come from one product."""

    config: EncoderConfig
    dtype: jnp.dtype
    gaps: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        batch, patches, hidden = x.shape
        heads = self.config.num_heads
        joined = RowDense(3 * hidden, dtype=self.dtype, name="qkv")(x)
        query, key, value = jnp.split(joined.reshape(batch, patches, 3 * heads, hidden // heads), 3, axis=2)
        attended = attend(query, key, value, mask, gaps=self.gaps)
        return RowDense(hidden, dtype=self.dtype, name="out")(attended.reshape(batch, patches, hidden))


class EncoderLayer(nn.Module):
    """One pre-norm transformer layer with a SiLU MLP. The residual stream and the norms are float32."""

    config: EncoderConfig
    dtype: jnp.dtype
    gaps: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array) -> tuple[jax.Array, None]:
        normed = LayerNorm(name="attention_norm")(x)
        x = x + SelfAttention(self.config, self.dtype, self.gaps, name="attention")(normed, mask).astype(x.dtype)
        normed = LayerNorm(name="mlp_norm")(x)
        expanded = silu(RowDense(self.config.mlp_size, dtype=self.dtype, name="mlp_in")(normed))
        return x + RowDense(self.config.hidden_size, dtype=self.dtype, name="mlp_out")(expanded).astype(x.dtype), None


def encoder_layers(
    config: EncoderConfig, dtype: jnp.dtype, *, gaps: bool = False, remat: bool = False, unroll: bool = False
) -> nn.Module:
    """Layers one after another, as one that is scanned over stacked parameters.

    Args:
        config: sizes.
        dtype: that of the matrix products.
        gaps: whether a key that counts may stand behind one that does not.
        remat: compute what is between the layers' products again for the gradient, instead of keeping it.
        unroll: compile each layer by itself. A step of a scan copies the layer's weights and, where there will be
            gradients, all that is kept for them.
    """
    layer = nn.remat(EncoderLayer, prevent_cse=False) if remat else EncoderLayer
    layers = nn.scan(
        layer,
        variable_axes={"params": 0},
        split_rngs={"params": True},
        in_axes=nn.broadcast,
        length=config.num_layers,
        unroll=config.num_layers if unroll else 1,
    )
    return layers(config, dtype, gaps, name="layers")


def patch_positions(frequency: jax.Array, steps: int) -> jax.Array:
    """Position embeddings of the patches of `steps` time steps, from those of the bands.

    Args:
        frequency: shape (8, hidden_size).
        steps: time steps.

    Returns:
        Shape (8 * steps, hidden_size), time-major.
    """
    hidden = frequency.shape[1]
    time = time_embedding(steps, hidden)
    return jnp.reshape(time[:, None, :] + frequency, (steps * PATCHES_PER_STEP, hidden))


class AudioEncoder(nn.Module):
    """The transformer encoder that both stages share.

    `dtype` is that of the matrix products; what is between them is float32. `remat`, `unroll`: see `encoder_layers`.
    """

    config: EncoderConfig
    dtype: jnp.dtype = jnp.float32
    remat: bool = False
    unroll: bool = False

    @nn.compact
    def __call__(
        self, patches: jax.Array, mask: jax.Array, places: jax.Array | None = None, steps: int | None = None
    ) -> jax.Array:
        """Encode patches.

        Args:
            patches: log-mel patches, time-major, shape (batch, patches, 256).
            mask: True where a patch is real and so counts as a key, a run from the first on, shape
                (batch, patches). The others are padding: read as zeros at the place of the first patch, as
                the published code does. They change no other patch.
            places: where the patches stand, 8 * time step + frequency band, shape (batch, patches); one after
                another unless given.
            steps: time steps that the places lie in; with `places` only.

        Returns:
            Shape (batch, patches, hidden_size).
        """
        hidden = self.config.hidden_size
        frequency = self.param("frequency_embedding", nn.initializers.normal(0.02), (PATCHES_PER_STEP, hidden))
        positions = patch_positions(frequency, steps or patches.shape[1] // PATCHES_PER_STEP)
        real = mask[..., None]
        x = RowDense(hidden, dtype=self.dtype, name="patch_projection")(jnp.where(real, patches, 0.0))
        placed = positions if places is None else positions[places]
        x = x.astype(jnp.float32) + jnp.where(real, placed, positions[0])
        x, _ = encoder_layers(self.config, self.dtype, remat=self.remat, unroll=self.unroll)(x, mask)
        return LayerNorm(name="final_norm")(x)
