"""Retrieval: clips by their captions, and captions by their clips."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from hear_tasks.evaluate.listing import Clip
from hear_tasks.evaluate.model import AudioTextModel
from hear_tasks.evaluate.result_files import write_csv
from hear_tasks.evaluate.results import EmbeddingEvaluator, Scored
from hear_tasks.evaluate.retrieval_scores import Captions, audio_to_text, text_to_audio

_SHOWN = 10
"""Clips in the table of the best ones."""


class Retrieval(EmbeddingEvaluator):
    """Retrieval both ways."""

    def check(self) -> None:
        pass

    def score(
        self,
        model: AudioTextModel,
        clips: Sequence[Clip],
        values: np.ndarray,
        classes: Sequence[str],
        folder: pathlib.Path,
    ) -> Scored:
        captions = Captions(
            tuple(text for clip in clips for text in clip.texts),
            tuple(i for i, clip in enumerate(clips) for _ in clip.texts),
        )
        similarities = self._embed_captions(model, captions) @ values.T
        _write_best(folder / "text_to_audio.csv", captions, clips, similarities)
        published = self.request.published
        both = {
            "text-to-audio": text_to_audio(similarities, captions, published=published),
            "audio-to-text": audio_to_text(similarities, captions, published=published),
        }
        named = {f"{way} {name}": each for way, found in both.items() for name, each in found.items()}
        details = {
            "captions": len(captions.texts),
            "equal_captions": captions.equal,
            "estimates": {way: {k: dataclasses.asdict(v) for k, v in found.items()} for way, found in both.items()},
        }
        return Scored(
            {name: each.estimate for name, each in named.items()},
            details,
            [self._describe(captions)],
            {name: each.interval95 for name, each in named.items()},
        )

    def _embed_captions(self, model: AudioTextModel, captions: Captions) -> np.ndarray:
        """Embeddings of the captions, equal ones exactly alike."""
        distinct = list(dict.fromkeys(captions.texts))
        embedded = model.embed_texts(distinct, max_tokens=self.request.limits.tokens)
        row = {text: i for i, text in enumerate(distinct)}
        return embedded[[row[text] for text in captions.texts]]

    def _describe(self, captions: Captions) -> str:
        how = "each mapped to one clip, as published" if self.request.published else "never counted against their clips"
        return f"{len(captions.texts)} captions, {captions.equal} of them equal to another ({how})"


def _write_best(path: pathlib.Path, captions: Captions, clips: Sequence[Clip], similarities: np.ndarray) -> None:
    """Each caption with its clip and the clips that were found by it."""
    header = ("caption", "file", *(f"found_{i}" for i in range(1, _SHOWN + 1)))
    rows = (
        (text, clips[owner].name, *(clips[i].name for i in np.argsort(-row, kind="stable")[:_SHOWN]))
        for text, owner, row in zip(captions.texts, captions.owners, similarities, strict=True)
    )
    write_csv(path, header, rows)
