"""The text side of Cacophony: texts and labels in the space of clips. It needs no audio side."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np

from hear_cacophony.checkpoint.checkpoint import TextSide
from hear_cacophony.checkpoint.parameters import to_text_variables
from hear_cacophony.engine.devices import Devices
from hear_cacophony.engine.options import Options
from hear_cacophony.engine.text_checks import check_texts
from hear_cacophony.engine.text_embedding import TextEmbedder
from hear_cacophony.engine.tokens import MAX_TOKENS, check_tokens
from hear_cacophony.engine.zero_shot import TEMPLATE, embed_labels, similarities
from hear_cacophony.model.stages import Stage
from hear_cacophony.text.tokenizer import Tokenizer


class TextModel:
    """The text side alone. Texts in, NumPy arrays out.

    Attributes:
        text_config: sizes of the text side.
        logit_scale: logarithm of the factor of similarities in classification.
    """

    def __init__(
        self,
        stage: Stage,
        text: TextSide,
        find_tokenizer: Callable[[], Tokenizer],
        options: Options,
        devices: Devices,
        *,
        decoder: bool = False,
    ) -> None:
        """Read the text side into the devices' memory, array by array.

        Args:
            stage: that of the checkpoint.
            text: its text side.
            find_tokenizer: called when a text is first needed.
            options: precision.
            devices: what it runs on.
            decoder: whether captions are going to be written.
        """
        self.text_config = text.config
        self._devices = devices
        self._variables = to_text_variables(stage, text.parameters, devices.replicate, decoder=decoder)
        self.logit_scale = float(self._variables["logit_scale"])
        self._find_tokenizer = functools.cache(find_tokenizer)
        self._make_embedders(options)

    def _make_embedders(self, options: Options) -> None:
        self._text_embedder = TextEmbedder(self._variables, self.text_config, options.precision, self._devices)

    @property
    def embedding_size(self) -> int:
        """Values in an embedding."""
        return self.text_config.hidden_size

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, read when it is first needed.

        Raises:
            FileNotFoundError, ValueError: see `hear_cacophony.text.tokenizer.load_tokenizer`.
        """
        return self._find_tokenizer()

    def embed_texts(self, texts: Sequence[str], *, max_tokens: int = MAX_TOKENS) -> np.ndarray:
        """One embedding for each text.

        Args:
            texts: such as "A dog barks". An empty one is embedded with a warning.
            max_tokens: longer texts are cut to this many tokens, both marks included, with a warning;
                from 3 to 100.

        Returns:
            Of unit norm, shape (texts, embedding_size), float32.

        Raises:
            ValueError: no text, or an impossible limit.
            TypeError: a single text, or something else than texts.
            FileNotFoundError: there is no tokenizer.
        """
        return self.embed_tokens(self._encode(texts, max_tokens))

    def embed_tokens(self, tokens: Sequence[Sequence[int] | np.ndarray]) -> np.ndarray:
        """`embed_texts` of token ids, for which no tokenizer is needed.

        Args:
            tokens: the ids of each text, both marks included, without padding.

        Raises:
            ValueError: no text, one of no tokens or of more than 100, or an id that is not in the vocabulary.
            TypeError: ids that are no integers.
        """
        return self._text_embedder.embed(check_tokens(tokens, self.text_config))

    def similarities(self, audio_embeddings: np.ndarray, text_embeddings: np.ndarray) -> np.ndarray:
        """Cosine similarity of each clip with each text.

        The logits of the published model are these times exp(`logit_scale`).

        Args:
            audio_embeddings: shape (clips, embedding_size).
            text_embeddings: shape (texts, embedding_size).

        Returns:
            Shape (clips, texts), float32.

        Raises:
            ValueError: other shapes, or values that are not finite.
        """
        return similarities(audio_embeddings, text_embeddings, self.embedding_size)

    def embed_labels(
        self, labels: Sequence[str], *, template: str | Sequence[str] = TEMPLATE, max_tokens: int = MAX_TOKENS
    ) -> np.ndarray:
        """One embedding for each label: that of its prompt, or the mean of several, again of unit norm.

        Args and errors as in `AudioTextModel.classify`; a single label will do.

        Returns:
            Shape (labels, embedding_size), float32.
        """
        return embed_labels(lambda prompts: self.embed_texts(prompts, max_tokens=max_tokens), labels, template)

    def _encode(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        check_texts(texts)
        if isinstance(max_tokens, bool) or max_tokens not in range(3, MAX_TOKENS + 1):
            raise ValueError(f"max_tokens={max_tokens!r} is not possible; expected 3 to {MAX_TOKENS}")
        return self.tokenizer.encode(texts, max_tokens)
