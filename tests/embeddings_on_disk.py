"""Small folders of embeddings for the tests, in the files of heareval's embedding runner."""

from __future__ import annotations

import json
import pathlib
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SIZE = 12
HOP_MS = 50.0
FRAMES = 40
"""Of each clip of an event task."""


def make_embeddings(
    folder: pathlib.Path,
    rows: Sequence[int],
    *,
    labels: Sequence[str | int] = ("a", "b", "c", "d"),
    scores: Sequence[str] = ("top1_acc",),
    kind: str = "multiclass",
    grid: Mapping[str, Sequence[Any]] | None = None,
    noise: float = 1.5,
    seed: int = 0,
    **metadata: Any,
) -> pathlib.Path:
    """Noisy embeddings around a centre for each label.

    Args:
        folder: of the task.
        rows: clips of each split; three are train, valid and test unless the metadata has another "split_mode".
        labels: of the vocabulary.
        scores: "evaluation" of the metadata.
        kind: multiclass, multilabel or event.
        grid: what the task changes in the grid of hyperparameters.
        noise: beside centres of deviation 1.
        seed: of all.
        metadata: more of it, and what replaces it.
    """
    folder.mkdir(parents=True)
    kfold = metadata.get("split_mode", "trainvaltest") != "trainvaltest"
    splits = [f"fold{number:02d}" for number in range(len(rows))] if kfold else ["train", "valid", "test"]
    content = {
        "task_name": folder.name.partition("-")[0],
        "version": "v1",
        "embedding_type": "event" if kind == "event" else "scene",
        "prediction_type": "multiclass" if kind == "multiclass" else "multilabel",
        "split_mode": "trainvaltest",
        "evaluation": list(scores),
        "evaluation_params": {"task_specific_param_grid": {"hidden_dim": [32], "max_epochs": [7], **(grid or {})}},
        "mode": "full",
        "splits": splits,
        **metadata,
    }
    (folder / "task_metadata.json").write_text(json.dumps(content))
    lines = [f"{number},{label}\n" for number, label in enumerate(labels)]
    (folder / "labelvocabulary.csv").write_text("idx,label\n" + "".join(lines))
    random = np.random.default_rng(seed)
    centres = random.standard_normal((len(labels), SIZE))
    for split, count in zip(splits, rows, strict=True):
        write = _write_events if kind == "event" else _write_scenes
        active = write(folder, split, count, labels, kind, random)
        embeddings = active @ centres + noise * random.standard_normal((len(active), SIZE))
        embeddings.astype(np.float32).tofile(folder / f"{split}.embeddings.npy")
        (folder / f"{split}.embedding-dimensions.json").write_text(json.dumps(embeddings.shape))
        texts = [[labels[number] for number in np.flatnonzero(row)] for row in active]
        (folder / f"{split}.target-labels.pkl").write_bytes(pickle.dumps(texts))
    return folder


def _write_scenes(folder: pathlib.Path, split: str, count: int, labels, kind: str, random) -> np.ndarray:
    if kind == "multilabel":
        active = random.random((count, len(labels))) < 0.4
    else:
        active = np.eye(len(labels), dtype=bool)[np.arange(count) % len(labels)]
    clips = {f"{split}-{number}.wav": [labels[i] for i in np.flatnonzero(row)] for number, row in enumerate(active)}
    (folder / f"{split}.json").write_text(json.dumps(clips))
    return active


def _write_events(folder: pathlib.Path, split: str, count: int, labels, kind: str, random) -> np.ndarray:
    active = np.zeros((count, FRAMES, len(labels)), dtype=bool)
    clips: dict[str, list] = {}
    for clip in range(count):
        events = clips.setdefault(f"{split}-{clip}.wav", [])
        for number, label in enumerate(labels):
            for half in (0, FRAMES // 2):
                first = half + int(random.integers(0, 8))
                last = first + int(random.integers(4, 9))
                active[clip, first : last + 1, number] = True
                events.append({"label": label, "start": first * HOP_MS, "end": last * HOP_MS})
    (folder / f"{split}.json").write_text(json.dumps(clips))
    times = [(f"16000/{split}/{name}", frame * HOP_MS) for name in clips for frame in range(FRAMES)]
    (folder / f"{split}.filename-timestamps.json").write_text(json.dumps(times))
    return active.reshape(-1, len(labels))


EVENT_PARAMETERS = {
    "event_postprocessing_grid": {"median_filter_ms": [150], "min_duration": [50, 100]},
    "task_specific_param_grid": {"hidden_dim": [32], "max_epochs": [6]},
}
EVENT_SCORES = ("event_onset_200ms_fms", "event_onset_50ms_fms", "segment_1s_er")


def make_all_kinds(folder: pathlib.Path) -> list[pathlib.Path]:
    """A task of each kind."""
    kfold = {"split_mode": "new_split_kfold"}
    return [
        make_embeddings(folder / "classes-v1-full", [90, 20, 30], scores=["top1_acc", "mAP", "d_prime", "aucroc"]),
        make_embeddings(
            folder / "batches-v1-full", [70, 40, 33], grid={"batch_size": [32], "check_val_every_n_epoch": [1]}, seed=1
        ),
        make_embeddings(
            folder / "tags-v1-full", [40, 21, 9, 2], kind="multilabel", scores=["mAP", "aucroc"], **kfold, seed=2
        ),
        make_embeddings(
            folder / "pitches-v1-full",
            [80, 40, 40],
            labels=range(21, 41),
            scores=["pitch_acc", "chroma_acc"],
            noise=0.7,
            seed=3,
        ),
        make_embeddings(
            folder / "loss-v1-full",
            [25, 14, 30],
            scores=["aucroc", "d_prime"],
            split_mode="presplit_kfold",
            use_scoring_for_early_stopping=False,
            seed=4,
        ),
        make_embeddings(
            folder / "events-v1-full",
            [20, 4, 5],
            kind="event",
            scores=EVENT_SCORES,
            evaluation_params=EVENT_PARAMETERS,
            noise=0.8,
            seed=5,
        ),
        make_embeddings(
            folder / "errors-v1-full",
            [12, 7, 5],
            kind="event",
            scores=["segment_1s_er", "event_onset_offset_50ms_20perc_fms"],
            evaluation_params=EVENT_PARAMETERS,
            noise=0.8,
            **kfold,
            seed=6,
        ),
    ]
