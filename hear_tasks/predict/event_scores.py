"""Scores of event tasks, equal to those that heareval takes from sed_eval.

The scores, their statistics and their parameters are those of heareval 2021.1.3 (`heareval.score`), which calls
sed_eval 0.2.1. Definitions: Mesaros, Heittola, Virtanen, "Metrics for polyphonic sound event detection", Applied
Sciences 6(6), 2016. Statistics are those of all clips together (micro-averages).
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from hear_tasks.predict.events import Event, Events


def align_events(predicted: Events, targets: Events) -> tuple[Events, Events]:
    """Both with the clips of `predicted` and the same labels; events of other clips are left out."""
    clips = {name: number for number, name in enumerate(predicted.clips)}
    texts = dict.fromkeys(_read_label(label) for events in (predicted, targets) for label in events.labels)
    labels = {text: number for number, text in enumerate(texts)}
    return _align(predicted, clips, labels), _align(targets, clips, labels)


def _align(events: Events, clips: Mapping[str, int], labels: Mapping[str | None, int]) -> Events:
    clip_numbers = np.array([clips.get(_read_clip(name), -1) for name in events.clips], dtype=np.int64)
    label_numbers = np.array([labels[_read_label(label)] for label in events.labels], dtype=np.int64)
    clip, label = clip_numbers[events.clip], label_numbers[events.label]
    aligned = dataclasses.replace(events, clips=tuple(clips), labels=tuple(labels), clip=clip, label=label)
    return aligned[clip >= 0]


def _read_clip(name: str) -> str:
    """The name under which dcase_util 0.2.20 keeps the events of a clip."""
    return name if os.path.isabs(name) else os.path.normpath(name).replace("\\", "/")


def _read_label(label: str | None) -> str | None:
    """The label under which dcase_util 0.2.20 keeps an event; None for one that says "none" or nothing."""
    text = (label or "").strip()
    return None if text.lower() in ("", "none") else text


Statistics = tuple[tuple[str, float], ...]
"""The statistics of a score by name; the first is the score itself."""

_MOST_SECONDS = 1e12
"""More than that cannot be cut into segments."""

_EPSILON = np.spacing(1.0)
"""What sed_eval adds to the number of targets before it divides by it."""


class EventScore(Protocol):
    """A score of predicted events.

    Attributes:
        maximize: whether more is better.
    """

    maximize: ClassVar[bool]

    def compute(self, predicted: Events, targets: Events, vocabulary: Collection[str]) -> Statistics:
        """The statistics over the clips of `predicted`; targets in other clips do not count."""


@dataclasses.dataclass(frozen=True)
class EventFMeasure:
    """F-measure, precision and recall, from the largest matching of predicted events with targets.

    Two events can match if they have the same label and start within the collar, and, where ends count, end within
    the collar or the given share of the target's length, whichever is more.

    Attributes:
        collar: in seconds.
        length_share: share of the target's length; None if ends do not count.
    """

    collar: float
    length_share: float | None = None
    maximize: ClassVar[bool] = True

    def compute(self, predicted: Events, targets: Events, vocabulary: Collection[str]) -> Statistics:
        """See `EventScore`. Precision is NaN where nothing was predicted, recall where there is no target,
        and the F-measure with either. A label outside the vocabulary is one like the others.
        """
        estimates, references = align_events(predicted, targets)
        matches = self._count_matches(estimates, references)
        precision = matches / len(estimates) if len(estimates) else np.nan
        recall = matches / len(references) if len(references) else np.nan
        return ("f_measure", _f_measure(precision, recall)), ("precision", precision), ("recall", recall)

    def _count_matches(self, estimates: Events, references: Events) -> int:
        estimate, reference = _pair_onsets(estimates, references, self.collar)
        if self.length_share is not None:
            close = _has_close_offsets(estimates[estimate], references[reference], self.collar, self.length_share)
            estimate, reference = estimate[close], reference[close]
        pairs = csr_array(
            (np.ones(len(estimate), dtype=bool), (estimate, reference)), shape=(len(estimates), len(references))
        )
        return int(np.count_nonzero(maximum_bipartite_matching(pairs) >= 0))


def _f_measure(precision: float, recall: float) -> float:
    if precision == 0 and recall == 0:
        return 0.0
    return 2.0 * precision * recall / (precision + recall)


def _pair_onsets(estimates: Events, references: Events, collar: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which estimate goes with which reference: all pairs of one clip and label with onsets within the collar."""
    estimate, reference = (np.flatnonzero(np.isfinite(events.onset)) for events in (estimates, references))
    onsets = np.unique(references.onset[reference])
    # Keys are whole numbers, as sums of a group and a time would round.
    key = references.group[reference] * (len(onsets) + 1) + np.searchsorted(onsets, references.onset[reference])
    order = np.argsort(key)
    key, reference = key[order], reference[order]
    onset, base = estimates.onset[estimate], estimates.group[estimate] * (len(onsets) + 1)
    reach = collar + 2 * np.spacing(np.abs(onset) + collar)  # whatever rounding may take for close, and some more
    first = np.searchsorted(key, base + np.searchsorted(onsets, onset - reach))
    behind = np.searchsorted(key, base + np.searchsorted(onsets, onset + reach, side="right"))
    estimate = np.repeat(estimate, behind - first)
    reference = reference[_concatenate_ranges(first, behind)]
    close = np.abs(references.onset[reference] - estimates.onset[estimate]) <= collar
    return estimate[close], reference[close]


