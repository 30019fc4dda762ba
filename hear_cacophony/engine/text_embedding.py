"""From token ids of texts of any length to embeddings, in batches on all devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hear_cacophony.engine.batches import CompiledSizes
from hear_cacophony.engine.devices import Devices, compiled
from hear_cacophony.engine.padding_mask import padding_mask
from hear_cacophony.engine.tokens import bucket_tokens, pad_tokens
from hear_cacophony.engine.window_embedders import PRODUCTS
from hear_cacophony.model.stages import TextConfig
from hear_cacophony.model.text_encoder import TextEncoder, TextPooler


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


def _text_embeddings(variables, ids, lengths, *, config: TextConfig, precision: str):
    mask = padding_mask(lengths, ids.shape[1])
    with jax.default_matmul_precision(PRODUCTS[precision]):
        encoder = TextEncoder(config, jnp.dtype(precision))
        encoded = encoder.apply({"params": variables["encoder"]}, ids, mask)
    with jax.default_matmul_precision(PRODUCTS["float32"]):
        return TextPooler(config).apply({"params": variables["pooler"]}, encoded, mask)


_embed_texts = compiled(_text_embeddings, "config", "precision")
