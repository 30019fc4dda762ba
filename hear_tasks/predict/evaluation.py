"""Validations and tests: from the logits of a split to what heareval logs for it.

heareval logs through Lightning, which holds a float of Python in single precision; so do the values here. What
scores events takes long to load, and is so where there are some.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from hear_tasks.predict.scene_scores import SCENE_SCORES
from hear_tasks.predict.split import Split, SplitEvents
from hear_tasks.predict.task import Task

if TYPE_CHECKING:
    from hear_tasks.predict.event_postprocessing import Postprocessing
    from hear_tasks.predict.events import Events, Frames


@dataclasses.dataclass(frozen=True)
class Validation:
    """What stops a training and chooses among its epochs.

    Attributes:
        value: as Lightning holds it, a tensor without dimensions.
        postprocessing: of events, the best one in this validation; () in a scene task.
    """

    value: torch.Tensor
    postprocessing: Postprocessing


@dataclasses.dataclass(frozen=True)
class Test:
    """The test of one network.

    Attributes:
        scores: by the names of heareval's scores file.
        predictions: what heareval keeps of it.
    """

    scores: dict[str, float]
    predictions: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What comes of one validation or test.

    Attributes:
        postprocessing: of events, the best one by the first score; () in a scene task.
        events: those that it makes; None in a scene task.
        scores: by the names under which heareval logs them, less its "val_" or "test_": each score, and of events each
            of its statistics behind the score's name.
    """

    postprocessing: Postprocessing
    events: Events | None
    scores: dict[str, float]


def loss_of(logits: torch.Tensor, targets: torch.Tensor, classes: torch.Tensor | None) -> torch.Tensor:
    """Mean loss over rows: cross-entropy in a multiclass task, otherwise binary cross-entropy."""
    if classes is not None:
        return torch.nn.functional.cross_entropy(logits, classes)
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)


def probabilities(task: Task, logits: torch.Tensor) -> torch.Tensor:
    """Predictions (rows, labels)."""
    return torch.softmax(logits, dim=1) if task.is_multiclass else torch.sigmoid(logits)


def validate(task: Task, split: Split, events: SplitEvents | None, logits: torch.Tensor) -> Validation:
    """What heareval's early stopping reads after a validation, and nothing else."""
    if not task.stops_by_score:
        loss = loss_of(logits, split.targets, split.classes)
        return Validation(loss, task.postprocessings[0] if events else ())
    predictions = probabilities(task, logits).cpu().numpy()
    evaluation = _evaluate(task, split, events, predictions, task.scores[:1], task.postprocessings)
    return Validation(torch.tensor(evaluation.scores[task.scores[0]]), evaluation.postprocessing)


def run_test(
    task: Task, split: Split, events: SplitEvents | None, logits: torch.Tensor, postprocessing: Postprocessing
) -> Test:
    """All scores of a network, and its predictions."""
    loss = loss_of(logits, split.targets, split.classes)
    predictions = probabilities(task, logits).cpu()
    kept: dict[str, Any] = {
        "target": split.targets.cpu(),
        "prediction": predictions,
        "prediction_logit": logits.cpu(),
    }
    evaluation = _evaluate(task, split, events, predictions.numpy(), task.scores, [postprocessing])
    if events is not None and evaluation.events is not None:
        kept |= {
            "target_events": events.lists,
            "predicted_events": evaluation.events.to_lists(),
            "timestamp": events.timestamps,
        }
    named = {"score": evaluation.scores[task.scores[0]], **evaluation.scores}
    logged = {"test_loss": loss.item(), **{f"test_{name}": torch.tensor(value).item() for name, value in named.items()}}
    return Test(logged, kept)


def _evaluate(
    task: Task,
    split: Split,
    events: SplitEvents | None,
    predictions: NDArray[np.floating],
    scores: Sequence[str],
    postprocessings: Iterable[Postprocessing],
) -> Evaluation:
    if events is not None:
        return evaluate_events(predictions, events.frames, events.targets, task.vocabulary, scores, postprocessings)
    targets = split.targets.cpu().numpy()
    return Evaluation((), None, {name: SCENE_SCORES[name].compute(predictions, targets) for name in scores})


def has_score(task: Task, split: Split, events: SplitEvents | None) -> bool:
    """Whether the first score of a task is a number for the best predictions of a split."""
    if events is None:
        targets = split.targets.cpu().numpy()
        return not np.isnan(SCENE_SCORES[task.scores[0]].compute(targets, targets))
    from hear_tasks.predict.event_scores import EVENT_SCORES

    return not np.isnan(EVENT_SCORES[task.scores[0]].compute(events.targets, events.targets, task.vocabulary)[0][1])


def evaluate_events(
    predictions: NDArray[np.floating],
    frames: Frames,
    targets: Events,
    vocabulary: Sequence[str],
    scores: Sequence[str],
    postprocessings: Iterable[Postprocessing],
) -> Evaluation:
    """Score predictions under the best of some postprocessings.

    Predictions are probabilities, shape [n_rows, n_labels]; the first of the scores chooses the postprocessing.

    Raises:
        ValueError: see `make_events` and `EventScore.compute`.
    """
    from hear_tasks.predict.event_postprocessing import choose_postprocessing, make_events
    from hear_tasks.predict.event_scores import EVENT_SCORES

    made = make_events(predictions, frames, vocabulary, postprocessings)
    first = {point: EVENT_SCORES[scores[0]].compute(events, targets, vocabulary) for point, events in made.items()}
    best = choose_postprocessing({point: statistics[0][1] for point, statistics in first.items()})
    logged: dict[str, float] = {}
    for name in scores:
        computed = first[best] if name == scores[0] else EVENT_SCORES[name].compute(made[best], targets, vocabulary)
        logged[name] = computed[0][1]
        logged.update({f"{name}_{statistic}": value for statistic, value in computed})
    return Evaluation(best, made[best], logged)
