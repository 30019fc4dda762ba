"""What each kind of evaluation does: what it computes of clips, and what it makes of that."""

from __future__ import annotations

import abc
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hear_cacophony.engine.audio_text import AudioTextModel
from hear_tasks.evaluate.listing import Clip
from hear_tasks.evaluate.protocols import choose_patches
from hear_tasks.evaluate.request import Request


@dataclasses.dataclass(frozen=True)
class Scored:
    """What an evaluation found.

    Attributes:
        scores: by measure, named as the published figures are.
        details: the same and more for the JSON file.
        lines: what to print of it beside the scores.
        intervals: 95% intervals of scores, by measure.
    """

    scores: Mapping[str, float]
    details: Mapping[str, Any]
    lines: Sequence[str] = ()
    intervals: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Computed:
    """The clips that could be read, their values in the same order, and all classes of the data set."""

    clips: Sequence[Clip]
    values: np.ndarray
    classes: Sequence[str]


class Evaluator(abc.ABC):
    """One kind of evaluation: what is computed of each clip, and what is made of that."""

    def __init__(self, request: Request) -> None:
        self.request = request

    @abc.abstractmethod
    def identity(self, model: AudioTextModel) -> dict[str, Any]:
        """What a clip's value depends on beside weights, protocol, limits and options."""

    @abc.abstractmethod
    def check(self) -> None:
        """Raise, before any work, what would fail for a package that is not installed."""

    def tag(self, clip: Clip) -> str:
        """What of a clip its value depends on besides its samples."""
        return clip.name if self.request.published else ""

    @abc.abstractmethod
    def compute(self, model: AudioTextModel, samples: Sequence[np.ndarray], clips: Sequence[Clip]) -> np.ndarray:
        """The value of each clip.

        Samples of each clip are 16 kHz mono, shape (samples,), float32.
        """

    @abc.abstractmethod
    def score(self, model: AudioTextModel, computed: Computed, folder: pathlib.Path) -> Scored:
        """Score the clips by their values, and write files of the particulars to a folder."""

    def subsets(self, samples: Sequence[np.ndarray], clips: Sequence[Clip]) -> dict[str, Any]:
        """For the model, where a clip is beyond the limit: the patches of each clip that count, None for all."""
        limit, seed = self.request.limits.patches, self.request.patch_seed
        pairs = zip(samples, clips, strict=True)
        patches = [choose_patches(len(each), limit, seed, clip.name) for each, clip in pairs]
        return {} if all(each is None for each in patches) else {"kept_patches": patches}


class EmbeddingEvaluator(Evaluator):
    """An evaluation of embeddings of clips."""

    def identity(self, model: AudioTextModel) -> dict[str, Any]:
        return {"values": "embeddings"}

    def compute(self, model: AudioTextModel, samples: Sequence[np.ndarray], clips: Sequence[Clip]) -> np.ndarray:
        return model.embed_audio(samples, **self.subsets(samples, clips))
