"""Stage 2's attention pooling."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from hear_cacophony.model.stages import EncoderConfig


class AttentionPooler(nn.Module):
    """Stage 2's pooling: one learned query attends to the patches, then a projection to unit norm."""

    config: EncoderConfig

    @nn.compact
    def __call__(self, encoded: jax.Array, mask: jax.Array) -> jax.Array:
        """Pool encoded patches to one embedding of unit length.

        Args:
            encoded: shape (batch, patches, hidden_size).
            mask: True where a patch counts, shape (batch, patches).

        Returns:
            x / ||x + 1e-10||, shape (batch, hidden_size).
        """
        batch, patches, hidden = encoded.shape
        heads = self.config.pool_heads
        head_size = hidden // heads
        query = self.param("query", nn.initializers.normal(1.0), (hidden,)).reshape(heads, head_size)
        key, value = jnp.split(nn.Dense(2 * hidden, name="key_value")(encoded), 2, axis=-1)
        key, value = (x.reshape(batch, patches, heads, head_size) for x in (key, value))
        logits = jnp.einsum("hd,bphd->bhp", query / np.sqrt(head_size), key)
        weights = nn.softmax(jnp.where(mask[:, None, :], logits, -jnp.inf))
        pooled = jnp.einsum("bhp,bphd->bhd", weights, value).reshape(batch, hidden)
        projected = nn.Dense(hidden, name="projection")(pooled)
        return projected / jnp.linalg.norm(projected + 1e-10, axis=-1, keepdims=True)
