"""Validations and tests of event tasks against those of heareval's own model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from later import Later
from repeats import first

from hear_tasks.predict.evaluation import Evaluation, evaluate_events
from hear_tasks.predict.event_postprocessing import DEFAULT_GRID, list_postprocessings
from hear_tasks.predict.event_scores import EVENT_SCORES
from hear_tasks.predict.events import Events, Frames

torch, heareval_score = Later("torch"), Later("heareval.score")
task_predictions = Later("heareval.predictions.task_predictions")

LABELS = ("bark", "cough", "door", "knock")
N_FRAMES = 60
SPACING_MS = 50.0
GRIDS = (
    DEFAULT_GRID,
    {"median_filter_ms": [0, 62, 125, 250], "min_duration": [0, 62, 125]},
    {"median_filter_ms": [150], "min_duration": [60], "threshold": [0.3, 0.5, 0.7]},
)


class Split:
    """Random events of three clips, and predictions that find most of them."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        times = SPACING_MS * np.arange(N_FRAMES)
        self.targets: dict[str, list[dict[str, Any]]] = {}
        logits = random.normal(-3, 1, (3, N_FRAMES, len(LABELS)))
        for number in range(3):
            events = self.targets[f"{number}.wav"] = []
            for start, length in zip(random.uniform(0, 2500, 6), random.exponential(400, 6), strict=True):
                label = random.integers(len(LABELS))
                events.append({"label": LABELS[label], "start": float(start), "end": float(start + length)})
                logits[number, (times >= start) & (times <= start + length), label] += random.choice([2.0, 4.0])
        if random.random() < 0.1:
            logits -= 20  # nothing is found
        self.filenames = [f"{number}.wav" for number in range(3) for _ in range(N_FRAMES)]
        self.timestamps = np.tile(times, 3).tolist()
        self.logits = torch.tensor(logits.reshape(-1, len(LABELS)), dtype=torch.float32)
        self.predictions = torch.sigmoid(self.logits)


def evaluate(split: Split, scores: list[str], postprocessings: list) -> Evaluation:
    frames, targets = Frames.from_rows(split.filenames, split.timestamps), Events.from_lists(split.targets)
    return evaluate_events(split.predictions.numpy(), frames, targets, LABELS, scores, postprocessings)


class HearevalModel:
    """heareval's event model, given predictions instead of embeddings; it keeps what it logs."""

    def __init__(self, split: Split, scores: list[str], grid: Any) -> None:
        label_to_idx = {label: number for number, label in enumerate(LABELS)}
        self.split, self.logged = split, {}
        self.model = task_predictions.EventPredictionModel(
            nfeatures=2,
            label_to_idx=label_to_idx,
            nlabels=len(LABELS),
            prediction_type="multilabel",
            scores=[heareval_score.available_scores[name](label_to_idx=label_to_idx) for name in scores],
            validation_target_events=split.targets,
            test_target_events=split.targets,
            postprocessing_grid=grid,
            conf={name: values[0] for name, values in task_predictions.PARAM_GRID.items()} | {"hidden_dim": 2},
        )
        self.model.log = lambda name, value, **_: self.logged.update({name: value})

    def run(self, stage: str) -> dict[str, Any]:
        """What a "val" or a "test" logs, given in batches."""
        self.logged.clear()
        times = torch.tensor(self.split.timestamps, dtype=torch.float64)
        batches = [
            {
                "target": torch.zeros(self.split.logits[rows].shape),
                "prediction": self.split.predictions[rows],
                "prediction_logit": self.split.logits[rows],
                "filename": self.split.filenames[rows],
                "timestamp": times[rows],
            }
            for rows in (slice(0, 70), slice(70, 140), slice(140, None))
        ]
        getattr(self.model, {"val": "validation_epoch_end", "test": "test_epoch_end"}[stage])(batches)
        return {name: value for name, value in self.logged.items() if name != f"{stage}_loss"}


@pytest.mark.parametrize("seed", first(8, range(24)))
def test_a_validation_and_its_test_are_those_of_heareval(seed, capsys):
    split, grid = Split(seed), GRIDS[seed % len(GRIDS)]
    scores = list(np.random.default_rng(seed).permutation(list(EVENT_SCORES)))
    model = HearevalModel(split, scores, grid)

    logged, validation = model.run("val"), evaluate(split, scores, list_postprocessings(grid))
    expected = {"val_score": validation.scores[scores[0]]}
    expected |= {f"postprocessing/{name}": value for name, value in validation.postprocessing}
    expected |= {f"val_{name}": value for name, value in validation.scores.items()}
    assert sorted(map(repr, logged.items())) == sorted(map(repr, expected.items()))
    assert model.model.epoch_best_postprocessing[0] == validation.postprocessing

    logged, test = model.run("test"), evaluate(split, scores, [validation.postprocessing])
    expected = {"test_score": test.scores[scores[0]]} | {f"test_{name}": value for name, value in test.scores.items()}
    assert repr(logged) == repr(expected)
    assert repr(model.model.test_predictions["predicted_events"]) == repr(test.events.to_lists())
