"""From predictions for frames to events, as heareval 2021.1.3 makes them.

A label is active in a frame where its median over a window exceeds a threshold; an event is a run of active frames
that lasts long enough. heareval tries a grid of windows, thresholds and shortest lengths in each validation.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from hear_tasks.predict.events import Events, Frames

Postprocessing = tuple[tuple[str, Any], ...]
"""A point of the grid as heareval records it: parameters with their values, sorted by name."""

PostprocessingGrid = Mapping[str, Sequence[Any]]
"""The values that each parameter may have."""

DEFAULT_GRID: PostprocessingGrid = {"median_filter_ms": (250,), "min_duration": (125, 250)}
"""What heareval tries where the task's metadata does not give a grid."""

_DEFAULTS: Mapping[str, float] = {"threshold": 0.5, "median_filter_ms": 150, "min_duration": 60.0}
"""The parameters, with the values that heareval gives those that are not in the grid."""


def list_postprocessings(grid: PostprocessingGrid | Sequence[PostprocessingGrid]) -> list[Postprocessing]:
    """The points of a grid, or of several one after the other, each once, in heareval's order.

    Raises:
        ValueError: a parameter is not one of heareval's, or has no list of values.
    """
    points: dict[Postprocessing, None] = {}
    parts = [grid] if isinstance(grid, Mapping) else grid
    if not isinstance(parts, list) or not parts or not all(isinstance(part, Mapping) for part in parts):
        raise ValueError(f"expected lists of values by parameter of event postprocessing, got {grid!r}")
    for part in parts:
        for name, values in part.items():
            _check_parameter(name, values)
        names = sorted(part)
        for values in itertools.product(*(part[name] for name in names)):
            points.setdefault(tuple(zip(names, values, strict=True)))
    return list(points)


def _check_parameter(name: str, values: object) -> None:
    if name not in _DEFAULTS:
        known = ", ".join(_DEFAULTS)
        raise ValueError(
            f"expected parameters of event postprocessing ({known}), got {name!r}; see the task's metadata"
        )
    if not isinstance(values, list | tuple) or not values:
        raise ValueError(f"expected a list of values for {name} in event postprocessing, got {values!r}")
    bad = [value for value in values if type(value) not in (int, float) or not math.isfinite(value)]
    if bad:
        raise ValueError(f"expected numbers as values for {name} in event postprocessing, got {bad[0]!r}")


def check_filters(frames: Frames, points: Iterable[Postprocessing]) -> None:
    """Raise ValueError where the filter of a postprocessing is not possible for a clip."""
    for filter_ms in dict.fromkeys({**_DEFAULTS, **dict(point)}["median_filter_ms"] for point in points):
        _filter_widths(frames, filter_ms)


def choose_postprocessing(scores: Mapping[Postprocessing, float]) -> Postprocessing:
    """The one that heareval takes for the best, given the primary score of each.

    The highest score is best, NaN counting as 0; of equal scores the highest parameters, compared in turn. The highest
    error rate is best as well: heareval does not ask here whether a score is one of those to be minimized.
    """
    return max((0.0 if math.isnan(score) else score, point) for point, score in scores.items())[1]


def make_events(
    predictions: NDArray[np.floating], frames: Frames, labels: Sequence[str], points: Iterable[Postprocessing]
) -> dict[Postprocessing, Events]:
    """The events under each postprocessing, clip by clip, in each clip by start, then by label.

    Predictions are probabilities, shape [n_rows, n_labels]. They are compared with each threshold once, and filtered
    once for each threshold and window.

    Raises:
        ValueError: the shape is another one, a clip of a single frame is to be filtered, or a filter is shorter than
            nothing.
    """
    if predictions.shape != (frames.n_rows, len(labels)):
        raise ValueError(f"expected predictions of shape {(frames.n_rows, len(labels))}, got {predictions.shape}")
    predictions = predictions[frames.rows]
    # Active frames in a window tell its median, but where NaN is among the predictions, which has no place in an order.
    filter_by_count = not np.isnan(predictions.min(initial=0))
    over_threshold = functools.cache(lambda threshold: predictions > threshold)

    @functools.cache
    def find_runs(threshold: float, filter_ms: float) -> Events:
        widths = _filter_widths(frames, filter_ms)
        if filter_by_count:
            active = _filter_activity(over_threshold(threshold), frames, widths)
        else:
            active = _filter_predictions(predictions, frames, widths) > threshold
        return _find_runs(active, frames, labels)

    made = {}
    for point in points:
        values = {**_DEFAULTS, **dict(point)}
        runs = find_runs(values["threshold"], values["median_filter_ms"])
        made[point] = runs[runs.end - runs.start >= values["min_duration"]]
    return made


