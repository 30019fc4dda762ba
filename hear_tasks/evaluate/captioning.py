"""Captioning: a caption of each clip, scored by `aac-metrics` against those that people wrote."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hear_cacophony.commands.sound_options import format_csv
from hear_cacophony.engine.audio_text import AudioTextModel
from hear_cacophony.files.atomic_write import write_json, write_text
from hear_cacophony.installed import check_installed
from hear_cacophony.printable import as_text
from hear_cacophony.text.tokenizer import tokenizer_digests
from hear_tasks.evaluate.evaluator import Computed, Evaluator, Scored
from hear_tasks.evaluate.listing import Clip
from hear_tasks.evaluate.protocols import CAPTION_SEED, CAPTION_TEMPERATURE

JAVA_VERSIONS = range(8, 14)
"""Those that aac-metrics runs its Java programs with."""

_OPTIONAL = {"METEOR": "meteor", "SPICE": "spice", "FENSE": "fense"}
"""Functions of aac-metrics, by measures that need Java programs or models."""

_JARS = {
    "PTB tokens": "aac-metrics/stanford_nlp/stanford-corenlp-3.4.1.jar",
    "METEOR": "aac-metrics/meteor/meteor-1.5.jar",
    "SPICE": "aac-metrics/spice/spice-1.0.jar",
}
_FENSE_MODEL = "echecker_clotho_audiocaps_base.ckpt"
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


class Captioning(Evaluator):
    """Captioning."""

    def identity(self, model: AudioTextModel) -> dict[str, Any]:
        identity = {"values": "captions", "tokenizer": sorted(tokenizer_digests(model.tokenizer.files).values())}
        if self.request.published:
            return {**identity, "temperature": CAPTION_TEMPERATURE, "seed": CAPTION_SEED}
        return {**identity, "beams": self.request.num_beams}

    def check(self) -> None:
        check_installed("scores of captions need", "aac-metrics", extra="captions")

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

    def score(self, model: AudioTextModel, computed: Computed, folder: pathlib.Path) -> Scored:
        clips = computed.clips
        captions = [str(value).strip() for value in computed.values]
        found = score_captions(captions, [clip.texts for clip in clips])
        _write(folder, clips, captions, found.by_clip)
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


def _write(
    folder: pathlib.Path, clips: Sequence[Clip], captions: Sequence[str], scores: Mapping[str, Sequence[float]]
) -> None:
    most = max(len(clip.texts) for clip in clips)
    header = ("file", "caption", *(f"reference_{i}" for i in range(1, most + 1)), *scores, "path")
    pairs = list(zip(clips, captions, strict=True))
    rows = [
        (
            clip.name,
            caption,
            *clip.texts,
            *[""] * (most - len(clip.texts)),
            *(f"{values[number]:.6f}" for values in scores.values()),
            as_text(str(clip.path)),
        )
        for number, (clip, caption) in enumerate(pairs)
    ]
    write_text(folder / "captions.csv", format_csv(header, rows))
    write_json(
        folder / "captions.json",
        [{"file": clip.name, "caption": caption, "references": clip.texts} for clip, caption in pairs],
    )


@dataclasses.dataclass(frozen=True)
class CaptionScores:
    """Scores of a set of captions.

    Attributes:
        scores: by measure.
        left_out: why a measure is not there, by measure.
        tokens: how the texts were cut into words.
        by_clip: the scores of each caption, by measure, of those that have such.
    """

    scores: dict[str, float]
    left_out: dict[str, str]
    tokens: str
    by_clip: dict[str, list[float]] = dataclasses.field(default_factory=dict)


def score_captions(captions: Sequence[str], references: Sequence[Sequence[str]]) -> CaptionScores:
    """Score captions against references.

    Texts are cut into words by the PTB tokenizer where Java and its program are there. Elsewhere they are put in
    lower case and rid of punctuation, which is what that tokenizer does to most captions.

    Args:
        captions: one for each clip.
        references: any number of texts, at least one, for each clip.
    """
    without = _not_there()
    if "PTB tokens" in without:
        tokens = f"words in lower case without punctuation ({without.pop('PTB tokens')})"
        words, reference_words = _plain(captions), [_plain(texts) for texts in references]
    else:
        tokens = "PTB tokenizer"
        words, reference_words = _ptb(captions, references)
    found, left_out = _own_scores(words, reference_words)
    left_out.update(without)
    for measure in _OPTIONAL.keys() - without.keys():
        try:
            found[measure] = _score(_OPTIONAL[measure], words, reference_words)
        except Exception as error:  # of a program or a model that is none of ours; the other scores stand
            left_out[measure] = f"it failed: {error}"
    if "SPICE" in found and "CIDEr-D" in found:
        pairs = zip(found["CIDEr-D"][1], found["SPICE"][1], strict=True)
        found["SPIDEr"] = (found["SPICE"][0] + found["CIDEr-D"][0]) / 2, [(a + b) / 2 for a, b in pairs]
    else:
        left_out["SPIDEr"] = "it is the mean of CIDEr-D and SPICE"
    scores = {measure: score for measure, (score, _) in found.items()}
    return CaptionScores(scores, left_out, tokens, {measure: each for measure, (_, each) in found.items()})


def _plain(texts: Sequence[str]) -> list[str]:
    return [" ".join(_WORD.findall(text.lower())) for text in texts]


def _ptb(captions: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    from aac_metrics.utils.tokenization import preprocess_mono_sents, preprocess_mult_sents

    one_line = [" ".join(text.split()) for text in captions]
    return preprocess_mono_sents(one_line), preprocess_mult_sents(
        [[" ".join(text.split()) for text in texts] for texts in references]
    )


_Found = tuple[float, list[float]]
"""A score of all captions, and that of each."""


def _own_scores(words: list[str], references: list[list[str]]) -> tuple[dict[str, _Found], dict[str, str]]:
    found, left_out = {}, {}
    if len(words) > 1:
        found["CIDEr-D"] = _score("cider_d", words, references)
    else:
        left_out["CIDEr-D"] = "it weighs words by how many clips have them, so it needs two clips"
    for n in range(1, 5):
        found[f"BLEU-{n}"] = _score(f"bleu_{n}", words, references)
    found["ROUGE-L"] = _score("rouge_l", words, references)
    return found, left_out


def _score(name: str, words: list[str], references: list[list[str]]) -> _Found:
    from aac_metrics import functional

    function: Callable = getattr(functional, name)
    corpus, each = function(words, references)
    return float(corpus[name]), [float(value) for value in each[name]]


def _not_there() -> dict[str, str]:
    """Which Java programs and models are not there, and why."""
    java = _java_problem()
    cache = pathlib.Path(os.environ.get("AAC_METRICS_CACHE_PATH") or "~/.cache").expanduser()
    reasons = {name: java or f"no {jar}: run aac-metrics-download" for name, jar in _JARS.items()}
    reasons = {name: reason for name, reason in reasons.items() if java or not (cache / _JARS[name]).is_file()}
    if not (_fense_folder() / _FENSE_MODEL).is_file():
        reasons["FENSE"] = f"no {_FENSE_MODEL}: run aac-metrics-download"
    return reasons


def _fense_folder() -> pathlib.Path:
    """Where aac-metrics looks for the models of FENSE."""
    hub = pathlib.Path(os.environ.get("TORCH_HOME") or "~/.cache/torch") / "hub"
    return pathlib.Path(os.environ.get("FENSE_DATA") or hub / "fense_data").expanduser()


def _java_problem() -> str:
    """Why Java programs cannot be run, "" where they can."""
    low, high = JAVA_VERSIONS[0], JAVA_VERSIONS[-1]
    java = shutil.which(os.environ.get("AAC_METRICS_JAVA_PATH") or "java")
    if java is None:
        return f"no Java {low} to {high}"
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(?:1\.)?(\d+)', told.stderr + told.stdout)
    if version is None or int(version[1]) not in JAVA_VERSIONS:
        return f"no Java {low} to {high}, {java} is {version[1] if version else 'of unknown version'}"
    return ""
