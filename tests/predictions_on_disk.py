"""Small folders as predictions leave them, of probabilities that are given: no network is trained."""

from __future__ import annotations

import json
import pathlib
import pickle
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import soundfile
import torch

Splits = Mapping[str, Mapping[str, Sequence[Any]]]
"""Of each split, of each clip by its name, its labels, or its events."""


def heareval_order(splits: Splits) -> dict[str, list[str]]:
    """The clips of each split in the order in which heareval embeds them."""
    generator = random.Random(0)
    order = {name: list(clips) for name, clips in splits.items()}
    for clips in order.values():
        generator.shuffle(clips)
    return order


def write_task_files(folder: pathlib.Path, splits: Splits, labels: Sequence[str], **metadata: Any) -> None:
    """Metadata, vocabulary and splits of a task, as they lie in its folder and beside its embeddings."""
    folder.mkdir(parents=True, exist_ok=True)
    name, version, mode = folder.name.rsplit("-", 2)
    content = {
        "task_name": name,
        "version": version,
        "mode": mode,
        "embedding_type": "scene",
        "prediction_type": "multiclass",
        "split_mode": "trainvaltest" if "test" in splits else "new_split_kfold",
        "evaluation": ["top1_acc"],
        "splits": list(splits),
        **metadata,
    }
    (folder / "task_metadata.json").write_text(json.dumps(content))
    rows = "".join(f'{i},"{label.replace(chr(34), 2 * chr(34))}"\n' for i, label in enumerate(labels))
    (folder / "labelvocabulary.csv").write_text("idx,label\n" + rows, encoding="utf-8", newline="")
    for split, clips in splits.items():
        (folder / f"{split}.json").write_text(json.dumps(clips))


def write_audio(task: pathlib.Path, splits: Splits, seconds: float = 0.2) -> None:
    """A tone for each clip, of another pitch each."""
    for split, clips in splits.items():
        (task / "16000" / split).mkdir(parents=True, exist_ok=True)
        for i, clip in enumerate(clips):
            time = np.arange(int(seconds * 16_000)) / 16_000
            soundfile.write(task / "16000" / split / clip, 0.3 * np.sin(2 * np.pi * (200 + 90 * i) * time), 16_000)


def write_predictions(
    folder: pathlib.Path,
    splits: Splits,
    labels: Sequence[str],
    probabilities: Mapping[str, Mapping[str, Sequence[float]]],
    test_scores: Mapping[str, Mapping[str, float]],
    predicted_events: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]] | None = None,
    **metadata: Any,
) -> None:
    """What heareval leaves of a task.

    Args:
        folder: EMBEDDINGS/MODEL/TASK.
        splits: of the task.
        labels: of its vocabulary.
        probabilities: of each tested split, of each clip, one for each label; of an event task {}.
        test_scores: of each tested split, by heareval's names.
        predicted_events: of each tested split of an event task, of each clip.
        metadata: what it has besides.
    """
    write_task_files(folder, splits, labels, **metadata)
    order = heareval_order(splits)
    for split in test_scores:
        kept: dict[str, Any] = {"timestamp": torch.zeros(1)}
        if predicted_events is not None:
            kept |= {"target_events": splits[split], "predicted_events": predicted_events[split]}
        else:
            targets = [[float(label in splits[split][clip]) for label in labels] for clip in order[split]]
            values = [probabilities[split][clip] for clip in order[split]]
            kept |= {"target": torch.tensor(targets), "prediction": torch.tensor(values, dtype=torch.float32)}
        (folder / f"{split}.predictions.pkl").write_bytes(pickle.dumps(kept))
    scores: dict[str, Any] = {
        split: {"test_loss": 0.5, **part, "validation_score": 0.6, "epoch": 4, "time_in_min": 0.1}
        for split, part in test_scores.items()
    }
    if len(test_scores) > 1:
        values = [part["test_score"] for part in test_scores.values()]
        means = {"test_score_mean": float(np.mean(values)), "test_score_std": float(np.std(values, ddof=1))}
        scores["aggregated_scores"] = means
    scores["hparams"] = {"lr": 0.001, "hidden_layers": 1}
    (folder / "test.predicted-scores.json").write_text(json.dumps(scores))
