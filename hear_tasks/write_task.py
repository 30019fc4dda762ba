"""Writing a HEAR task directory at 16 kHz, whole or not at all."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import pathlib
import wave
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from hear_cacophony.files.build_folder import build_folder

SAMPLE_RATE = 16_000


@dataclasses.dataclass(frozen=True)
class Event:
    """One event of a clip: its label, and when it starts and ends, in milliseconds from the clip's start."""

    label: str
    start: float
    end: float


@dataclasses.dataclass(frozen=True)
class Clip:
    """One clip of a task.

    Attributes:
        name: file name, ending in .wav, of one clip of its split.
        samples: floats, 16 kHz mono in [-1, 1], shape (samples,).
        labels: in a scene task its labels, exactly one if it is multiclass; in an event task its events.
    """

    name: str
    samples: np.ndarray
    labels: list[str] | list[Event]


def write_task(
    task: pathlib.Path,
    metadata: Mapping[str, Any],
    vocabulary: list[str],
    splits: Mapping[str, Iterable[Clip]],
    attribution: str,
) -> None:
    """Write a task, whole or not at all.

    Where another process finishes the same task first, its folder stays.

    Args:
        task: the task directory, which must not exist.
        metadata: `task_metadata.json` but for its "splits"; its "embedding_type" says whether this is an
            event task.
        vocabulary: labels in the order of their indices.
        splits: clips of each split.
        attribution: where the recordings are from, and their licence.

    Raises:
        FileExistsError: the task directory exists.
        ValueError: a split is empty, a clip is not what `Clip` and the metadata say, an event is not
            inside its clip, or two splits hold the same samples; the message names it.
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
    written: dict[bytes, str] = {}
    for name, clips in splits.items():
        labels = _write_split(folder / str(SAMPLE_RATE) / name, clips, vocabulary, metadata, written)
        _write_json(folder / f"{name}.json", labels)
    _write_json(folder / "task_metadata.json", {**metadata, "splits": list(splits)})
    lines = [f"{i},{label}\n" for i, label in enumerate(vocabulary)]
    (folder / "labelvocabulary.csv").write_text("idx,label\n" + "".join(lines))
    (folder / "ATTRIBUTION").write_text(attribution)


def _write_split(
    folder: pathlib.Path,
    clips: Iterable[Clip],
    vocabulary: list[str],
    metadata: Mapping[str, Any],
    written: dict[bytes, str],
) -> dict[str, list]:
    """Write the clips of one split, and return the labels of each, as they stand in its JSON file."""
    folder.mkdir(parents=True)
    labels: dict[str, list] = {}
    for clip in clips:
        _check_name(clip, labels)
        _check_samples(clip, metadata)
        _check_labels(clip, vocabulary, metadata)
        samples = np.round(clip.samples * 32767).astype("<i2").tobytes()
        _check_unseen(clip, folder.name, samples, written)
        write_wav(folder / clip.name, samples)
        labels[clip.name] = [dataclasses.asdict(label) if isinstance(label, Event) else label for label in clip.labels]
    if not labels:
        raise ValueError(f"{folder.name}: expected clips in this split, got none")
    return labels


def write_wav(file: pathlib.Path, samples: bytes) -> None:
    """Write 16-bit samples with the standard library's writer: libsndfile's does not report a full disk."""
    with file.open("wb") as raw, wave.open(raw, "wb") as wav:
        wav.setparams((1, 2, SAMPLE_RATE, 0, "NONE", "not compressed"))
        wav.writeframes(samples)


def _check_unseen(clip: Clip, split: str, samples: bytes, written: dict[bytes, str]) -> None:
    """No two splits may share a clip: a model would be tested on what it was trained on."""
    place = written.setdefault(hashlib.sha256(samples).digest(), split)
    if place != split:
        raise ValueError(f"{clip.name}: expected samples of {split} alone, the same are in {place}")


def _check_name(clip: Clip, taken: Iterable[str]) -> None:
    if pathlib.PurePath(clip.name).name != clip.name or not clip.name.endswith(".wav"):
        raise ValueError(f"{clip.name!r}: expected a file name that ends in .wav, without a folder")
    if clip.name in taken:
        raise ValueError(f"{clip.name}: expected one clip of this name in the split, got two")


def _check_labels(clip: Clip, vocabulary: list[str], metadata: Mapping[str, Any]) -> None:
    kind = Event if metadata.get("embedding_type") == "event" else str
    if not all(isinstance(label, kind) for label in clip.labels):
        raise ValueError(f"{clip.name}: expected labels of type {kind.__name__} in this task, got {clip.labels}")
    unknown = {label.label if isinstance(label, Event) else label for label in clip.labels} - set(vocabulary)
    if unknown:
        raise ValueError(f"{clip.name}: labels {sorted(unknown)} are not in the vocabulary {vocabulary}")
    if metadata.get("prediction_type") == "multiclass" and len(clip.labels) != 1:
        raise ValueError(f"{clip.name}: expected one label in a multiclass task, got {clip.labels}")
    length = 1000 * len(clip.samples) / SAMPLE_RATE
    for label in clip.labels:
        if isinstance(label, Event) and not 0 <= label.start < label.end <= length:
            raise ValueError(f"{clip.name}: expected 0 <= start < end <= {length:g} ms, got {label}")


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
