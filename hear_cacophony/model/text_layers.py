"""What the text encoder and the caption decoder are made of: post-norm transformer layers, as in RoBERTa."""

from __future__ import annotations

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from hear_cacophony.model.norm import LayerNorm
from hear_cacophony.model.stages import TextConfig
from hear_cacophony.model.text_dense import TextDense

NORM_EPSILON = 1e-5

MASKED = -1e10
"""Score of a token that does not count."""


class KeysValues(NamedTuple):
    """Keys and values of attention, each of shape (batch, heads, tokens, head_size)."""

    keys: jax.Array
    values: jax.Array


@jax.checkpoint
def gelu(x: jax.Array) -> jax.Array:
    """By the error function; for the gradient it keeps the input alone."""
    return nn.gelu(x, approximate=False)


def norm(name: str) -> LayerNorm:
    """The LayerNorm of the text side, float32."""
    return LayerNorm(epsilon=NORM_EPSILON, name=name)


def split_heads(x: jax.Array, heads: int) -> jax.Array:
    """From (batch, tokens, hidden) to (batch, heads, tokens, head_size)."""
    batch, tokens, hidden = x.shape
    return x.reshape(batch, tokens, heads, hidden // heads).swapaxes(1, 2)


def dropped(x: jax.Array, rate: float) -> jax.Array:
    """`x` with a share of its values set to 0 and the others scaled up, in a module that has a "dropout" key.

    `x` itself at a rate of 0, as in inference.
    """
    return nn.Dropout(rate, deterministic=False)(x) if rate else x


def attend(query: jax.Array, memory: KeysValues, mask: jax.Array, dropout: float = 0.0) -> jax.Array:
    """Attention over the unmasked keys; softmax and sums are float32.

    Args:
        query: shape (batch, heads, queries, head_size).
        memory: keys and values.
        mask: True where a key counts, of a shape that spreads to (batch, heads, queries, keys).
        dropout: share of the weights that are dropped.

    Returns:
        Shape (batch, queries, hidden).
    """
    scores = jnp.einsum("bhqd,bhkd->bhqk", query, memory.keys, preferred_element_type=jnp.float32)
    scores = jnp.where(mask, scores / np.float32(np.sqrt(query.shape[-1])), jnp.float32(MASKED))
    weights = dropped(nn.softmax(scores), dropout).astype(memory.values.dtype)
    joined = jnp.einsum("bhqk,bhkd->bqhd", weights, memory.values, preferred_element_type=jnp.float32)
    return joined.reshape(*joined.shape[:2], -1).astype(memory.values.dtype)


class SelfAttention(nn.Module):
    """Multi-head self-attention; query, key and value come from one product."""

    config: TextConfig
    dtype: jnp.dtype
    dropout: float = 0.0

    @nn.compact
    def __call__(
        self, x: jax.Array, mask: jax.Array, cache: KeysValues | None, position: jax.Array | int
    ) -> tuple[jax.Array, KeysValues | None]:
        hidden, heads = self.config.hidden_size, self.config.num_heads
        joined = TextDense(3 * hidden, dtype=self.dtype, name="qkv")(x)
        query, key, value = (split_heads(part, heads) for part in jnp.split(joined, 3, axis=-1))
        memory = KeysValues(key, value)
        if cache is not None:
            memory = cache = KeysValues(*(_put(*pair, position) for pair in zip(cache, memory, strict=True)))
        attended = TextDense(hidden, dtype=self.dtype, name="out")(attend(query, memory, mask, self.dropout))
        return dropped(attended, self.dropout), cache


class CrossAttention(nn.Module):
    """Multi-head attention of tokens to audio whose keys and values are there.

    There may be several sequences of tokens to a clip, one after another: the beams of a search.
    """

    config: TextConfig
    dtype: jnp.dtype
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array, audio: KeysValues, mask: jax.Array) -> jax.Array:
        hidden, clips = self.config.hidden_size, len(audio.keys)
        query = TextDense(hidden, dtype=self.dtype, name="query")(x).reshape(clips, -1, hidden)
        attended = attend(split_heads(query, self.config.num_heads), audio, mask[:, None, None, :], self.dropout)
        return dropped(TextDense(hidden, dtype=self.dtype, name="out")(attended.reshape(x.shape)), self.dropout)


class TextLayer(nn.Module):
    """One post-norm transformer layer with a GELU MLP, with cross-attention to audio where there is any.

    The residual stream and the norms are float32. `dropout` is the share of the attention weights, and of what
    each sublayer adds, that is dropped in training.
    """

    config: TextConfig
    dtype: jnp.dtype
    dropout: float = 0.0

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        mask: jax.Array,
        audio: KeysValues | None = None,
        audio_mask: jax.Array | None = None,
        cache: KeysValues | None = None,
        position: jax.Array | int = 0,
    ) -> tuple[jax.Array, KeysValues | None]:
        """Run the layer.

        Args:
            x: shape (batch, queries, hidden_size).
            mask: True where a token counts for a query, of a shape that spreads to
                (batch, heads, queries, keys).
            audio: keys and values of clips.
            audio_mask: True where a patch counts, shape (clips, patches).
            cache: keys and values of all tokens, those of `x` not yet among them; the keys are `x`
                itself unless given.
            position: place of `x` among the tokens of the cache.

        Returns:
            The same shape as `x`, and the cache with the tokens of `x` in it.
        """
        attended, cache = SelfAttention(self.config, self.dtype, self.dropout, name="attention")(
            x, mask, cache, position
        )
        x = norm("attention_norm")(x + attended.astype(x.dtype))
        if audio is not None:
            assert audio_mask is not None
            heard = CrossAttention(self.config, self.dtype, self.dropout, name="cross")(x, audio, audio_mask)
            x = norm("cross_norm")(x + heard.astype(x.dtype))
        expanded = gelu(TextDense(self.config.mlp_size, dtype=self.dtype, name="mlp_in")(x))
        narrowed = TextDense(self.config.hidden_size, dtype=self.dtype, name="mlp_out")(expanded)
        return norm("mlp_norm")(x + dropped(narrowed, self.dropout).astype(x.dtype)), cache


def causal_mask(tokens: int) -> jax.Array:
    """True where a token (second axis) comes not after a query (first axis), shape (tokens, tokens)."""
    return jnp.tril(jnp.ones((tokens, tokens), bool))


def _put(cached: jax.Array, new: jax.Array, position: jax.Array | int) -> jax.Array:
    return jax.lax.dynamic_update_slice_in_dim(cached, new, position, axis=2)
