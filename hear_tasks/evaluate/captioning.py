"""Captioning: a caption of each clip, scored against those that people wrote."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from hear_cacophony.files.atomic_write import write_json
from hear_tasks.evaluate import caption_scores
from hear_tasks.evaluate.listing import Clip
from hear_tasks.evaluate.model import AudioTextModel, tokenizer_digests
from hear_tasks.evaluate.over_clips import Sound
from hear_tasks.evaluate.protocols import CAPTION_SEED, CAPTION_TEMPERATURE
from hear_tasks.evaluate.result_files import write_csv
from hear_tasks.evaluate.results import Evaluator, Scored


class Captioning(Evaluator):
    """Captioning."""

    def identity(self, model: AudioTextModel) -> dict[str, Any]:
        identity = {"values": "captions", "tokenizer": sorted(tokenizer_digests(model).values())}
        if self.request.published:
            return {**identity, "temperature": CAPTION_TEMPERATURE, "seed": CAPTION_SEED}
        return {**identity, "beams": self.request.num_beams}

    def check(self) -> None:
        caption_scores.check_installed()

    def compute(self, model: AudioTextModel, sounds: Sequence[Sound]) -> np.ndarray:
        clips = [sound.samples for sound in sounds]
        return np.array(model.caption(clips, **self._settings(sounds)), np.str_)

    def _settings(self, sounds: Sequence[Sound]) -> dict[str, Any]:
        """How the model is to write the captions."""
        if self.request.published:
            from hear_cacophony.engine.caption_keys import caption_keys  # here: jax is slow to import

            keys = caption_keys([sound.clip.number for sound in sounds], CAPTION_SEED)
            sampling = {"method": "sample", "temperature": CAPTION_TEMPERATURE, "keys": keys}
            return {**sampling, **self.subsets(sounds)}
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
    write_csv(folder / "captions.csv", header, ((clip.name, caption, *clip.texts) for clip, caption in pairs))
    write_json(
        folder / "captions.json",
        [{"file": clip.name, "caption": caption, "references": clip.texts} for clip, caption in pairs],
    )
