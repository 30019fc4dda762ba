"""Sounds with a score for each of some labels: which to show of each, and in what order."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Scores of sounds, or of excerpts of them.

    Attributes:
        names: of their files.
        labels: the labels.
        scores: shape (sounds, labels).
        multi: whether each label stands for itself: scores are cosine similarities, from -1 to 1. Otherwise they are
            probabilities, which sum to 1 over the labels.
    """

    names: Sequence[str]
    labels: Sequence[str]
    scores: np.ndarray
    multi: bool

    @property
    def measure(self) -> str:
        """What scores are."""
        return "similarity" if self.multi else "probability"

    def sorted_by(self, label: str) -> Labelled:
        """The same with the highest score of a label first."""
        order = np.argsort(-self.scores[:, self.labels.index(label)], kind="stable")
        return dataclasses.replace(self, names=[self.names[i] for i in order], scores=self.scores[order])

    def best(
        self, top: int | None, threshold: float | None, always: str | None = None
    ) -> list[list[tuple[int, str, float]]]:
        """Of each sound rank, label and score of the best labels, best first.

        Args:
            top: most labels; None: all.
            threshold: least score; None: any.
            always: a label that is among them in any case.
        """
        order = np.argsort(-self.scores, axis=1, kind="stable")
        least = -np.inf if threshold is None else threshold
        return [
            [
                (rank, self.labels[i], float(row[i]))
                for rank, i in enumerate(ranked, 1)
                if ((top is None or rank <= top) and row[i] >= least) or self.labels[i] == always
            ]
            for row, ranked in zip(self.scores, order.tolist(), strict=True)
        ]
