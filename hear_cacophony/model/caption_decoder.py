"""The caption decoder in Flax linen: layers over the text encoder's outputs that attend to audio, then a vocabulary."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from hear_cacophony.model.stages import TextConfig
from hear_cacophony.model.text_dense import TextDense
from hear_cacophony.model.text_layers import KeysValues, TextLayer, causal_mask, split_heads


class AudioMemory(nn.Module):
    """Keys and values of encoded audio for the cross-attention of all layers, in one product."""

    config: TextConfig
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, encoded: jax.Array) -> list[KeysValues]:
        """From encoded patches, shape (clips, patches, hidden_size).

        Returns:
            Those of each layer.
        """
        config = self.config
        joined = TextDense(config.decoder_layers * 2 * config.hidden_size, dtype=self.dtype, name="layers")(encoded)
        parts = [split_heads(x, config.num_heads) for x in jnp.split(joined, 2 * config.decoder_layers, axis=-1)]
        return [KeysValues(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]


class CaptionDecoder(nn.Module):
    """Logits of the next token, given tokens and audio.

    `dtype` is that of the matrix products; what is between them is float32. `dropout` and `remat`: see `TextEncoder`.
    """

    config: TextConfig
    dtype: jnp.dtype = jnp.float32
    dropout: float = 0.0
    remat: bool = False

    @nn.compact
    def __call__(
        self, text: jax.Array, audio: jax.Array, audio_mask: jax.Array, text_mask: jax.Array | None = None
    ) -> jax.Array:
        """Decode whole texts at once.

        Args:
            text: the text encoder's outputs, shape (batch, tokens, hidden_size).
            audio: the audio encoder's outputs, shape (batch, patches, hidden_size).
            audio_mask: True where a patch is real, shape (batch, patches).
            text_mask: True where a token is real, shape (batch, tokens); all of them unless given.

        Returns:
            Logits of the token after each, shape (batch, tokens, vocabulary_size), float32.
        """
        x, mask = text, causal_mask(text.shape[1])
        if text_mask is not None:
            mask = mask & text_mask[:, None, None, :]
        layer = nn.remat(TextLayer) if self.remat else TextLayer
        for i, memory in enumerate(AudioMemory(self.config, self.dtype, name="audio")(audio)):
            x, _ = layer(self.config, self.dtype, self.dropout, name=f"layer_{i}")(x, mask, memory, audio_mask)
        return vocabulary(self.config, self.dtype, "vocabulary")(x).astype(jnp.float32)


def vocabulary(config: TextConfig, dtype: jnp.dtype, name: str | None = None) -> TextDense:
    """The projection of the decoder's outputs to the vocabulary."""
    return TextDense(config.vocabulary_size, dtype=dtype, name=name)
