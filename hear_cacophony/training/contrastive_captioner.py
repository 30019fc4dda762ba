"""Stage 2 in training form: clips and their texts are drawn together, and the texts are written from the clips."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from hear_cacophony.checkpoint.parameters import to_text_variables, to_variables
from hear_cacophony.engine.window_embedders import PRODUCTS
from hear_cacophony.model.caption_decoder import CaptionDecoder
from hear_cacophony.model.encoder import AudioEncoder
from hear_cacophony.model.pooling import AttentionPooler
from hear_cacophony.model.stages import CACOPHONY, EncoderConfig, TextConfig
from hear_cacophony.model.text_encoder import TextEncoder, TextPooler
from hear_cacophony.training.losses import caption_loss, contrastive_loss
from hear_cacophony.training.masked_autoencoder import PatchSet, unrolls

DROPOUT = 0.1
"""Of the text towers in training, as in RoBERTa."""


class Texts(NamedTuple):
    """A text for each clip of a batch.

    Attributes:
        ids: tokens, both marks among them, shape (batch, tokens), int32.
        mask: True where a token is real, shape (batch, tokens).
    """

    ids: jax.Array
    mask: jax.Array


class Outputs(NamedTuple):
    """What the model makes of clips and texts.

    Attributes:
        audio, text: embeddings of unit norm, shape (batch, hidden_size).
        similarities: exp(logit_scale) * audio @ text.T, shape (batch, batch).
        caption_logits: of the token after each, given those up to it and the clip, shape
            (batch, tokens, vocabulary_size).
    """

    audio: jax.Array
    text: jax.Array
    similarities: jax.Array
    caption_logits: jax.Array


class Losses(NamedTuple):
    """The two losses of stage 2, each of shape ()."""

    contrastive: jax.Array
    caption: jax.Array


@dataclasses.dataclass(frozen=True)
class ContrastiveCaptioner:
    """Forward pass and losses of stage 2, as functions of parameters by their path in the published layout.

    Attributes:
        config: sizes of the audio encoder.
        text_config: sizes of the text towers.
        precision: "float32", or "bfloat16" for the matrix products.
        remat: keep what passes between the layers alone for the gradient, and compute the rest again.
    """

    config: EncoderConfig
    text_config: TextConfig
    precision: str = "float32"
    remat: bool = False

    def forward(
        self,
        parameters: Mapping[str, jax.Array],
        patches: PatchSet,
        texts: Texts,
        steps: int,
        dropout_key: jax.Array | None = None,
    ) -> Outputs:
        """Embed clips and texts, and write the texts in one causal pass over the text encoder's outputs.

        Args:
            parameters: those of all towers, by path.
            patches: of the clips; those of a clip come first.
            texts: one for each clip.
            steps: time steps that all places lie in.
            dropout_key: for the dropout of the text towers; none unless given.
        """
        audio_side, text = to_variables(CACOPHONY, self.config, parameters), self._text_variables(parameters)
        dtype, dropout = jnp.dtype(self.precision), 0.0 if dropout_key is None else DROPOUT
        keys = jax.random.split(dropout_key) if dropout_key is not None else (None, None)
        with jax.default_matmul_precision(PRODUCTS[self.precision]):
            heard: Any = AudioEncoder(self.config, dtype, self.remat, unrolls(remat=self.remat)).apply(
                {"params": audio_side["encoder"]}, patches.values, patches.mask, patches.places, steps
            )
            read: Any = TextEncoder(self.text_config, dtype, dropout, self.remat).apply(
                {"params": text["encoder"]}, texts.ids, texts.mask, rngs=_dropout(keys[0])
            )
            caption_logits: Any = CaptionDecoder(self.text_config, dtype, dropout, self.remat).apply(
                {"params": text["decoder"]}, read, heard, patches.mask, texts.mask, rngs=_dropout(keys[1])
            )
        with jax.default_matmul_precision(PRODUCTS["float32"]):
            audio: Any = AttentionPooler(self.config).apply({"params": audio_side["pooler"]}, heard, patches.mask)
            embedded: Any = TextPooler(self.text_config).apply({"params": text["pooler"]}, read, texts.mask)
            similarities = jnp.exp(text["logit_scale"]) * (audio @ embedded.T)
        return Outputs(audio, embedded, similarities, caption_logits)

    def losses(
        self,
        parameters: Mapping[str, jax.Array],
        patches: PatchSet,
        texts: Texts,
        steps: int,
        dropout_key: jax.Array | None = None,
    ) -> Losses:
        """The contrastive loss of the whole batch, and that of the captions; arguments as in `forward`."""
        outputs = self.forward(parameters, patches, texts, steps, dropout_key)
        return Losses(
            contrastive_loss(outputs.similarities), caption_loss(outputs.caption_logits, texts.ids, texts.mask)
        )

    @staticmethod
    def _text_variables(parameters: Mapping[str, jax.Array]) -> dict:
        return to_text_variables(CACOPHONY, parameters, place=lambda array: array)


def _dropout(key: jax.Array | None) -> dict[str, jax.Array] | None:
    return None if key is None else {"dropout": key}
