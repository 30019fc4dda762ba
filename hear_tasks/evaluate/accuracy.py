"""Zero-shot metrics: top-1 and top-5, per class, and the confusion matrix."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

TOP = 5


@dataclasses.dataclass(frozen=True)
class Classified:
    """What a classifier made of clips.

    Attributes:
        classes: names of the classes.
        truths: index of the class of each clip, shape (clips,).
        ranked: indices of the classes from the likeliest on, shape (clips, classes).
        probabilities: of the likeliest class, shape (clips,).
    """

    classes: tuple[str, ...]
    truths: np.ndarray
    ranked: np.ndarray
    probabilities: np.ndarray

    def top(self, k: int, index: int | None = None) -> float:
        """Part of the clips (of those of one class) whose class is among the `k` likeliest; nan without a clip."""
        chosen = np.ones(len(self.truths), bool) if index is None else self.truths == index
        hits = (self.ranked[chosen, :k] == self.truths[chosen, None]).any(axis=1)
        return float(hits.mean()) if len(hits) else float("nan")

    def count(self, index: int) -> int:
        """Clips of a class."""
        return int((self.truths == index).sum())

    def confusion(self) -> np.ndarray:
        """Numbers of clips, shape (classes, classes): rows are their classes, columns what they were taken for."""
        matrix = np.zeros((len(self.classes),) * 2, np.int64)
        np.add.at(matrix, (self.truths, self.ranked[:, 0]), 1)
        return matrix


def classify(
    audio: np.ndarray, texts: np.ndarray, scale: float, classes: Sequence[str], truths: Sequence[str]
) -> Classified:
    """Rank the classes of each clip by the similarity of their texts, equal ones in their order.

    Args:
        audio: embeddings of the clips, unit norm, shape (clips, size).
        texts: embeddings of the classes, unit norm, shape (classes, size).
        scale: the model's factor of similarities, for probabilities.
        classes: names of the classes.
        truths: name of the class of each clip.
    """
    logits = scale * (audio @ texts.T).astype(np.float64)
    ranked = np.argsort(-logits, axis=1, kind="stable")
    best = logits.max(axis=1, keepdims=True)
    probabilities = 1 / np.exp(logits - best).sum(axis=1)
    index = {name: i for i, name in enumerate(classes)}
    return Classified(tuple(classes), np.array([index[name] for name in truths]), ranked, probabilities)
