"""The padding mask: which patches or tokens of a batch are real, and not what fills it up."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from hear_cacophony.frontend.spectrogram import PATCHES_PER_STEP


def padding_mask(counts: jax.Array, length: int) -> jax.Array:
    """True for as many as count, from the first on, shape (batch, `length`), from shape (batch,)."""
    return jnp.arange(length) < counts[:, None]


def time_step_mask(limits: jax.Array, steps: int) -> jax.Array:
    """True for the patches in the time steps before the limit, shape (batch, patches), from shape (batch,)."""
    step = jnp.arange(steps * PATCHES_PER_STEP) // PATCHES_PER_STEP
    return step < limits[:, None]