def _has_close_offsets(estimates: Events, references: Events, collar: float, length_share: float) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):  # infinite times
        allowed = length_share * (references.offset - references.onset)
        distance = np.abs(references.offset - estimates.offset)
    return distance <= np.where(allowed > collar, allowed, collar)


@dataclasses.dataclass(frozen=True)
class SegmentErrorRate:
    """Error rate of the labels that are active in segments of one length.

    Within a segment a label too many and one too few are a substitution, the rest are deletions or insertions.

    Attributes:
        seconds: length of a segment.
    """

    seconds: float
    maximize: ClassVar[bool] = False

    def compute(self, predicted: Events, targets: Events, vocabulary: Collection[str]) -> Statistics:
        """See `EventScore`. Where there is no target, the number of insertions is divided by 2.2e-16.

        Raises:
            ValueError: a label is not in the vocabulary, or a time is not finite.
        """
        aligned = align_events(predicted, targets)
        for events in aligned:
            _check_segmentable(events, vocabulary)
        lengths = [self._count_segments(events) for events in aligned]
        longer = np.maximum(*lengths)
        first = np.cumsum(longer) - longer
        estimated, referenced = (self._find_active(*each, first) for each in zip(aligned, lengths, strict=True))
        return (("error_rate", _error_rate(estimated, referenced, len(aligned[0].labels))),)

    def _count_segments(self, events: Events) -> NDArray[np.int64]:
        """The number of segments in each clip up to the last end of an event."""
        last = np.zeros(len(events.clips))
        np.maximum.at(last, events.clip, events.offset)
        return np.ceil(last / self.seconds).astype(np.int64)

    def _find_active(self, events: Events, lengths: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """What is active, each once, as number of the segment times number of labels plus label.

        sed_eval marks segments by slices of Python, so that negative times count from the clip's end.
        """
        length = lengths[events.clip]
        first, behind = np.floor(events.onset / self.seconds), np.ceil(events.offset / self.seconds)
        first, behind = (
            np.clip(np.where(bound < 0, bound + length, bound), 0, length).astype(np.int64) for bound in (first, behind)
        )
        behind = np.maximum(first, behind)
        segment = _concatenate_ranges(first, behind) + np.repeat(offsets[events.clip], behind - first)
        return np.unique(segment * len(events.labels) + np.repeat(events.label, behind - first))


def _check_segmentable(events: Events, vocabulary: Collection[str]) -> None:
    unknown = np.flatnonzero([label not in vocabulary for label in events.labels])
    bad = np.flatnonzero(np.isin(events.label, unknown))
    if len(bad):
        shown, clip = repr(events.labels[events.label[bad[0]]]), events.clips[events.clip[bad[0]]]
        raise ValueError(
            f"expected labels of the task's vocabulary in its events, got {shown} in {clip}; "
            "do the files belong together?"
        )
    bad = np.flatnonzero(~((np.abs(events.onset) < _MOST_SECONDS) & (np.abs(events.offset) < _MOST_SECONDS)))
    if len(bad):
        first, clip = bad[0], events.clips[events.clip[bad[0]]]
        times = f"{events.onset[first]:g} s to {events.offset[first]:g} s in {clip}"
        raise ValueError(f"expected finite times of events, got {times}; was the task prepared in full?")


def _error_rate(estimated: NDArray[np.int64], referenced: NDArray[np.int64], n_labels: int) -> float:
    both = np.intersect1d(estimated, referenced, assume_unique=True)
    active = [cells // n_labels for cells in (estimated, referenced, both)]
    n_segments = max((int(segments[-1]) + 1 for segments in active if len(segments)), default=0)
    n_estimated, n_referenced, n_both = (np.bincount(segments, minlength=n_segments) for segments in active)
    substitutions = int(np.sum(np.minimum(n_estimated, n_referenced) - n_both))
    deletions = int(np.sum(np.maximum(n_referenced - n_estimated, 0)))
    insertions = int(np.sum(np.maximum(n_estimated - n_referenced, 0)))
    whole = len(referenced) + _EPSILON
    return float(substitutions / whole + deletions / whole + insertions / whole)


def _concatenate_ranges(first: NDArray[np.int64], behind: NDArray[np.int64]) -> NDArray[np.int64]:
    """The whole numbers of all ranges, one range after the other, where `first <= behind`."""
    counts = behind - first
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - (ends - counts), counts)


EVENT_SCORES: Mapping[str, EventScore] = {
    "event_onset_200ms_fms": EventFMeasure(collar=0.2),
    "event_onset_50ms_fms": EventFMeasure(collar=0.05),
    "event_onset_offset_50ms_20perc_fms": EventFMeasure(collar=0.05, length_share=0.2),
    "segment_1s_er": SegmentErrorRate(seconds=1.0),
}
"""heareval's scores of events, by the name that a task's metadata gives them."""


def score_events(
    name: str,
    predicted: Mapping[str, Sequence[Event]],
    targets: Mapping[str, Sequence[Event]],
    vocabulary: Collection[str],
) -> float:
    """A score of events as a task's files list them, by clip; NaN where there is none.

    Args:
        name: in `EVENT_SCORES`.
        predicted: the clips that are scored, each with its predicted events.
        targets: their events.
        vocabulary: labels of the task.

    Raises:
        ValueError: an event is none, or see the score.
    """
    return float(EVENT_SCORES[name].compute(Events.from_lists(predicted), Events.from_lists(targets), vocabulary)[0][1])
