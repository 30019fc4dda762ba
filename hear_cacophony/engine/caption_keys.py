"""Random keys of captions that are sampled."""

from __future__ import annotations

from collections.abc import Iterable

import jax
import numpy as np

CAPTION_SEED = 42
"""That of the published captions."""


def caption_keys(numbers: Iterable[int], seed: int) -> np.ndarray:
    """Random keys of captions as the published code draws them, shape (clips, 2), uint32.

    They are those of JAX before 0.5.

    Args:
        numbers: place of each clip in its data set.
        seed: of all of them.
    """
    with jax.threefry_partitionable(False):
        base = jax.random.PRNGKey(seed)
        return np.array([jax.random.split(jax.random.fold_in(base, number), 1)[0] for number in numbers], np.uint32)


def check_keys(keys: np.ndarray, clips: int) -> np.ndarray:
    """The keys as an array, shape (clips, 2); ValueError for another shape or dtype."""
    array = np.asarray(keys)
    if array.shape != (clips, 2) or array.dtype != np.uint32:
        raise ValueError(f"keys: expected uint32 of shape {(clips, 2)}, got {array.dtype} of shape {array.shape}")
    return array
