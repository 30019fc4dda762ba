"""heareval's scores of scene tasks, from arrays of predictions and targets.

Their values have the types that heareval's have: Lightning logs a float of Python in single precision and NumPy's
in double precision.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from hear_tasks.predict.ranking import average_precisions, roc_areas


@dataclasses.dataclass(frozen=True)
class SceneScore:
    """A score of a scene task.

    Attributes:
        compute: from predictions and targets, both (rows, labels), targets 0 or 1; NaN where there is none.
        maximize: whether more is better.
    """

    compute: Callable[[NDArray[np.float32], NDArray[np.float32]], float]
    maximize: bool = True


def _top1_accuracy(predictions: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """Share of rows whose highest prediction is the highest target, the first one of equals."""
    correct = predictions.argmax(axis=1) == targets.argmax(axis=1)
    return int(np.count_nonzero(correct)) / len(targets)


def _chroma_accuracy(predictions: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """The same but for octaves of twelve labels."""
    correct = predictions.argmax(axis=1) % 12 == targets.argmax(axis=1) % 12
    return int(np.count_nonzero(correct)) / len(targets)


def _mean_average_precision(predictions: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    if not np.isfinite(predictions).all():
        raise ValueError("expected finite predictions, got NaN: training has diverged; are the embeddings very large?")
    return float(np.average(average_precisions(predictions, targets)))


def _roc_auc(predictions: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    if not np.isfinite(predictions).all():
        return np.nan
    return float(np.average(roc_areas(predictions, targets)))


def _d_prime(predictions: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """Mean over the labels of the distance of two normal distributions that would give their area under the curve."""
    if not np.isfinite(predictions).all():
        return np.nan
    import scipy.special  # takes long to load

    return np.mean(scipy.special.ndtri(roc_areas(predictions, targets)) * np.sqrt(2.0))


SCENE_SCORES: Mapping[str, SceneScore] = {
    "top1_acc": SceneScore(_top1_accuracy),
    "pitch_acc": SceneScore(_top1_accuracy),
    "chroma_acc": SceneScore(_chroma_accuracy),
    "mAP": SceneScore(_mean_average_precision),
    "d_prime": SceneScore(_d_prime),
    "aucroc": SceneScore(_roc_auc),
}
"""By the name that a task's metadata gives them."""
