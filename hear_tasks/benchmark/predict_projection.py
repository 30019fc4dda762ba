"""All of HEAR at the cost of the measured tasks."""

from __future__ import annotations

from typing import Any

import numpy as np

from hear_tasks.benchmark.predict_cases import HOP_MS
from hear_tasks.benchmark.projection import STAGES
from hear_tasks.registry import TASKS, EmbeddingType

EPOCHS = 150
"""Of a training until it stops, for the projection."""

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

    A k-fold task trains on k - 2 folds, eight grid points and k - 1 more networks; the others on four fifths.
    """
    costs: dict[int, float] = {}
    for each in (figures for measured in cases.values() for figures in measured):
        rows = each["training_rows"] * each["trainings"] * each["epochs"]
        cost = each["predict_seconds"] / rows
        costs[each["training_rows"]] = min(cost, costs.get(each["training_rows"], cost))
    seconds = 0.0
    for task in TASKS:
        clips = CLIPS.get(task.name) or CLIPS[f"{task.name}-{task.mode}"]
        rows = clips * (1 if task.embedding_type == EmbeddingType.SCENE else round(120_000 / HOP_MS))
        rows = round(rows * ((task.folds - 2) / task.folds if task.folds else 0.8))
        nearest = min(costs, key=lambda measured: abs(np.log(measured / rows)))
        seconds += rows * (8 + (task.folds - 1 if task.folds else 0)) * EPOCHS * costs[nearest]
    return STAGES * seconds / 3600
