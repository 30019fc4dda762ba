"""The dense layers of the text side, as fast for the few rows of a step of generation as for whole texts."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

FEW_ROWS = 64
"""Most rows that come second in the product: about as many as are as fast on either side of it."""


class TextDense(nn.Module):
    """As `flax.linen.Dense`, with weights that lie output by output.

    A CPU rearranges what comes second in a product before it multiplies. Where there are few rows, that would be the
    weights, which takes about as long as the product itself: there, the weights come first.

    Attributes:
        features: outputs.
        dtype: of the product.
    """

    features: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """From shape (..., inputs) to (..., features); the parameter `weight` has shape (features, inputs)."""
        initial = nn.initializers.lecun_normal(in_axis=1, out_axis=0)
        weight = self.param("weight", initial, (self.features, x.shape[-1])).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, (self.features,)).astype(self.dtype)
        rows = x.reshape(-1, x.shape[-1]).astype(self.dtype)
        over_inputs = (((1,), (1,)), ((), ()))
        if len(rows) <= FEW_ROWS:
            # Transposed after the bias is added: XLA turns a transposed product around.
            product = (jax.lax.dot_general(weight, rows, over_inputs) + bias[:, None]).T
        else:
            product = jax.lax.dot_general(rows, weight, over_inputs) + bias
        return product.reshape(*x.shape[:-1], self.features)
