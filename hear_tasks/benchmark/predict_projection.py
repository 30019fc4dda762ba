"""All of HEAR at the cost of the measured tasks."""

from __future__ import annotations

from typing import Any

import numpy as np

from hear_tasks.benchmark.predict_cases import HOP_MS
from hear_tasks.benchmark.projection import STAGES
from hear_tasks.registry import TASKS, EmbeddingType, HearTask

EPOCHS = 150
"""Of a training until it stops, for the projection; fewer where a task's metadata allow no more."""

CLIPS = {
    "beehive_states_fold0": 576,
    "beehive_states_fold1": 576,
    "beijing_opera": 236,
    "tfds_crema_d": 7438,
    "dcase2016_task2": 72,
    "esc50": 2000,
    "fsd50k": 51185,
    "tfds_gtzan": 1000,
    "tfds_gtzan_music_speech": 128,
    "gunshot_triangulation": 88,
    "libricount": 5720,
    "maestro": 185,
    "mridangam_stroke": 6977,
    "mridangam_tonic": 6977,
    "nsynth_pitch-50h": 49060,
    "nsynth_pitch-5h": 5000,
    "speech_commands-5h": 22890,
    "speech_commands-full": 100503,
    "vocal_imitation": 5601,
    "vox_lingua_top10": 972,
}
"""Clips of HEAR's tasks by name, and mode where a name has two."""


def project_hours(cases: dict[str, list[dict[str, Any]]]) -> float:
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
    clips = CLIPS.get(task.name) or CLIPS[f"{task.name}-{task.mode}"]
    rows = clips * (round(120_000 / HOP_MS) if events else 1)
    rows = round(rows * ((task.folds - 2) / task.folds if task.folds else 0.8))

    def distance(case: tuple[bool, int, int]) -> tuple[bool, float]:
        return case[0] != events, abs(np.log(case[1] / rows)) + abs(np.log(case[2] / task.classes))

    trainings = 8 + (task.folds - 1 if task.folds else 0)
    return rows * trainings * min(EPOCHS, task.training.max_epochs) * costs[min(costs, key=distance)]
