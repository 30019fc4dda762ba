"""Predictions for the frames of a split, scored as heareval's event model scores a validation or a test."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from hear_tasks.predict.event_postprocessing import Postprocessing, check_filters, choose_postprocessing, make_events
from hear_tasks.predict.event_scores import EVENT_SCORES
from hear_tasks.predict.events import Events
from hear_tasks.predict.frames import Frames


@dataclasses.dataclass(frozen=True)
class EventEvaluation:
    """What comes of one validation or test.

    Attributes:
        postprocessing: the best one by the first score.
        events: the events that it makes.
        scores: by the names under which heareval logs them, less its "val_" or "test_": each score, and each of its
            statistics behind the score's name.
    """

    postprocessing: Postprocessing
    events: Events
    scores: dict[str, float]


def check_events(
    frames: Frames,
    targets: Events,
    vocabulary: Sequence[str],
    scores: Sequence[str],
    postprocessings: Iterable[Postprocessing],
) -> None:
    """Raise ValueError where `evaluate_events` could not score predictions for these frames."""
    check_filters(frames, postprocessings)
    for name in scores:
        EVENT_SCORES[name].compute(Events.none(frames.clips), targets, vocabulary)


def evaluate_events(
    predictions: NDArray[np.floating],
    frames: Frames,
    targets: Events,
    vocabulary: Sequence[str],
    scores: Sequence[str],
    postprocessings: Iterable[Postprocessing],
) -> EventEvaluation:
    """Score predictions under the best of some postprocessings.

    Args:
        predictions: probabilities with shape [n_rows, n_labels].
        frames: the frames that the rows are of.
        targets: the events of the split.
        vocabulary: labels of the task, with shape [n_labels].
        scores: names in `EVENT_SCORES`; the first one chooses the postprocessing.
        postprocessings: in a validation all of the grid, in a test the one that was best in the best validation.

    Raises:
        ValueError: a score is not one of events, or see `make_events` and `EventScore.compute`.
    """
    unknown = [name for name in scores if name not in EVENT_SCORES]
    if unknown or not scores:
        known = ", ".join(EVENT_SCORES)
        raise ValueError(f"expected scores of events ({known}), got {', '.join(unknown) or 'none'}; see the metadata")
    made = make_events(predictions, frames, vocabulary, postprocessings)
    first = {point: EVENT_SCORES[scores[0]].compute(events, targets, vocabulary) for point, events in made.items()}
    best = choose_postprocessing({point: statistics[0][1] for point, statistics in first.items()})
    logged: dict[str, float] = {}
    for name in scores:
        computed = first[best] if name == scores[0] else EVENT_SCORES[name].compute(made[best], targets, vocabulary)
        logged[name] = computed[0][1]
        logged.update({f"{name}_{statistic}": value for statistic, value in computed})
    return EventEvaluation(best, made[best], logged)
