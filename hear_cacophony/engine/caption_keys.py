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

    Raises:
        ValueError: a seed of more than 32 bits, of which the rest would count for nothing, or below 0.
    """
    if not 0 <= seed < 1 << 32:
        raise ValueError(f"seed={seed} is not possible; expected 0 to {(1 << 32) - 1}")
    with jax.threefry_partitionable(False):
        base = jax.random.PRNGKey(seed)
        return np.array([jax.random.split(jax.random.fold_in(base, number), 1)[0] for number in numbers], np.uint32)


def choose_keys(method: str, clips: int, seed: int | None, keys: np.ndarray | None) -> np.ndarray:
    """The keys of so many clips, shape (clips, 2), uint32: those given, or those of the seed.

    Raises:
        ValueError: an impossible seed, a seed or keys for a method that draws nothing, both at once, or keys of another
            shape or dtype.
    """
    given = [name for name, value in (("seed", seed), ("keys", keys)) if value is not None]
    if given and method != "sample":
        raise ValueError(f"{given[0]} goes with method='sample' only, not {method!r}, which draws no random numbers")
    if len(given) > 1:
        raise ValueError("expected a seed or keys, got both")
    if keys is not None:
        return _checked_keys(keys, clips)
    if method != "sample":
        return np.zeros((clips, 2), np.uint32)
    return caption_keys(range(clips), CAPTION_SEED if seed is None else seed)


def _checked_keys(keys: np.ndarray, clips: int) -> np.ndarray:
    array = np.asarray(keys)
    if array.shape != (clips, 2) or array.dtype != np.uint32:
        raise ValueError(f"keys: expected uint32 of shape {(clips, 2)}, got {array.dtype} of shape {array.shape}")
    return array
