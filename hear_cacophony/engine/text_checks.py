"""Checks on texts and embeddings before they are used."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

import numpy as np

from hear_cacophony.text.characters import check_characters


def check_texts(texts: Sequence[str]) -> None:
    """Warn of empty texts.

    Raises:
        TypeError: `texts` is a single text, or holds something else than texts.
        ValueError: no text, or one with half a character.
    """
    if isinstance(texts, str):
        raise TypeError(f"expected a list of texts, got a single one; did you mean [{texts[:40]!r}]?")
    if not isinstance(texts, Sequence | np.ndarray):
        hint = "; texts = list(...)" if isinstance(texts, Iterable) else ""
        raise TypeError(f"expected a list of texts, got {type(texts).__name__}{hint}")
    if not len(texts):
        raise ValueError("expected at least one text, got none")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"expected texts, got {type(text).__name__} as text {i}")
        check_characters(text, f"text {i}")
    empty = [i for i, text in enumerate(texts) if not text.strip()]
    if empty:
        warnings.warn(
            f"text {', '.join(map(str, empty[:8]))}{' and more' if len(empty) > 8 else ''} of {len(texts)} is empty: "
            "its embedding stands for no sound",
            stacklevel=4,
        )


def check_embeddings(kind: str, embeddings: np.ndarray, size: int) -> np.ndarray:
    """`embeddings` as float32, shape (count, size).

    Raises:
        ValueError: another shape, or values that are not finite.
    """
    array = np.asarray(embeddings, np.float32)
    if array.ndim != 2 or array.shape[1] != size:
        raise ValueError(f"expected {kind} embeddings of shape (count, {size}), got {array.shape}")
    if not np.isfinite(array).all():
        first = int(np.argmin(np.isfinite(array).all(axis=1)))
        raise ValueError(f"expected finite {kind} embeddings, got NaN or infinity in embedding {first}")
    return array
