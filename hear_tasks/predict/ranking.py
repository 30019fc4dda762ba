"""Average precision and area under the ROC curve of each label, rounded as scikit-learn 1.9 rounds them.

All labels are sorted at once, and nothing is checked twice: with hundreds of labels that is most of the time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def average_precisions(predictions: NDArray[np.floating], targets: NDArray[np.floating]) -> NDArray[np.float64]:
    """Average precision of each label, 0 of one without a positive.

    Args:
        predictions: finite, shape (rows, labels).
        targets: 0 or 1, the same shape.
    """
    return np.array([_average_precision(true, false) for true, false in _counts(predictions, targets)])


def _average_precision(true: NDArray[np.float64], false: NDArray[np.float64]) -> float:
    precision = np.flip(true / (true + false))
    recall = np.append(np.flip(true / true[-1] if true[-1] else np.ones_like(true)), 0.0)
    # Where there is no positive, all precisions are 0.
    return max(0.0, -np.sum(np.diff(recall) * precision))


def roc_areas(predictions: NDArray[np.floating], targets: NDArray[np.floating]) -> NDArray[np.float64]:
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
    """For each label, how many positives and negatives lie above each of its thresholds, the highest one first."""
    order = np.argsort(predictions.T, axis=1)[:, ::-1]
    ordered = np.take_along_axis(predictions.T, order, axis=1)
    true = np.take_along_axis(targets.T, order, axis=1).cumsum(axis=1, dtype=np.float64)
    ends = np.ones(ordered.shape, dtype=bool)
    ends[:, :-1] = np.diff(ordered, axis=1) != 0
    for label in range(len(ordered)):
        rows = np.flatnonzero(ends[label])
        above = true[label, rows]
        yield above, 1 + rows - above
