"""Small HEAR task directories for the tests."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence

import numpy as np
import soundfile

PITCHES = {"low": 220.0, "middle": 660.0, "high": 1980.0}


def _write(task: pathlib.Path, metadata: dict, splits: dict[str, dict], labels: list[str]) -> None:
    (task / "task_metadata.json").write_text(json.dumps(metadata))
    rows = "".join(f"{i},{label}\n" for i, label in enumerate(labels))
    (task / "labelvocabulary.csv").write_text("idx,label\n" + rows)
    for name, clips in splits.items():
        (task / f"{name}.json").write_text(json.dumps(clips))


def _save(task: pathlib.Path, split: str, name: str, samples: np.ndarray) -> None:
    folder = task / "16000" / split
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / name, np.clip(samples, -1, 1), 16_000, subtype="PCM_16")


def _tone(pitch: float, seconds: float, random: np.random.Generator) -> np.ndarray:
    time = np.arange(int(seconds * 16_000)) / 16_000
    return 0.3 * np.sin(2 * np.pi * pitch * time + random.uniform(0, 6)) + 0.02 * random.standard_normal(len(time))


def make_scene_task(tasks: pathlib.Path, *, clips: int = 12, seconds: float = 0.5) -> pathlib.Path:
    """A multiclass task of three pitches in three folds."""
    task = tasks / "test_pitch-v1-full"
    random = np.random.default_rng(0)
    splits: dict[str, dict] = {}
    for fold in ("fold00", "fold01", "fold02"):
        splits[fold] = {}
        for i in range(clips):
            label = list(PITCHES)[i % 3]
            _save(task, fold, f"{fold}-{i}.wav", _tone(PITCHES[label], seconds, random))
            splits[fold][f"{fold}-{i}.wav"] = [label]
    metadata = {
        "task_name": "test_pitch",
        "version": "v1",
        "embedding_type": "scene",
        "prediction_type": "multiclass",
        "split_mode": "new_split_kfold",
        "nfolds": 3,
        "sample_duration": seconds,
        "evaluation": ["top1_acc", "mAP", "aucroc"],
        "mode": "full",
        "splits": list(splits),
    }
    _write(task, metadata, splits, list(PITCHES))
    return task


def make_tags_task(tasks: pathlib.Path, *, clips: int = 12, lengths: Sequence[float] = ()) -> pathlib.Path:
    """A multilabel task of clips of different lengths, in train, valid and test.

    Args:
        lengths: seconds of the clips, in turn; unless given, each has another. Few lengths are compiled sooner.
    """
    task = tasks / "test_tags-v1-full"
    random = np.random.default_rng(1)
    splits: dict[str, dict] = {}
    for split in ("train", "valid", "test"):
        splits[split] = {}
        for i in range(clips):
            present = [label for bit, label in enumerate(PITCHES) if (i % 7 + 1) >> bit & 1]
            seconds = lengths[i % len(lengths)] if lengths else random.uniform(0.3, 1.5)
            _save(task, split, f"{split}-{i}.wav", sum(_tone(PITCHES[label], seconds, random) for label in present))
            splits[split][f"{split}-{i}.wav"] = present
    metadata = {
        "task_name": "test_tags",
        "version": "v1",
        "embedding_type": "scene",
        "prediction_type": "multilabel",
        "split_mode": "trainvaltest",
        "sample_duration": None,
        "evaluation": ["mAP", "top1_acc", "d_prime", "aucroc"],
        "mode": "full",
        "splits": list(splits),
    }
    _write(task, metadata, splits, list(PITCHES))
    return task


def make_event_task(tasks: pathlib.Path, *, clips: int = 3, seconds: float = 4.0) -> pathlib.Path:
    """An event task of short tones in train, valid and test."""
    task = tasks / "test_events-v1-full"
    random = np.random.default_rng(2)
    splits: dict[str, dict] = {}
    for split in ("train", "valid", "test"):
        splits[split] = {}
        for i in range(clips):
            samples = 0.005 * random.standard_normal(int(seconds * 16_000))
            events = []
            for k, label in enumerate(PITCHES):
                start = 0.3 + k * seconds / 3 + random.uniform(0, 0.4)
                tone = _tone(PITCHES[label], 0.4, random)
                samples[int(start * 16_000) :][: len(tone)] += tone
                events.append({"label": label, "start": 1000 * start, "end": 1000 * (start + 0.4)})
            _save(task, split, f"{split}-{i}.wav", samples)
            splits[split][f"{split}-{i}.wav"] = events
    metadata = {
        "task_name": "test_events",
        "version": "v1",
        "embedding_type": "event",
        "prediction_type": "multilabel",
        "split_mode": "trainvaltest",
        "sample_duration": seconds,
        "evaluation": ["event_onset_200ms_fms", "segment_1s_er"],
        "evaluation_params": {"event_postprocessing_grid": {"median_filter_ms": [80], "min_duration": [40, 80]}},
        "mode": "full",
        "splits": list(splits),
    }
    _write(task, metadata, splits, list(PITCHES))
    return task
