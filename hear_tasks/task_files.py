"""Writing a HEAR task directory at 16 kHz, whole or not at all."""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import soundfile

from hear_tasks.build_folder import build_folder

SAMPLE_RATE = 16_000


@dataclasses.dataclass(frozen=True)
class Clip:
    """One clip of a scene task.

    Attributes:
        name: file name, ending in .wav, of one clip of its split.
        samples: floats, 16 kHz mono in [-1, 1], shape (samples,).
        labels: its labels, exactly one in a multiclass task.
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
    """Write a scene task, whole or not at all.

    Where another process finishes the same task first, its folder stays.

    Args:
        task: the task directory, which must not exist.
        metadata: `task_metadata.json` but for its "splits".
        vocabulary: labels in the order of their indices.
        splits: clips of each split.
        attribution: where the recordings are from, and their licence.

    Raises:
        FileExistsError: the task directory exists.
        ValueError: a split is empty, or a clip is not what `Clip` and the metadata say; the
            message names it.
    """
    if task.exists():
        raise FileExistsError(f"{task} exists; delete it first, or choose another folder")
    build_folder(task, functools.partial(_fill_task, metadata, vocabulary, splits, attribution))


def _fill_task(
    metadata: Mapping[str, Any],
    vocabulary: list[str],
    splits: Mapping[str, Iterable[Clip]],
    attribution: str,
    folder: pathlib.Path,
) -> None:
    for name, clips in splits.items():
        labels = _write_split(folder / str(SAMPLE_RATE) / name, clips, vocabulary, metadata)
        _write_json(folder / f"{name}.json", labels)
    _write_json(folder / "task_metadata.json", {**metadata, "splits": list(splits)})
    lines = [f"{i},{label}\n" for i, label in enumerate(vocabulary)]
    (folder / "labelvocabulary.csv").write_text("idx,label\n" + "".join(lines))
    (folder / "ATTRIBUTION").write_text(attribution)


def _write_split(
    folder: pathlib.Path, clips: Iterable[Clip], vocabulary: list[str], metadata: Mapping[str, Any]
) -> dict[str, list[str]]:
    """Write the clips of one split, and return the labels of each."""
    folder.mkdir(parents=True)
    labels: dict[str, list[str]] = {}
    for clip in clips:
        _check_name(clip, labels)
        _check_labels(clip, vocabulary, metadata)
        _check_samples(clip, metadata)
        integers = np.round(clip.samples * 32767).astype(np.int16)
        soundfile.write(folder / clip.name, integers, SAMPLE_RATE, subtype="PCM_16")
        labels[clip.name] = clip.labels
    if not labels:
        raise ValueError(f"{folder.name}: expected clips in this split, got none")
    return labels


def _check_name(clip: Clip, taken: Iterable[str]) -> None:
    if pathlib.PurePath(clip.name).name != clip.name or not clip.name.endswith(".wav"):
        raise ValueError(f"{clip.name!r}: expected a file name that ends in .wav, without a folder")
    if clip.name in taken:
        raise ValueError(f"{clip.name}: expected one clip of this name in the split, got two")


def _check_labels(clip: Clip, vocabulary: list[str], metadata: Mapping[str, Any]) -> None:
    unknown = set(clip.labels) - set(vocabulary)
    if unknown:
        raise ValueError(f"{clip.name}: labels {sorted(unknown)} are not in the vocabulary {vocabulary}")
    if metadata.get("prediction_type") == "multiclass" and len(clip.labels) != 1:
        raise ValueError(f"{clip.name}: expected one label in a multiclass task, got {clip.labels}")


def _check_samples(clip: Clip, metadata: Mapping[str, Any]) -> None:
    samples, seconds = clip.samples, metadata.get("sample_duration")
    if samples.ndim != 1 or not samples.size or not np.issubdtype(samples.dtype, np.floating):
        raise ValueError(
            f"{clip.name}: expected mono floats of shape (samples,), got {samples.dtype} of shape {samples.shape}"
        )
    if not np.isfinite(samples).all():
        raise ValueError(f"{clip.name}: expected finite samples, got NaN or infinity")
    if np.abs(samples).max() > 1:
        raise ValueError(f"{clip.name}: expected samples in [-1, 1], got {np.abs(samples).max():g}")
    if seconds is not None and len(samples) != round(seconds * SAMPLE_RATE):
        raise ValueError(
            f"{clip.name}: expected {seconds:g} s, the task's sample_duration, got {len(samples) / SAMPLE_RATE:g} s"
        )


def _write_json(file: pathlib.Path, content: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
