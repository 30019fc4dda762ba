"""The text encoder in Flax linen: token embedding, causal post-norm transformer, and its pooler."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from hear_cacophony.model.stages import TextConfig
from hear_cacophony.model.text_dense import TextDense
from hear_cacophony.model.text_layers import TextLayer, causal_mask, dropped, norm


class TokenEmbedding(nn.Module):
    """Word, position and token type embeddings, summed and normed. Positions count from 0, unlike RoBERTa's own."""

    config: TextConfig

    @nn.compact
    def __call__(self, ids: jax.Array, first: jax.Array | int = 0) -> jax.Array:
        """Embed tokens.

        Args:
            ids: shape (batch, tokens).
            first: position of the first one.

        Returns:
            Shape (batch, tokens, hidden_size), float32.
        """
        config, initial = self.config, nn.initializers.normal(0.02)
        words = self.param("words", initial, (config.vocabulary_size, config.hidden_size))
        positions = self.param("positions", initial, (config.positions, config.hidden_size))
        types = self.param("types", initial, (1, config.hidden_size))
        place = jax.lax.dynamic_slice_in_dim(positions, first, ids.shape[1])
        return norm("norm")(words[ids] + types[0] + place)


class TextEncoder(nn.Module):
    """The transformer over tokens, each of which sees those up to itself.

    `dtype` is that of the matrix products; what is between them is float32. `dropout` is for training, and so is
    `remat`: compute what is between the layers again for the gradient, instead of keeping it.
    """

    config: TextConfig
    dtype: jnp.dtype = jnp.float32
    dropout: float = 0.0
    remat: bool = False

    @nn.compact
    def __call__(self, ids: jax.Array, mask: jax.Array) -> jax.Array:
        """Encode tokens.

        Args:
            ids: shape (batch, tokens).
            mask: True where a token is real and so counts as a key, shape (batch, tokens).

        Returns:
            Shape (batch, tokens, hidden_size).
        """
        x = dropped(TokenEmbedding(self.config, name="embedding")(ids), self.dropout)
        counts = causal_mask(ids.shape[1]) & mask[:, None, None, :]
        layer = nn.remat(TextLayer) if self.remat else TextLayer
        for i in range(self.config.num_layers):
            x, _ = layer(self.config, self.dtype, self.dropout, name=f"layer_{i}")(x, counts)
        return x


class TextPooler(nn.Module):
    """One learned query attends to the tokens, then a projection to unit norm."""

    config: TextConfig

    @nn.compact
    def __call__(self, encoded: jax.Array, mask: jax.Array) -> jax.Array:
        """Pool encoded tokens to one embedding of unit length.

        Args:
            encoded: shape (batch, tokens, hidden_size).
            mask: True where a token counts, shape (batch, tokens).

        Returns:
            x / ||x + 1e-10||, shape (batch, hidden_size).
        """
        hidden = self.config.hidden_size
        query = self.param("query", nn.initializers.normal(0.02), (1, hidden))
        key = TextDense(hidden, name="key")(encoded) / np.float32(np.sqrt(hidden))
        scores = jnp.where(mask, jnp.einsum("btd,d->bt", key, query[0]), -jnp.inf)
        # The sum of weights is 1, so that values can be made of the weighted mean: one row instead of one each token.
        mean = jnp.einsum("bt,btd->bd", nn.softmax(scores), encoded)
        projected = TextDense(hidden, name="projection")(TextDense(hidden, name="value")(mean))
        return projected / jnp.linalg.norm(projected + 1e-10, axis=-1, keepdims=True)
