"""Writing a HEAR task directory at 16 kHz, whole or not at all."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import soundfile

SAMPLE_RATE = 16_000


@dataclasses.dataclass(frozen=True)
class Clip:
    """One clip of a scene task.

    Attributes:
        name: file name, ending in .wav.
        samples: 16 kHz mono in [-1, 1], shape (samples,).
        labels: its labels, one in a multiclass task.
    """

    name: str
    samples: np.ndarray
    labels: list[str]


def write_task(
    task: pathlib.Path,
    metadata: Mapping[str, Any],
    vocabulary: list[str],
    splits: Mapping[str, Iterable[Clip]],
    attribution: str,
) -> None:
    """Write a scene task, in a temporary folder that takes its place when it is whole.

    Args:
        task: the task directory, which must not exist.
        metadata: `task_metadata.json` but for its "splits".
        vocabulary: labels in the order of their indices.
        splits: clips of each split.
        attribution: where the recordings are from, and their licence.

    Raises:
        FileExistsError: the task directory exists.
        ValueError: a sample is out of range, or a label not in the vocabulary.
    """
    if task.exists():
        raise FileExistsError(f"{task} exists; delete it first, or choose another folder")
    task.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=task.parent, prefix=".building-") as work:
        part = pathlib.Path(work) / task.name
        part.mkdir()
        for name, clips in splits.items():
            _write_json(part / f"{name}.json", _write_split(part / str(SAMPLE_RATE) / name, clips, vocabulary))
        _write_json(part / "task_metadata.json", {**metadata, "splits": list(splits)})
        lines = [f"{i},{label}\n" for i, label in enumerate(vocabulary)]
        (part / "labelvocabulary.csv").write_text("idx,label\n" + "".join(lines))
        (part / "ATTRIBUTION").write_text(attribution)
        part.rename(task)


def _write_split(folder: pathlib.Path, clips: Iterable[Clip], vocabulary: list[str]) -> dict[str, list[str]]:
    folder.mkdir(parents=True)
    labels: dict[str, list[str]] = {}
    for clip in clips:
        unknown = set(clip.labels) - set(vocabulary)
        if unknown:
            raise ValueError(f"{clip.name}: labels {sorted(unknown)} are not in the vocabulary {vocabulary}")
        if np.abs(clip.samples).max() > 1:
            raise ValueError(f"{clip.name}: expected samples in [-1, 1], got {np.abs(clip.samples).max():g}")
        integers = np.round(clip.samples * 32767).astype(np.int16)
        soundfile.write(folder / clip.name, integers, SAMPLE_RATE, subtype="PCM_16")
        labels[clip.name] = clip.labels
    return labels


def _write_json(file: pathlib.Path, content: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