def _find_runs(active: NDArray[np.bool_], frames: Frames, labels: Sequence[str]) -> Events:
    """Runs of active frames as events, ending with their last frame, for activity [n_frames, n_labels]."""
    changes = active[1:] ^ active[:-1]
    changes |= (np.diff(frames.clip) != 0)[:, None]
    edge = np.ones((1, active.shape[1]), dtype=bool)
    first, label = np.divmod(np.flatnonzero(active & np.concatenate([edge, changes])), active.shape[1])
    last, last_label = np.divmod(np.flatnonzero(active & np.concatenate([changes, edge])), active.shape[1])
    # Both are sorted by frame; sorted by label, stably, the n-th first frame and the n-th last one are of one run.
    run_last = np.empty_like(last)
    run_last[np.argsort(label, kind="stable")] = last[np.argsort(last_label, kind="stable")]
    return Events(frames.clips, tuple(labels), frames.clip[first], label, frames.time[first], frames.time[run_last])


def _filter_widths(frames: Frames, filter_ms: float) -> NDArray[np.int64]:
    """The width of the median filter in each clip, in frames; 0 and 1 leave everything as it is."""
    if not filter_ms:
        return np.zeros(len(frames.clips), dtype=np.int64)
    if filter_ms < 0:
        raise ValueError(f"expected median_filter_ms of 0 or more, got {filter_ms}; see the task's metadata")
    for clip, spacing in zip(frames.clips, frames.spacing, strict=True):
        if math.isnan(spacing):
            raise ValueError(f"expected two frames or more in {clip} to filter them, got one; is the clip cut short?")
    return np.round(filter_ms / frames.spacing).astype(np.int64)


def _filter_predictions(
    predictions: NDArray[np.floating], frames: Frames, widths: NDArray[np.int64]
) -> NDArray[np.floating]:
    """SciPy's own median filter, clip by clip: the place of NaN among numbers is that which it has there."""
    starts = np.cumsum(frames.lengths)[:-1]
    return np.concatenate(
        [
            scipy.ndimage.median_filter(of_clip, size=(width, 1)) if width else of_clip
            for of_clip, width in zip(np.split(predictions, starts), widths, strict=True)
        ]
    )


def _filter_activity(active: NDArray[np.bool_], frames: Frames, widths: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The median filter after the threshold, which is the same as before it, as a median keeps to any order."""
    filtered = active.copy()
    for width in np.unique(widths[widths > 1]).tolist():
        chosen = (widths == width)[frames.clip]
        filtered[chosen] = _median(active[chosen], frames.lengths[widths == width], width)
    return filtered


def _median(active: NDArray[np.bool_], lengths: NDArray[np.int64], width: int) -> NDArray[np.bool_]:
    """Median of each clip over windows of frames, the upper one of two; clips are mirrored at their ends.

    From windows of eight times the clip on, SciPy's filter reads outside of its input: those are mirrored here, too.
    """
    padded = np.concatenate([_mirrored_index(length, width) + first for first, length in _spans(lengths)])
    counts = _window_sums(active[padded].astype(np.min_scalar_type(width)), width)
    windows = np.concatenate([np.arange(length) + first for first, length in _spans(lengths, width - 1)])
    return counts[windows] >= width - width // 2


def _spans(lengths: NDArray[np.int64], margin: int = 0) -> Iterator[tuple[int, int]]:
    """Where each clip begins, where all have a margin behind them, and its length."""
    first = 0
    for length in lengths.tolist():
        yield first, length
        first += length + margin


def _mirrored_index(length: int, width: int) -> NDArray[np.int64]:
    """The frames under windows centred on each frame, beyond the ends ... 1 0 | 0 1 2 ... -1 | -1 -2 ..."""
    index = np.arange(-(width // 2), length + width - 1 - width // 2) % (2 * length)
    return np.minimum(index, 2 * length - 1 - index)


def _window_sums(values: NDArray[np.unsignedinteger], width: int) -> NDArray[np.unsignedinteger]:
    """Sums over `width` rows from each row on: those of its two halves, and the last row of an odd width."""
    if width == 1:
        return values
    half = width // 2
    halves = _window_sums(values, half)
    sums = halves[: len(values) - width + 1] + halves[half : half + len(values) - width + 1]
    return sums + values[width - 1 :] if width % 2 else sums
