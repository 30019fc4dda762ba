"""Captioning: a caption of each clip, scored against those that people wrote."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from hear_cacophony.commands.sound_options import format_csv
from hear_cacophony.files.atomic_write import write_json, write_text
from hear_tasks.evaluate import caption_scores
from hear_tasks.evaluate.evaluator import Evaluator, Scored
from hear_tasks.evaluate.listing import Clip
from hear_tasks.evaluate.model import AudioTextModel, tokenizer_digests
from hear_tasks.evaluate.protocols import CAPTION_SEED, CAPTION_TEMPERATURE


class Captioning(Evaluator):
    """Captioning."""

    def identity(self, model: AudioTextModel) -> dict[str, Any]:
        identity = {"values": "captions", "tokenizer": sorted(tokenizer_digests(model).values())}
        if self.request.published:
            return {**identity, "temperature": CAPTION_TEMPERATURE, "seed": CAPTION_SEED}
        return {**identity, "beams": self.request.num_beams}

    def check(self) -> None:
        caption_scores.check_installed()

    def tag(self, clip: Clip) -> str:
        return f"{clip.number} {clip.name}" if self.request.published else ""

    def compute(self, model: AudioTextModel, samples: Sequence[np.ndarray], clips: Sequence[Clip]) -> np.ndarray:
        return np.array(model.caption(samples, **self._settings(samples, clips)), np.str_)

    def _settings(self, samples: Sequence[np.ndarray], clips: Sequence[Clip]) -> dict[str, Any]:
        """How the model is to write the captions."""
        if self.request.published:
            from hear_cacophony.engine.caption_keys import caption_keys  # here: jax is slow to import

            keys = caption_keys([clip.number for clip in clips], CAPTION_SEED)
            sampling = {"method": "sample", "temperature": CAPTION_TEMPERATURE, "keys": keys}
            return {**sampling, **self.subsets(samples, clips)}
        if self.request.num_beams > 1:
            return {"method": "beam", "beams": self.request.num_beams}
        return {"method": "greedy"}

    def score(
        self,
        model: AudioTextModel,
        clips: Sequence[Clip],
        values: np.ndarray,
        classes: Sequence[str],
        folder: pathlib.Path,
    ) -> Scored:
        captions = [str(value).strip() for value in values]
        _write(folder, clips, captions)
        found = caption_scores.score_captions(captions, [clip.texts for clip in clips])
        empty = sum(not caption for caption in captions)
        lines = [
            self._how,
            f"words: {found.tokens}",
            *([f"empty captions: {empty}"] if empty else []),
            *(f"left out: {name}: {reason}" for name, reason in found.left_out.items()),
        ]
        details = {"tokens": found.tokens, "left_out": found.left_out, "empty_captions": empty}
        return Scored(found.scores, details, lines)

    @property
    def _how(self) -> str:
        if self.request.published:
            return f"captions drawn at temperature {CAPTION_TEMPERATURE}, the key of a clip by its number in the table"
        return f"captions by {self.request.num_beams} beams" if self.request.num_beams > 1 else "greedy captions"


def _write(folder: pathlib.Path, clips: Sequence[Clip], captions: Sequence[str]) -> None:
    most = max(len(clip.texts) for clip in clips)
    header = ("file", "caption", *(f"reference_{i}" for i in range(1, most + 1)))
    pairs = list(zip(clips, captions, strict=True))
    rows = [(clip.name, caption, *clip.texts) for clip, caption in pairs]
    write_text(folder / "captions.csv", format_csv(header, rows))
    write_json(
        folder / "captions.json",
        [{"file": clip.name, "caption": caption, "references": clip.texts} for clip, caption in pairs],
    )
