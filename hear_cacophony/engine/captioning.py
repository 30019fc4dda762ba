"""From encoded clips to the token ids of captions, in batches on all devices, each batch in one compiled function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hear_cacophony.engine import beam_search
from hear_cacophony.engine.batches import Batch, CompiledSizes
from hear_cacophony.engine.devices import Devices, compiled
from hear_cacophony.engine.generation import Generation, TokenStep, write_token_by_token
from hear_cacophony.engine.padding_mask import padding_mask
from hear_cacophony.engine.tokens import check_tokens
from hear_cacophony.engine.window_embedders import PRODUCTS
from hear_cacophony.frontend.spectrogram import PATCHES_PER_STEP
from hear_cacophony.model.caption_decoder import CaptionDecoder
from hear_cacophony.model.stages import TextConfig
from hear_cacophony.model.text_encoder import TextEncoder

PATCHES_PER_CPU_BATCH = 16_384
"""Patches that the captions of a batch attend to, on one CPU device: 8 clips of 30 s, 16 of 10 s, 32 of 5 s."""

MAX_PATCHES_PER_DEVICE = 262_144
"""The same where no accelerator gets faster beyond."""

BYTES_PER_PATCH = 131_072
"""Memory for a patch with its part of the caches, full size, with room to spare."""


class Captioner:
    """Writes captions of encoded clips."""

    def __init__(self, variables: Any, config: TextConfig, precision: str, devices: Devices) -> None:
        self._variables = {name: variables[name] for name in ("encoder", "decoder")}
        self._config, self._precision, self._devices = config, precision, devices
        self._sizes = CompiledSizes()

    def batches(self, patches: Sequence[int], generation: Generation) -> Iterator[Batch]:
        """Group clips with similar numbers of patches into batches that go through `write` together."""
        steps = [-(-count // PATCHES_PER_STEP) for count in patches]
        devices, tokens_per_step = self._devices, PATCHES_PER_STEP * generation.sequences
        return self._sizes.batches(steps, tokens_per_step, self._patches_per_batch(), len(devices))

    def write(
        self, encoded: Sequence[np.ndarray], keys: np.ndarray, batch: Batch, generation: Generation
    ) -> np.ndarray:
        """Captions of a batch.

        Args:
            encoded: the audio encoder's outputs for the clips of `batch`, each of shape (patches, hidden_size).
            keys: random key of each clip, shape (clips, 2), uint32.
            batch: what `batches` gave.
            generation: how to write them.

        Returns:
            Token ids, 0 after the end token, shape (clips, max_tokens), int32.
        """
        patches, counts = _pad(encoded, batch.size, batch.steps * PATCHES_PER_STEP)
        all_keys = np.zeros((batch.size, 2), np.uint32)
        all_keys[: len(keys)] = keys
        temperatures = np.full(batch.size, generation.temperature or 1.0, np.float32)
        arrays = map(self._devices.split, (patches, counts, all_keys, temperatures))
        static = {"config": self._config, "precision": self._precision, "generation": generation.compiled}
        with jax.threefry_partitionable(False):  # the random numbers of JAX before 0.5
            ids = _write(self._variables, *arrays, mesh=self._devices.mesh, **static)
        return np.asarray(ids)[: len(encoded)]

    def logits(self, encoded: Sequence[np.ndarray], tokens: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
        """Logits of the token after each of the tokens given (teacher forcing).

        Args:
            encoded: the audio encoder's outputs for clips, each of shape (patches, hidden_size).
            tokens: token ids of one text for each clip, all of one length, shape (clips, tokens).

        Returns:
            Shape (clips, tokens, vocabulary_size), float32.
        """
        texts = check_tokens(tokens, self._config)
        if len(texts) != len(encoded) or len({len(ids) for ids in texts}) != 1:
            lengths = sorted({len(ids) for ids in texts})
            raise ValueError(
                f"expected one text for each of {len(encoded)} clips, all of one length, got {len(texts)} "
                f"of lengths {lengths}"
            )
        size = -(-len(encoded) // len(self._devices)) * len(self._devices)
        patches, counts = _pad(encoded, size, max(map(len, encoded)))
        ids = np.stack(texts + [texts[-1]] * (size - len(texts)))
        arrays = map(self._devices.split, (patches, counts, ids))
        static = {"config": self._config, "precision": self._precision}
        return np.asarray(_teach(self._variables, *arrays, mesh=self._devices.mesh, **static))[: len(encoded)]

    def _patches_per_batch(self) -> int:
        devices = self._devices
        if devices.platform == "cpu":
            return PATCHES_PER_CPU_BATCH * len(devices)
        return min(MAX_PATCHES_PER_DEVICE, max(1, devices.memory // BYTES_PER_PATCH)) * len(devices)


def _pad(encoded: Sequence[np.ndarray], size: int, patches: int) -> tuple[np.ndarray, np.ndarray]:
    """Encoded clips of one shape, (size, patches, hidden_size), and how many patches are real, shape (size,), int32."""
    padded = np.zeros((size, patches, encoded[0].shape[1]), np.float32)
    counts = np.ones(size, np.int32)
    for i, clip in enumerate(encoded):
        padded[i, : len(clip)] = clip
        counts[i] = len(clip)
    return padded, counts


def _captions(
    variables, patches, counts, keys, temperatures, *, config: TextConfig, precision: str, generation: Generation
):
    mask = padding_mask(counts, patches.shape[1])
    with jax.default_matmul_precision(PRODUCTS[precision]):
        step = TokenStep(variables, patches, mask, generation.max_tokens, config, jnp.dtype(precision))
        if generation.method == "beam":
            return beam_search.search(step, len(patches), generation)
        return write_token_by_token(step, keys, temperatures, generation)


_write = compiled(_captions, "config", "precision", "generation")


def _logits(variables, patches, counts, ids, *, config: TextConfig, precision: str):
    mask = padding_mask(counts, patches.shape[1])
    dtype = jnp.dtype(precision)
    with jax.default_matmul_precision(PRODUCTS[precision]):
        text = TextEncoder(config, dtype).apply({"params": variables["encoder"]}, ids, jnp.ones(ids.shape, bool))
        return CaptionDecoder(config, dtype).apply({"params": variables["decoder"]}, text, patches, mask)


_teach = compiled(_logits, "config", "precision")
