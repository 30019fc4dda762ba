"""Scaled dot-product attention, arranged for the caches of a CPU or for the kernels of an accelerator."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

QUERY_BLOCK = 1024
"""Most queries whose attention weights are held at once; longer sequences go block by block."""

HEADS_TOGETHER = 256
"""Longest sequence for which a CPU takes all heads at once: beyond, their weights leave its caches."""


def attend(query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array, *, gaps: bool = False) -> jax.Array:
    """Attention over the unmasked keys; softmax and sums are float32.

    Args:
        query, key, value: float32 or bfloat16, shape (batch, patches, heads, head_size).
        mask: True where a key counts, a run from the first key on, shape (batch, patches).
        gaps: the keys that count need not be a run.

    Returns:
        Shape (batch, patches, heads, head_size).
    """
    if jax.default_backend() == "cpu":
        return _attend_on_cpu(query, key, value, mask)
    if query.dtype == jnp.bfloat16 and jax.default_backend() == "gpu" and not gaps:
        return _attend_fused(query, key, value, mask)
    return _attend_in_blocks(query, key, value, mask)


def _attend_fused(query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array) -> jax.Array:
    """With cuDNN's fused kernel, which takes 16-bit floats only and never holds the weights."""
    keys = jnp.sum(mask, axis=1, dtype=jnp.int32)
    queries = jnp.full_like(keys, query.shape[1])
    return jax.nn.dot_product_attention(
        query, key, value, query_seq_lengths=queries, key_value_seq_lengths=keys, implementation="cudnn"
    )


def _attend_in_blocks(query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array) -> jax.Array:
    """All heads at once, in blocks of queries."""

    def attend_block(queries: jax.Array) -> jax.Array:
        return jax.nn.dot_product_attention(queries, key, value, mask=mask[:, None, None, :])

    patches = query.shape[1]
    if patches <= QUERY_BLOCK:
        return attend_block(query)
    blocks = jax.lax.map(attend_block, _cut(query, axis=1))
    return _join(blocks, axis=1)[:, :patches]


def _attend_on_cpu(query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array) -> jax.Array:
    """Long sequences one head after another, in blocks of queries."""
    query = query * jnp.asarray(1 / np.sqrt(query.shape[-1]), query.dtype)
    queries, keys, values = (jnp.moveaxis(x, 2, 0) for x in (query, key, value))
    if query.shape[1] <= HEADS_TOGETHER:
        return jnp.moveaxis(_weigh(queries, keys, values, mask), 0, 2)

    def attend_head(head: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        queries, keys, values = head
        if queries.shape[1] <= QUERY_BLOCK:
            return _weigh(queries, keys, values, mask)
        blocks = jax.lax.map(lambda block: _weigh(block, keys, values, mask), _cut(queries, axis=1))
        return _join(blocks, axis=1)[:, : queries.shape[1]]

    return jnp.moveaxis(jax.lax.map(attend_head, (queries, keys, values)), 0, 2)


def _weigh(query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array) -> jax.Array:
    """Attention of scaled queries, shape (..., batch, queries, head_size).

    The sum of the weights is divided by at the end: one pass less over the weights.
    """
    logits = jnp.einsum("...qd,...kd->...qk", query, key, preferred_element_type=jnp.float32)
    logits = jnp.where(mask[:, None, :], logits, -jnp.inf)
    largest = jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))  # the result does not depend on it
    weights = jnp.exp(logits - largest)
    products = jnp.einsum("...qk,...kd->...qd", weights.astype(value.dtype), value, preferred_element_type=jnp.float32)
    return (products / jnp.sum(weights, axis=-1, keepdims=True)).astype(value.dtype)


def _cut(x: jax.Array, axis: int) -> jax.Array:
    """Blocks of at most `QUERY_BLOCK` along `axis`, all of one length, along a new first axis."""
    length = x.shape[axis]
    blocks = -(-length // QUERY_BLOCK)
    block = -(-length // blocks)
    padding = [(0, 0)] * x.ndim
    padding[axis] = (0, blocks * block - length)
    padded = jnp.pad(x, padding)
    return jnp.moveaxis(padded.reshape(*x.shape[:axis], blocks, block, *x.shape[axis + 1 :]), axis, 0)


def _join(blocks: jax.Array, axis: int) -> jax.Array:
    """Undo `_cut`, with the padding."""
    joined = jnp.moveaxis(blocks, 0, axis)
    return joined.reshape(*joined.shape[:axis], -1, *joined.shape[axis + 2 :])
