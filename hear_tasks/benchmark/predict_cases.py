"""The synthetic tasks that predictors are measured on: their sizes, and embeddings for them."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import pickle
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from hear_tasks.registry import USUAL, Training, find_tasks
from hear_tasks.task_folder import METADATA_FILE, VOCABULARY_FILE

GRID_POINTS = 2
HOP_MS = 40.0


@dataclasses.dataclass(frozen=True)
class Case:
    """A synthetic task.

    Attributes:
        name: for the table.
        clips: of each split: train, valid and test, or folds where there are more.
        size: of an embedding.
        labels: of the vocabulary.
        epochs: that each training is capped at.
        frames: embeddings of a clip, of an event task; otherwise 0.
        events: of each clip of an event task.
        training: that of the task of HEAR that it is like, but for the epochs.
    """

    name: str
    clips: tuple[int, ...]
    size: int
    labels: int
    epochs: int
    frames: int = 0
    events: int = 0
    training: Training = USUAL

    @property
    def trainings(self) -> int:
        """How many networks are trained."""
        return GRID_POINTS + (len(self.clips) - 1 if len(self.clips) > 3 else 0)

    @property
    def training_rows(self) -> int:
        """Embeddings that each of them is trained on, about."""
        clips = sum(self.clips[2:]) if len(self.clips) > 3 else self.clips[0]
        return clips * (self.frames or 1)

    @property
    def metadata(self) -> dict[str, Any]:
        """task_metadata.json."""
        kfold = len(self.clips) > 3
        splits = [f"fold{number:02d}" for number in range(len(self.clips))] if kfold else ["train", "valid", "test"]
        grid = {"max_epochs": [self.epochs], "check_val_every_n_epoch": [self.training.check_every]}
        events = {
            "median_filter_ms": self.training.median_filter_ms,
            "min_duration": self.training.min_duration_ms,
        }
        return {
            "task_name": re.sub(r"\W", "_", self.name),
            "version": "v1",
            "mode": "full",
            "embedding_type": "event" if self.frames else "scene",
            "prediction_type": "multilabel" if self.frames else "multiclass",
            "split_mode": "new_split_kfold" if kfold else "trainvaltest",
            "evaluation": ["event_onset_50ms_fms"] if self.frames else ["top1_acc"],
            "use_scoring_for_early_stopping": self.training.stops_by_score,
            "evaluation_params": {
                "task_specific_param_grid": grid,
                **({"event_postprocessing_grid": events} if self.frames else {}),
            },
            "splits": splits,
        }


_EVENTS = Training(median_filter_ms=(250,), min_duration_ms=(125,))
FULL = (
    Case("236 clips x 5 folds", (48, 47, 47, 47, 47), 768, 4, 60),
    Case("4,000 clips x 4 folds", (1000,) * 4, 768, 10, 12),
    Case("16,000 clips", (16_000, 2_000, 2_000), 768, 12, 6),
    Case("100,000 clips", (80_000, 10_000, 10_000), 768, 35, 3),
    Case("DCASE-like, 36 clips", (24, 6, 6), 768, 11, 10, 3000, 40, find_tasks("dcase2016_task2")[0].training),
    Case("MAESTRO-like, 12 clips", (8, 2, 2), 768, 88, 6, 3000, 1000, find_tasks("maestro")[0].training),
)
QUICK = (
    Case("20 clips x 4 folds", (5,) * 4, 16, 3, 3),
    Case("3 clips of events", (1, 1, 1), 16, 4, 3, 100, 10, _EVENTS),
)


def make_embeddings(case: Case, folder: pathlib.Path) -> pathlib.Path:
    """Write embeddings of a case into `folder`: a noisy centre for each label."""
    folder.mkdir(parents=True)
    metadata = case.metadata
    (folder / METADATA_FILE).write_text(json.dumps(metadata))
    names = [f"label{number}" for number in range(case.labels)]
    lines = "".join(f"{number},{name}\n" for number, name in enumerate(names))
    (folder / VOCABULARY_FILE).write_text("idx,label\n" + lines)
    random = np.random.default_rng(0)
    centres = random.standard_normal((case.labels, case.size), np.float32)
    for split, clips in zip(metadata["splits"], case.clips, strict=True):
        if case.frames:
            active, listed = _draw_events(case, split, clips, names, random)
            times = [(clip, frame * HOP_MS) for clip in listed for frame in range(case.frames)]
            (folder / f"{split}.filename-timestamps.json").write_text(json.dumps(times))
        else:
            active = np.eye(case.labels, dtype=bool)[np.arange(clips) % case.labels]
            listed = {f"{split}-{clip}.wav": [names[clip % case.labels]] for clip in range(clips)}
        embeddings = active.astype(np.float32) @ centres
        embeddings += 4 * random.standard_normal(embeddings.shape, np.float32)
        embeddings.tofile(folder / f"{split}.embeddings.npy")
        (folder / f"{split}.json").write_text(json.dumps(listed))
        (folder / f"{split}.embedding-dimensions.json").write_text(json.dumps(embeddings.shape))
        labels = [[names[number] for number in np.flatnonzero(row)] for row in active]
        (folder / f"{split}.target-labels.pkl").write_bytes(pickle.dumps(labels))
    return folder


def _draw_events(
    case: Case, split: str, clips: int, names: Sequence[str], random: np.random.Generator
) -> tuple[np.ndarray, dict[str, list]]:
    """Which labels are active in each frame, and the events of each clip."""
    active = np.zeros((clips, case.frames, case.labels), dtype=bool)
    listed: dict[str, list] = {f"{split}-{clip}.wav": [] for clip in range(clips)}
    for clip, events in enumerate(listed.values()):
        for _ in range(case.events):
            label, first = int(random.integers(case.labels)), int(random.integers(case.frames - 12))
            last = first + int(random.integers(4, 12))
            active[clip, first : last + 1, label] = True
            events.append({"label": names[label], "start": first * HOP_MS, "end": last * HOP_MS})
    return active.reshape(-1, case.labels), listed
