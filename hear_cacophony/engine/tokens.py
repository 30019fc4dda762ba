"""Token ids of texts: checked, and padded to the lengths that texts share."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Any

import numpy as np

from hear_cacophony.model.stages import TextConfig

MAX_TOKENS = 100
"""Longest text that the model was trained on, with both marks."""

PAD = 1
"""Token id that fills a batch up. What it is does not matter: it is masked."""

BUCKETS = (4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 77, 88, MAX_TOKENS)
"""Compiled lengths in tokens: few enough to be there soon, near enough to each other to pad little."""


def bucket_tokens(tokens: int) -> int:
    """The compiled length of a text of `tokens`."""
    return BUCKETS[bisect.bisect_left(BUCKETS, tokens)]


def pad_tokens(texts: Sequence[np.ndarray], size: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Token ids, shape (size, length), and lengths, shape (size,), int32; texts beyond those given repeat the last."""
    ids = np.full((size, length), PAD, np.int32)
    lengths = np.empty(size, np.int32)
    for i in range(size):
        text = texts[min(i, len(texts) - 1)]
        ids[i, : len(text)] = text
        lengths[i] = len(text)
    return ids, lengths


def check_tokens(texts: Sequence[Any] | np.ndarray, config: TextConfig) -> list[np.ndarray]:
    """Token ids of each text as an array, int32.

    Raises:
        ValueError: no text, one without tokens or with more than `MAX_TOKENS`, or an id that is not in the vocabulary.
        TypeError: ids that are no integers.
    """
    if not len(texts):
        raise ValueError("expected at least one text, got none")
    return [_checked_text(np.asarray(ids), i, config.vocabulary_size) for i, ids in enumerate(texts)]


def _checked_text(ids: np.ndarray, number: int, vocabulary_size: int) -> np.ndarray:
    if ids.ndim != 1 or not 0 < len(ids) <= MAX_TOKENS:
        raise ValueError(
            f"expected token ids of shape (tokens,) with 1 to {MAX_TOKENS} tokens, got {ids.shape} in text {number}"
        )
    if not np.issubdtype(ids.dtype, np.integer):
        raise TypeError(f"expected token ids, which are integers, got {ids.dtype} in text {number}")
    if ids.min() < 0 or ids.max() >= vocabulary_size:
        wrong = ids.min() if ids.min() < 0 else ids.max()
        raise ValueError(
            f"expected token ids from 0 to {vocabulary_size - 1}, got {wrong} in text {number}; "
            "are they of another model's vocabulary?"
        )
    return ids.astype(np.int32)
