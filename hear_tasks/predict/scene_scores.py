"""heareval's scores of scene tasks, from arrays of predictions and targets.

Their values have the types that heareval's have: Lightning logs a float of Python in single precision and NumPy's
in double precision.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray


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
    return float(np.average(_roc_areas(predictions, targets)))


def _d_prime(predictions: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """Mean over the labels of the distance of two normal distributions that would give their area under the curve."""
    if not np.isfinite(predictions).all():
        return np.nan
    import scipy.special  # takes long to load

    return np.mean(scipy.special.ndtri(_roc_areas(predictions, targets)) * np.sqrt(2.0))


def average_precisions(predictions: NDArray[np.floating], targets: NDArray[np.floating]) -> NDArray[np.float64]:
    """Average precision of each label, 0 of one without a positive, rounded as scikit-learn 1.9 rounds it."""
    return np.array([_average_precision(true, false) for true, false in _counts(predictions, targets)])


def _average_precision(true: NDArray[np.float64], false: NDArray[np.float64]) -> float:
    precision = np.flip(true / (true + false))
    recall = np.append(np.flip(true / true[-1] if true[-1] else np.ones_like(true)), 0.0)
    # Where there is no positive, all precisions are 0.
    return max(0.0, -np.sum(np.diff(recall) * precision))


def _roc_areas(predictions: NDArray[np.floating], targets: NDArray[np.floating]) -> NDArray[np.float64]:
    """Area under the ROC curve of each label; NaN for one without a positive, or without a negative."""
    return np.array([_roc_area(true, false) for true, false in _counts(predictions, targets)])


def _roc_area(true: NDArray[np.float64], false: NDArray[np.float64]) -> float:
    if not true[-1] or not false[-1]:
        return np.nan
    if len(true) > 2:
        # Corners of the curve, and its ends.
        corners = np.ones(len(true), dtype=bool)
        corners[1:-1] = (np.diff(true, 2) != 0) | (np.diff(false, 2) != 0)
        true, false = true[corners], false[corners]
    true, false = np.append(0.0, true), np.append(0.0, false)
    return float(np.trapezoid(true / true[-1], false / false[-1]))


def _counts(
    predictions: NDArray[np.floating], targets: NDArray[np.floating]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """For each label, how many positives and negatives lie above each of its thresholds, the highest one first.

    All labels are sorted at once: with hundreds of them that is most of the time.
    """
    order = np.argsort(predictions.T, axis=1)[:, ::-1]
    ordered = np.take_along_axis(predictions.T, order, axis=1)
    true = np.take_along_axis(targets.T, order, axis=1).cumsum(axis=1, dtype=np.float64)
    ends = np.ones(ordered.shape, dtype=bool)
    ends[:, :-1] = np.diff(ordered, axis=1) != 0
    for label in range(len(ordered)):
        rows = np.flatnonzero(ends[label])
        above = true[label, rows]
        yield above, 1 + rows - above


SCENE_SCORES: Mapping[str, SceneScore] = {
    "top1_acc": SceneScore(_top1_accuracy),
    "pitch_acc": SceneScore(_top1_accuracy),
    "chroma_acc": SceneScore(_chroma_accuracy),
    "mAP": SceneScore(_mean_average_precision),
    "d_prime": SceneScore(_d_prime),
    "aucroc": SceneScore(_roc_auc),
}
"""By the name that a task's metadata gives them."""
