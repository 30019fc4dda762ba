"""The two audio encoders in Flax linen: a pre-norm transformer over patches."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from hear_cacophony.model.attention import attend
from hear_cacophony.model.stages import PATCHES_PER_STEP, EncoderConfig


def time_embedding(steps: int, hidden_size: int) -> np.ndarray:
    """Fixed position embedding of the time steps, shape (steps, hidden_size), float32.

    All sines, then all cosines, of t * 10000^(-2i/d) for i = 0 .. d/2 - 1.
    """
    half = hidden_size // 2
    rate = 10_000.0 ** (-np.arange(half) / half)
    angle = np.arange(steps)[:, None] * rate
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1).astype(np.float32)


class SelfAttention(nn.Module):
    """Multi-head self-attention; query, key and value come from one product."""

    config: EncoderConfig
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        batch, patches, hidden = x.shape
        heads = self.config.num_heads
        joined = nn.Dense(3 * hidden, dtype=self.dtype, name="qkv")(x)
        query, key, value = jnp.split(joined.reshape(batch, patches, 3 * heads, hidden // heads), 3, axis=2)
        attended = attend(query, key, value, mask)
        return nn.Dense(hidden, dtype=self.dtype, name="out")(attended.reshape(batch, patches, hidden))


class EncoderLayer(nn.Module):
    """One pre-norm transformer layer with a SiLU MLP. The residual stream and the norms are float32."""

    config: EncoderConfig
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array) -> tuple[jax.Array, None]:
        normed = nn.LayerNorm(name="attention_norm")(x)
        x = x + SelfAttention(self.config, self.dtype, name="attention")(normed, mask).astype(x.dtype)
        normed = nn.LayerNorm(name="mlp_norm")(x)
        expanded = nn.silu(nn.Dense(self.config.mlp_size, dtype=self.dtype, name="mlp_in")(normed))
        return x + nn.Dense(self.config.hidden_size, dtype=self.dtype, name="mlp_out")(expanded).astype(x.dtype), None


class AudioEncoder(nn.Module):
    """The transformer encoder that both stages share.

    `dtype` is that of the matrix products; what is between them is float32.
    """

    config: EncoderConfig
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, patches: jax.Array, mask: jax.Array, kept: jax.Array | None = None) -> jax.Array:
        """Encode patches.

        Args:
            patches: log-mel patches, time-major, shape (batch, patches, 256).
            mask: True where a patch is real and so counts as a key, shape (batch, patches).
                The others are padding: read as zeros at the place of the first patch, as
                the published code does. They change no other patch.
            kept: indices of the patches that are encoded, at their own places, shape (batch, kept);
                all of them unless given.

        Returns:
            Shape (batch, patches, hidden_size), or (batch, kept, hidden_size).
        """
        hidden = self.config.hidden_size
        real = mask[..., None]
        positions = self._positions(patches.shape[1] // PATCHES_PER_STEP)
        x = nn.Dense(hidden, dtype=self.dtype, name="patch_projection")(jnp.where(real, patches, 0.0))
        x = x.astype(jnp.float32) + jnp.where(real, positions, positions[0])
        if kept is not None:
            x = jnp.take_along_axis(x, kept[..., None], axis=1)
            mask = jnp.take_along_axis(mask, kept, axis=1)
        layers = nn.scan(
            EncoderLayer,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=nn.broadcast,
            length=self.config.num_layers,
        )
        x, _ = layers(self.config, self.dtype, name="layers")(x, mask)
        return nn.LayerNorm(name="final_norm")(x)

    def _positions(self, steps: int) -> jax.Array:
        hidden = self.config.hidden_size
        frequency = self.param("frequency_embedding", nn.initializers.normal(0.02), (PATCHES_PER_STEP, hidden))
        time = time_embedding(steps, hidden)
        return jnp.reshape(time[:, None, :] + frequency, (steps * PATCHES_PER_STEP, hidden))
