"""The clips of a scene task beside what each model predicted of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from hear_tasks.report.predicted import Predicted, Tested

BEST = 3
"""Labels that are shown of each prediction."""

_LEAST = 1e-7
"""Probabilities are taken for this at least in losses, which so stay finite."""


@dataclasses.dataclass(frozen=True)
class ModelClips:
    """What one model predicted, shape (clips, ...); NaN and False where it has no prediction.

    Attributes:
        right: whether the likeliest label is one of the clip's, bool.
        probability: of the clip's label, of several the least; NaN of a clip without one.
        loss: cross-entropy, of several labels the mean of the binary ones.
        best: numbers of the likeliest labels, best first, -1 where there is none.
        best_probabilities: theirs.
    """

    right: np.ndarray
    probability: np.ndarray
    loss: np.ndarray
    best: np.ndarray
    best_probabilities: np.ndarray


@dataclasses.dataclass(frozen=True)
class Clips:
    """Clips, and what models predicted of them.

    Attributes:
        keys: split and name of each clip; the name is "" where it is not known.
        names: for people.
        labels: numbers of the labels of each.
        models: what each predicted, by its title.
    """

    keys: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    labels: tuple[tuple[int, ...], ...]
    models: Mapping[str, ModelClips]

    def order(self) -> np.ndarray:
        """Numbers of the clips, the most wrong first: by the mean loss of the models that have it."""
        return np.argsort(-_mean([model.loss for model in self.models.values()]), kind="stable")

    def who_is_right(self, number: int) -> str:
        """For people."""
        if len(self.models) == 1:
            return "right" if next(iter(self.models.values())).right[number] else "wrong"
        right = [title for title, model in self.models.items() if model.right[number]]
        there = [title for title, model in self.models.items() if np.isfinite(model.loss[number])]
        return "all" if len(right) == len(there) else " and ".join(right) or "none"


def join_clips(found: Mapping[str, Predicted]) -> Clips:
    """The clips of all models, each once."""
    places: dict[tuple[str, str, int], int] = {}
    labels: list[tuple[int, ...]] = []
    for predicted in found.values():
        for test in predicted.tests:
            for row, key in enumerate(_keys(test)):
                if key not in places:
                    places[key] = len(places)
                    labels.append(tuple(np.flatnonzero(test.truths[row]).tolist()))
    models = {title: _of_model(predicted, places) for title, predicted in found.items()}
    names = [f"{split}/{name}" if name else f"row {row} of {split}" for split, name, row in places]
    return Clips(tuple((split, name) for split, name, _ in places), tuple(names), tuple(labels), models)


def _keys(test: Tested) -> list[tuple[str, str, int]]:
    if test.clips:
        return [(test.split, clip, 0) for clip in test.clips]
    return [(test.split, "", row) for row in range(len(test.truths))]


def _of_model(predicted: Predicted, places: Mapping[tuple[str, str, int], int]) -> ModelClips:
    count = len(places)
    found = ModelClips(
        np.zeros(count, bool),
        np.full(count, np.nan),
        np.full(count, np.nan),
        np.full((count, BEST), -1),
        np.full((count, BEST), np.nan),
    )
    for test in predicted.tests:
        rows = np.array([places[key] for key in _keys(test)], np.int64)
        _fill(found, rows, test, multiclass=predicted.is_multiclass)
    return found


def _fill(found: ModelClips, rows: np.ndarray, test: Tested, *, multiclass: bool) -> None:
    probabilities, truths = test.probabilities, test.truths
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :BEST]
    width = best.shape[1]
    found.best[rows, :width] = best
    found.best_probabilities[rows, :width] = np.take_along_axis(probabilities, best, axis=1)
    found.right[rows] = np.take_along_axis(truths, best[:, :1], axis=1)[:, 0]
    own = np.where(truths, probabilities, np.inf).min(axis=1)
    found.probability[rows] = np.where(truths.any(axis=1), own, np.nan)
    clipped = np.clip(probabilities.astype(np.float64), _LEAST, 1 - _LEAST)
    if multiclass:
        found.loss[rows] = -np.log(np.clip(own.astype(np.float64), _LEAST, 1))
    else:
        found.loss[rows] = -np.where(truths, np.log(clipped), np.log1p(-clipped)).mean(axis=1)


def _mean(losses: list[np.ndarray]) -> np.ndarray:
    stacked = np.stack(losses)
    there = np.isfinite(stacked)
    return np.where(there, stacked, 0).sum(axis=0) / np.maximum(1, there.sum(axis=0))
