"""How long all of HEAR would take on this machine, embedded and predicted, at the speeds that were measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from hear_tasks.benchmark.predict_cases import HOP_MS
from hear_tasks.registry import TASKS, EmbeddingType, HearTask

HEAR_HOURS = {1: 37.0, 5: 81.0, 10: 126.0, 30: 241.0}
"""Hours of audio in HEAR's 20 tasks by the nearest length of clip, windows of 30 s for longer clips.

    1 s    Speech Commands (5h, full), Mridangam (both), Gunshot
    5 s    NSynth Pitch (5h, 50h), CREMA-D, ESC-50, Libricount, Beijing Opera
    10 s   FSD50K, Vocal Imitation
    30 s   Beehive, both GTZAN, VoxLingua107; and DCASE 2016 and MAESTRO, 8.6 hours, which count four times, as the
           default hop of 40 ms takes four passes over them
"""

STAGES = 2

EPOCHS = 150
"""Of a training until it stops, for the projection; fewer where a task's metadata allow no more."""


def project_embedding(sections: dict[str, Any]) -> dict[str, Any]:
    """Hours for both stages, from the speed of `embed` where it was measured, otherwise from the encoder's."""
    for name in ("embed", "encoder"):
        measured = sections.get(name, {}).get("lengths")
        if measured:
            speeds = {int(seconds): each["audio_seconds_per_second"] for seconds, each in measured.items()}
            return {"from": name, "audio_hours": HEAR_HOURS, "hours": STAGES * sum(_hours(speeds))}
    return {"skipped": "neither embed nor encoder was measured"}


def _hours(speeds: dict[int, float]):
    """Hours that each group of tasks takes, at the speed of the nearest length that was measured."""
    for length, hours in HEAR_HOURS.items():
        nearest = min(speeds, key=lambda seconds: abs(seconds - length))
        yield hours / speeds[nearest]


def describe_projection(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Lines of the table."""
    return [("all of HEAR, both stages", f"{result['hours']:.2f} hours, at the speed of {result['from']}")]


def project_predictions(cases: dict[str, list[dict[str, Any]]]) -> float:
    """Hours for both stages of all of HEAR one task after the other, each row at the cost of the nearest case.

    The nearest is of events for a task of events, and otherwise the most alike in rows and labels. A k-fold task trains
    on k - 2 folds, eight grid points and k - 1 more networks; the others on four fifths.
    """
    costs: dict[tuple[bool, int, int], float] = {}
    for each in (figures for measured in cases.values() for figures in measured):
        kind = each["events"], each["training_rows"], each["labels"]
        cost = each["predict_seconds"] / (each["training_rows"] * each["trainings"] * each["epochs"])
        costs[kind] = min(cost, costs.get(kind, cost))
    return STAGES * sum(_project_seconds(task, costs) for task in TASKS) / 3600


def _project_seconds(task: HearTask, costs: dict[tuple[bool, int, int], float]) -> float:
    """Seconds for one stage of a task, by what a row costs in tasks of events or not, of so many rows and labels."""
    events = task.embedding_type == EmbeddingType.EVENT
    rows = task.clips * (round(120_000 / HOP_MS) if events else 1)
    rows = round(rows * ((task.folds - 2) / task.folds if task.folds else 0.8))

    def distance(case: tuple[bool, int, int]) -> tuple[bool, float]:
        return case[0] != events, abs(np.log(case[1] / rows)) + abs(np.log(case[2] / task.classes))

    trainings = 8 + (task.folds - 1 if task.folds else 0)
    return rows * trainings * min(EPOCHS, task.training.max_epochs) * costs[min(costs, key=distance)]
