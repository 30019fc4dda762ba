"""Validations and tests: from the logits of a split to what heareval logs for it.

heareval logs through Lightning, which holds a float of Python in single precision; so do the values here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hear_tasks.predict.scene_scores import SCENE_SCORES
from hear_tasks.predict.split import Split, SplitEvents
from hear_tasks.predict.task import Task

if TYPE_CHECKING:
    from hear_tasks.predict.event_evaluation import EventEvaluation
    from hear_tasks.predict.event_postprocessing import Postprocessing


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


def loss_of(task: Task, logits: torch.Tensor, targets: torch.Tensor, classes: torch.Tensor | None) -> torch.Tensor:
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
        loss = loss_of(task, logits, split.targets, split.classes)
        return Validation(loss, task.postprocessings[0] if events else ())
    predictions = probabilities(task, logits).cpu().numpy()
    if events is None:
        score = SCENE_SCORES[task.scores[0]].compute(predictions, split.targets.cpu().numpy())
        return Validation(torch.tensor(score), ())
    evaluation = _evaluate_events(task, events, predictions, task.scores[:1], task.postprocessings)
    return Validation(torch.tensor(evaluation.scores[task.scores[0]]), evaluation.postprocessing)


def run_test(
    task: Task, split: Split, events: SplitEvents | None, logits: torch.Tensor, postprocessing: Postprocessing
) -> Test:
    """All scores of a network, and its predictions."""
    loss = loss_of(task, logits, split.targets, split.classes)
    predictions = probabilities(task, logits).cpu()
    kept: dict[str, Any] = {
        "target": split.targets.cpu(),
        "prediction": predictions,
        "prediction_logit": logits.cpu(),
    }
    if events is None:
        targets = split.targets.cpu().numpy()
        scores = {name: SCENE_SCORES[name].compute(predictions.numpy(), targets) for name in task.scores}
    else:
        evaluation = _evaluate_events(task, events, predictions.numpy(), task.scores, [postprocessing])
        scores = evaluation.scores
        kept |= {
            "target_events": events.listed,
            "predicted_events": evaluation.events.to_lists(),
            "timestamp": events.timestamps,
        }
    named = {"score": scores[task.scores[0]], **scores}
    logged = {"test_loss": loss.item(), **{f"test_{name}": torch.tensor(value).item() for name, value in named.items()}}
    return Test(logged, kept)


def _evaluate_events(
    task: Task,
    events: SplitEvents,
    predictions: np.ndarray,
    scores: Iterable[str],
    postprocessings: Iterable[Postprocessing],
) -> EventEvaluation:
    from hear_tasks.predict.event_evaluation import evaluate_events  # takes long to load

    return evaluate_events(predictions, events.frames, events.targets, task.vocabulary, tuple(scores), postprocessings)
