"""From token ids of texts of any length to embeddings, in batches on all devices."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hear_cacophony.engine.batches import CompiledSizes
from hear_cacophony.engine.devices import Devices, compiled
from hear_cacophony.engine.padding_mask import padding_mask
from hear_cacophony.engine.window_embedders import PRODUCTS
from hear_cacophony.model.stages import TextConfig
from hear_cacophony.model.text_encoder import TextEncoder, TextPooler

MAX_TOKENS = 100
"""Longest text that the model was trained on, with both marks."""

PAD = 1
"""Token id that fills a batch up. What it is does not matter: it is masked."""

BUCKETS = (4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 77, 88, MAX_TOKENS)
"""Compiled lengths in tokens: few enough to be there soon, near enough to each other to pad little."""


class TextEmbedder:
    """Embeds texts.

    Attributes:
        size: values in an embedding.
    """

    def __init__(self, variables: Any, config: TextConfig, precision: str, devices: Devices) -> None:
        self.size = config.hidden_size
        self._variables = {name: variables[name] for name in ("encoder", "pooler")}
        self._config, self._precision, self._devices = config, precision, devices
        self._sizes = CompiledSizes()

    def embed(self, texts: Sequence[np.ndarray]) -> np.ndarray:
        """One embedding of unit length for each text.

        Args:
            texts: token ids as `check_tokens` gives them.

        Returns:
            Shape (texts, size), float32.
        """
        lengths = [len(ids) for ids in texts]
        results = np.empty((len(texts), self.size), np.float32)
        devices = self._devices
        for batch in self._sizes.batches(lengths, 1, devices.tokens_per_batch, len(devices), bucket_tokens):
            members = [texts[i] for i in batch.windows]
            results[list(batch.windows)] = np.asarray(self.run(members, batch.size, batch.steps))[: len(members)]
        return results

    def run(self, texts: Sequence[np.ndarray], size: int, length: int) -> jax.Array:
        """Embed a batch of `size` texts padded to `length` tokens, without waiting for the result.

        Args:
            texts: token ids of the first texts of it; the others are copies of the last one.
            size: a multiple of the number of devices.
            length: at least that of the longest text.
        """
        ids, lengths = pad_tokens(texts, size, length)
        arrays = map(self._devices.split, (ids, lengths))
        static = {"config": self._config, "precision": self._precision}
        return _embed_texts(self._variables, *arrays, mesh=self._devices.mesh, **static)


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


def _text_embeddings(variables, ids, lengths, *, config: TextConfig, precision: str):
    mask = padding_mask(lengths, ids.shape[1])
    with jax.default_matmul_precision(PRODUCTS[precision]):
        encoder = TextEncoder(config, jnp.dtype(precision))
        encoded = encoder.apply({"params": variables["encoder"]}, ids, mask)
    with jax.default_matmul_precision(PRODUCTS["float32"]):
        return TextPooler(config).apply({"params": variables["pooler"]}, encoded, mask)


_embed_texts = compiled(_text_embeddings, "config", "precision")
