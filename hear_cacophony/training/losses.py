"""The losses of both stages, each a function of arrays alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

VARIANCE_EPSILON = 1e-6
"""Added to the variance of a patch before it is divided by its root: a silent patch has none."""


def normalised_patches(patches: jax.Array) -> jax.Array:
    """Each patch with mean 0 and, unless its values are all but equal, variance 1, shape (..., 256)."""
    mean = jnp.mean(patches, axis=-1, keepdims=True)
    variance = jnp.var(patches, axis=-1, keepdims=True)
    return (patches - mean) / jnp.sqrt(variance + VARIANCE_EPSILON)


def restoration_loss(restored: jax.Array, targets: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean squared error over the values of all restored patches of a batch.

    Args:
        restored, targets: shape (batch, restored, 256).
        mask: True where there is a patch to restore, shape (batch, restored).

    Returns:
        Shape (), float32; 0 where there is none.
    """
    errors = jnp.mean(jnp.square(restored - targets), axis=-1)
    return masked_mean(errors, mask)


def patch_mean_loss(targets: jax.Array, mask: jax.Array) -> jax.Array:
    """What `restoration_loss` would be if each patch were restored as its own mean, shape (): their mean variance."""
    return masked_mean(jnp.var(targets, axis=-1), mask)


def contrastive_loss(logits: jax.Array) -> jax.Array:
    """Symmetric cross-entropy: the mean of that along rows and that along columns, the diagonal being right.

    Args:
        logits: scaled similarities of each clip with each text, shape (batch, batch).
    """
    right = jnp.arange(len(logits))
    along = [optax.softmax_cross_entropy_with_integer_labels(each, right) for each in (logits, logits.T)]
    return (jnp.mean(along[0]) + jnp.mean(along[1])) / 2


def caption_loss(logits: jax.Array, ids: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean cross-entropy over all tokens of a batch but the first of each text, from the logits of the one before.

    Args:
        logits: of the token after each, shape (batch, tokens, vocabulary_size).
        ids: shape (batch, tokens).
        mask: True where a token is real, shape (batch, tokens).
    """
    entropies = optax.softmax_cross_entropy_with_integer_labels(logits[:, :-1], ids[:, 1:])
    return masked_mean(entropies, mask[:, 1:])


def masked_mean(values: jax.Array, mask: jax.Array) -> jax.Array:
    """The mean of the values where the mask is True; 0 where that is nowhere."""
    counts = mask.astype(values.dtype)
    return jnp.sum(values * counts) / jnp.maximum(jnp.sum(counts), 1.0)
