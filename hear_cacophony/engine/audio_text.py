"""The audio-text model: clips and texts in one space, clips named by words, and captions of clips."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hear_cacophony.checkpoint.checkpoint import TextSide
from hear_cacophony.engine.caption_keys import choose_keys
from hear_cacophony.engine.captioning import Captioner
from hear_cacophony.engine.embedding import Clips, EmbeddingModel
from hear_cacophony.engine.encoded_patches import KeptPatches, PatchEncoder, check_kept, count_patches
from hear_cacophony.engine.generation import Generation
from hear_cacophony.engine.options import Options
from hear_cacophony.engine.text_model import TextModel
from hear_cacophony.engine.zero_shot import TEMPLATE, Classification, check_labels, probabilities
from hear_cacophony.frontend.spectrogram import SAMPLE_RATE
from hear_cacophony.text.tokenizer import Tokenizer


class AudioTextModel(TextModel):
    """Cacophony with its text side. NumPy arrays and texts in and out.

    Attributes:
        audio: the audio side, which embeds along clips, too.
        text_config, logit_scale: see `TextModel`.
        source, md5, untrained: see `EmbeddingModel`.
    """

    def __init__(self, audio: EmbeddingModel, text: TextSide, find_tokenizer: Callable[[], Tokenizer]) -> None:
        """Put the two sides together.

        Args:
            audio: the audio side, of stage 2.
            text: the text side of the same checkpoint; it is read into the devices' memory, array by array.
            find_tokenizer: called when a text is first needed.
        """
        self.audio = audio
        super().__init__(audio.stage, text, find_tokenizer, audio.options, audio.devices, decoder=True)

    def with_options(self, options: Options) -> AudioTextModel:
        """The same weights with other options; nothing is loaded or copied."""
        model = copy.copy(self)
        model.audio = self.audio.with_options(options)
        model._make_embedders(options)
        return model

    def _make_embedders(self, options: Options) -> None:
        super()._make_embedders(options)
        self._patch_encoder = PatchEncoder(self.audio)
        self._captioner = Captioner(self._variables, self.text_config, options.precision, self._devices)

    @property
    def source(self) -> str:
        """Name of the file that the weights are from, or of the untrained ones."""
        return self.audio.source

    @property
    def md5(self) -> str:
        """MD5 of the file that the weights were published in; "" where there is none."""
        return self.audio.md5

    @property
    def untrained(self) -> bool:
        """True where the weights are random."""
        return self.audio.untrained

    def embed_audio(
        self, clips: Clips, *, sample_rate: float = SAMPLE_RATE, kept_patches: KeptPatches | None = None
    ) -> np.ndarray:
        """One embedding for each clip.

        Args:
            clips: arrays or audio files, as in `EmbeddingModel.embed_scenes`.
            sample_rate: samples per second of the arrays.
            kept_patches: for each clip the indices of the patches that count, or None for all
                of them; see `PatchEncoder.encode_kept`.

        Returns:
            Of unit norm, shape (clips, embedding_size), float32.

        Raises:
            ValueError, TypeError: as `EmbeddingModel.embed_scenes`.
        """
        if kept_patches is None:
            return self.audio.embed_scenes(clips, sample_rate)
        return self._patch_encoder.embed_some(self.audio.check_clips(clips, sample_rate), kept_patches)

    def classify(
        self,
        clips: Clips,
        labels: Sequence[str],
        *,
        template: str | Sequence[str] = TEMPLATE,
        sample_rate: float = SAMPLE_RATE,
    ) -> Classification:
        """Which of some labels fits a clip, without training (zero-shot).

        Args:
            clips, sample_rate: as in `embed_audio`.
            labels: two or more, all different, such as ["dog", "rain"].
            template: the prompt, with {} for the label; or several, whose embeddings are averaged.

        Returns:
            The probability of each label for each clip: the softmax of exp(`logit_scale`) times the similarities.

        Raises:
            ValueError: no label, a single one, equal or empty ones; a template without its {}; as `embed_audio`.
            FileNotFoundError: there is no tokenizer.
        """
        texts = self.embed_labels(check_labels(labels), template=template)
        similar = self.similarities(self.embed_audio(clips, sample_rate=sample_rate), texts)
        return Classification(tuple(labels), probabilities(similar, self.logit_scale))

    def caption(
        self,
        clips: Clips,
        method: str = "greedy",
        *,
        sample_rate: float = SAMPLE_RATE,
        seed: int | None = None,
        keys: np.ndarray | None = None,
        kept_patches: KeptPatches | None = None,
        **options: Any,
    ) -> list[str]:
        """A caption of each clip.

        A clip that is longer than a window is encoded in windows, and its caption attends to all of them.

        Args:
            clips, sample_rate, kept_patches: as in `embed_audio`.
            method: "greedy", "sample" or "beam".
            seed: "sample" only: clip number n has the key split(fold_in(PRNGKey(seed), n), 1)[0], as published; 42
                unless given.
            keys: "sample" only: the random key of each clip instead, shape (clips, 2), uint32.
            options: `max_tokens`, `temperature`, `beams`, `length_power`: see `Generation`.

        Raises:
            ValueError, TypeError: an impossible option, or as `embed_audio`.
            FileNotFoundError: there is no tokenizer.
        """
        tokenizer = self.tokenizer
        clips = self.audio.check_clips(clips, sample_rate)
        ids = self.caption_tokens(clips, method, seed=seed, keys=keys, kept_patches=kept_patches, **options)
        return [tokenizer.decode(tokens[1:].tolist()).strip() for tokens in ids]

    def caption_tokens(
        self,
        clips: Clips,
        method: str = "greedy",
        *,
        sample_rate: float = SAMPLE_RATE,
        seed: int | None = None,
        keys: np.ndarray | None = None,
        kept_patches: KeptPatches | None = None,
        **options: Any,
    ) -> np.ndarray:
        """The token ids of `caption`, for which no tokenizer is needed.

        Args and errors as there, and `end_token`, the id after which a caption ends (2).

        Returns:
            Shape (clips, max_tokens), int32; the first is 0 (the start mark), those after the end token are 0.
        """
        how = Generation(method, **options)
        checked = self.audio.check_clips(clips, sample_rate)
        kept = [None] * len(checked) if kept_patches is None else check_kept(kept_patches, checked)
        keys = choose_keys(how.method, len(checked), seed, keys)
        patches = [count_patches(len(clip)) if k is None else len(k) for clip, k in zip(checked, kept, strict=True)]
        results = np.empty((len(checked), how.max_tokens), np.int32)
        for batch in self._captioner.batches(patches, how):
            members = list(batch.windows)
            encoded = self._patch_encoder.encode_some([checked[i] for i in members], [kept[i] for i in members])
            results[members] = self._captioner.write(encoded, keys[members], batch, how)
        return results

    def caption_logits(
        self, clips: Clips, tokens: Sequence[Sequence[int]] | np.ndarray, *, sample_rate: float = SAMPLE_RATE
    ) -> np.ndarray:
        """Logits of the token after each of the tokens given, as a caption of the clip (teacher forcing).

        Args:
            clips, sample_rate: as in `embed_audio`.
            tokens: token ids of one text for each clip, all of one length, shape (clips, tokens).

        Returns:
            Shape (clips, tokens, vocabulary_size), float32.
        """
        checked = self.audio.check_clips(clips, sample_rate)
        return self._captioner.logits(self._patch_encoder.encode(checked), tokens)
