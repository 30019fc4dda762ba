"""How captions are written: options, and one token at a time through both towers."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from hear_cacophony.engine.tokens import MAX_TOKENS
from hear_cacophony.model.caption_decoder import AudioMemory, vocabulary
from hear_cacophony.model.stages import TextConfig
from hear_cacophony.model.text_encoder import TokenEmbedding
from hear_cacophony.model.text_layers import KeysValues, TextLayer

START_TOKEN = 0
END_TOKEN = 2
METHODS = ("greedy", "sample", "beam")
DEFAULT_TEMPERATURE = 0.1
"""That of the published captions."""

DEFAULT_BEAMS = 4


@dataclasses.dataclass(frozen=True)
class Generation:
    """How captions are written.

    Attributes:
        method: "greedy" (the default), "sample" or "beam".
        max_tokens: the most token ids, the start mark among them, from 2 to 100.
        temperature: of "sample": logits are divided by it. 0.1 unless given, as published.
        beams: of "beam": captions that are followed at once. 4 unless given.
        length_power: of "beam": the sum of the log-probabilities is divided by the number of tokens to this
            power. 1 unless given: their mean.
        end_token: id after which a caption ends.
    """

    method: str = "greedy"
    max_tokens: int = MAX_TOKENS
    temperature: float | None = None
    beams: int | None = None
    length_power: float | None = None
    end_token: int = END_TOKEN

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"unknown method {self.method!r}; expected one of {', '.join(map(repr, METHODS))}")
        if isinstance(self.max_tokens, bool) or self.max_tokens not in range(2, MAX_TOKENS + 1):
            raise ValueError(f"max_tokens={self.max_tokens!r} is not possible; expected 2 to {MAX_TOKENS}")
        self._settle("temperature", "sample", DEFAULT_TEMPERATURE)
        self._settle("beams", "beam", DEFAULT_BEAMS)
        self._settle("length_power", "beam", 1.0)
        if self.temperature is not None and not (math.isfinite(self.temperature) and self.temperature > 0):
            raise ValueError(f"temperature={self.temperature!r} is not possible; expected a positive number")
        if self.beams is not None and (isinstance(self.beams, bool) or self.beams not in range(1, 65)):
            raise ValueError(f"beams={self.beams!r} is not possible; expected 1 to 64")
        if self.length_power is not None and not (math.isfinite(self.length_power) and self.length_power >= 0):
            raise ValueError(f"length_power={self.length_power!r} is not possible; expected 0 or more")

    @property
    def compiled(self) -> Generation:
        """What a compiled function depends on: all but the temperature, which it is given."""
        return dataclasses.replace(self, temperature=1.0) if self.method == "sample" else self

    @property
    def sequences(self) -> int:
        """Texts that are followed at once for each clip."""
        return self.beams or 1

    def _settle(self, name: str, method: str, default: float) -> None:
        """Fill in what was not given, or refuse what the method does not know."""
        if getattr(self, name) is not None and self.method != method:
            raise ValueError(f"{name}={getattr(self, name)!r} goes with method={method!r} only, not {self.method!r}")
        if getattr(self, name) is None and self.method == method:
            object.__setattr__(self, name, default)


Caches = tuple[KeysValues, ...]
"""Keys and values of the tokens so far in each layer, first of the text encoder, then of the caption decoder."""


class TokenStep:
    """One token of each sequence through the text encoder and the caption decoder.

    Made inside a compiled function, before its loop: there, keys and values of the audio are computed once.
    """

    def __init__(
        self,
        variables: Any,
        encoded: jax.Array,
        audio_mask: jax.Array,
        tokens: int,
        config: TextConfig,
        dtype: jnp.dtype,
    ) -> None:
        """Prepare.

        Args:
            variables: as `to_text_variables` arranges them.
            encoded: the audio encoder's outputs, shape (clips, patches, hidden_size).
            audio_mask: True where a patch is real, shape (clips, patches).
            tokens: most tokens there will be.
            config: sizes.
            dtype: of the matrix products.
        """
        encoder, decoder = variables["encoder"], variables["decoder"]
        self._config, self._dtype, self._tokens = config, dtype, tokens
        self._embedding, self._vocabulary = encoder["embedding"], decoder["vocabulary"]
        self._text_layers = [encoder[f"layer_{i}"] for i in range(config.num_layers)]
        self._decoder_layers = [decoder[f"layer_{i}"] for i in range(config.decoder_layers)]
        self._memory = _apply(AudioMemory(config, dtype), decoder["audio"], encoded)
        self._audio_mask = audio_mask

    def empty_caches(self, sequences: int) -> Caches:
        """Caches for `sequences` texts, which are those of the clips in order, as many to each."""
        config = self._config
        shape = (sequences, config.num_heads, self._tokens, config.hidden_size // config.num_heads)
        layers = config.num_layers + config.decoder_layers
        return tuple(KeysValues(jnp.zeros(shape, self._dtype), jnp.zeros(shape, self._dtype)) for _ in range(layers))

    def __call__(self, caches: Caches, ids: jax.Array, position: jax.Array) -> tuple[jax.Array, Caches]:
        """Logits of the next tokens, shape (sequences, vocabulary_size), float32, and the filled caches.

        Args:
            caches: those of the tokens before.
            ids: token ids at `position`, shape (sequences,).
            position: from 0 on.
        """
        x = _apply(TokenEmbedding(self._config), self._embedding, ids[:, None], position)
        so_far = jnp.arange(self._tokens) <= position
        layer = TextLayer(self._config, self._dtype)
        filled = []
        text, decoder = caches[: len(self._text_layers)], caches[len(self._text_layers) :]
        for weights, cache in zip(self._text_layers, text, strict=True):
            x, cache = _apply(layer, weights, x, so_far, None, None, cache, position)
            filled.append(cache)
        for weights, cache, memory in zip(self._decoder_layers, decoder, self._memory, strict=True):
            x, cache = _apply(layer, weights, x, so_far, memory, self._audio_mask, cache, position)
            filled.append(cache)
        logits = _apply(vocabulary(self._config, self._dtype), self._vocabulary, x[:, 0])
        return logits.astype(jnp.float32), tuple(filled)


def write_token_by_token(
    step: TokenStep, keys: jax.Array, temperatures: jax.Array, generation: Generation
) -> jax.Array:
    """Greedy captions, or sampled ones.

    Args:
        step: made for as many clips as there are keys.
        keys: random key of each clip, shape (clips, 2), uint32; what they are matters to "sample" alone.
        temperatures: that logits of each clip are divided by, shape (clips,), float32; the same holds for them.
        generation: with method "greedy" or "sample"; its temperature does not count.

    Returns:
        Token ids, 0 after the end token, shape (clips, max_tokens), int32.
    """

    def more(state):
        position, _, ended, _ = state
        return (position < generation.max_tokens - 1) & ~jnp.all(ended)

    def write_one(state):
        position, ids, ended, caches = state
        logits, caches = step(caches, ids[:, position], position)
        chosen = jnp.where(ended, 0, _choose(logits, keys, temperatures, position, generation))
        ids = jax.lax.dynamic_update_slice_in_dim(ids, chosen[:, None], position + 1, axis=1)
        return position + 1, ids, ended | (chosen == generation.end_token), caches

    clips = len(keys)
    ids = jnp.zeros((clips, generation.max_tokens), jnp.int32).at[:, 0].set(START_TOKEN)
    start = jnp.int32(0), ids, jnp.zeros(clips, bool), step.empty_caches(clips)
    return jax.lax.while_loop(more, write_one, start)[1]


def _choose(
    logits: jax.Array, keys: jax.Array, temperatures: jax.Array, position: jax.Array, generation: Generation
) -> jax.Array:
    """Token ids that follow, shape (clips,)."""
    if generation.method == "greedy":
        return jnp.argmax(logits, axis=-1).astype(jnp.int32)
    typed = jax.random.wrap_key_data(keys, impl="threefry2x32")
    folded = jax.vmap(jax.random.fold_in, in_axes=(0, None))(typed, position)
    drawn = jax.vmap(jax.random.categorical)(folded, logits / temperatures[:, None])
    return drawn.astype(jnp.int32)


def _apply(module: nn.Module, weights: Any, *inputs: Any) -> Any:
    return module.apply({"params": weights}, *inputs)
