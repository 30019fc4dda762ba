"""Layer normalisation that keeps little for its gradient."""

from __future__ import annotations

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp


class LayerNorm(nn.Module):
    """As `flax.linen.LayerNorm`, forward operation by operation.

    For the gradient it keeps the input and two values for each row. Derived by jax it keeps two more arrays of the
    size of the input, and XLA on a CPU a third, which spreads the scale over all rows.

    Attributes:
        epsilon: added to the variance.
    """

    epsilon: float = 1e-6

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalise along the last axis, float32."""
        scale = self.param("scale", nn.initializers.ones, x.shape[-1:])
        bias = self.param("bias", nn.initializers.zeros, x.shape[-1:])
        return _normalise(x, scale, bias, self.epsilon)


_Kept = tuple[jax.Array, jax.Array, jax.Array, jax.Array]


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _normalise(x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float) -> jax.Array:
    return _forward(x, scale, bias, epsilon)[0]


def _forward(x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float) -> tuple[jax.Array, _Kept]:
    mean, square = jnp.mean(x, axis=-1), jnp.mean(jax.lax.square(x), axis=-1)
    variance = jnp.maximum(0.0, square - jax.lax.square(mean))
    mean, inverse = mean[..., None], jax.lax.rsqrt(variance[..., None] + epsilon)
    return (x - mean) * (inverse * scale) + bias, (x, mean, inverse, scale)


def _backward(epsilon: float, kept: _Kept, gradient: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    x, mean, inverse, scale = kept
    normalised = (x - mean) * inverse
    along = normalised * gradient
    of_mean, of_inverse = (_weighted_mean(each, scale) for each in (gradient, along))
    rows = tuple(range(x.ndim - 1))
    of_x = inverse * (gradient * scale - of_mean - normalised * of_inverse)
    return of_x, jnp.sum(along, axis=rows), jnp.sum(gradient, axis=rows)


def _weighted_mean(x: jax.Array, scale: jax.Array) -> jax.Array:
    """The mean of `scale * x` along the last axis, as a product: XLA would write the scale out for each row."""
    return (jnp.matmul(x, scale, precision=jax.lax.Precision.HIGHEST) / x.shape[-1])[..., None]


_normalise.defvjp(_forward, _backward)
