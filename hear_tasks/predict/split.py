"""The embeddings and labels of a split, checked, the embeddings left on the disk until they are used."""

from __future__ import annotations

import dataclasses
import math
import pathlib
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from hear_tasks.predict.events import Events
from hear_tasks.predict.frames import Frames
from hear_tasks.predict.task import Task, TaskError, read_dimensions, read_json

_CHUNK_BYTES = 1 << 24
_FLOAT_BYTES = 4


@dataclasses.dataclass(frozen=True)
class Split:
    """What a network is trained or tested on.

    Attributes:
        name: of the split.
        embeddings: float32 (rows, size), mapped from their file, or in the memory of `device`.
        targets: float32 (rows, labels), 1 where a row has a label.
        classes: in a multiclass task the label of each row, int64 (rows,).
    """

    name: str
    embeddings: torch.Tensor
    targets: torch.Tensor
    classes: torch.Tensor | None

    def __len__(self) -> int:
        return len(self.embeddings)

    @property
    def device(self) -> torch.device:
        """Where it is computed with; its labels lie there."""
        return self.targets.device

    def to(self, device: torch.device, *, embeddings: bool) -> Split:
        """The split for computations on a device, with its embeddings there, too, or left where they are."""
        classes = None if self.classes is None else self.classes.to(device)
        moved = self.embeddings.to(device) if embeddings else self.embeddings
        return dataclasses.replace(self, embeddings=moved, targets=self.targets.to(device), classes=classes)


@dataclasses.dataclass(frozen=True)
class SplitEvents:
    """What the embeddings of an event task's split are scored by.

    Attributes:
        frames: where the rows stand in time.
        timestamps: of each row in milliseconds, float64 (rows,).
        targets: the events.
        listed: the same as their file has them.
    """

    frames: Frames
    timestamps: torch.Tensor
    targets: Events
    listed: dict[str, list[dict[str, Any]]]


def to_device(splits: Mapping[str, Split], device: torch.device, room: int) -> dict[str, Split]:
    """Splits for computations on a device.

    Args:
        splits: by name.
        device: the device.
        room: bytes of its memory for embeddings. Those that it does not do for are left in their files, and every
            batch of them is brought to the device when it is needed.
    """
    placed = {}
    for name, split in splits.items():
        fits = split.embeddings.nbytes <= room
        room -= split.embeddings.nbytes if fits else 0
        placed[name] = split.to(device, embeddings=fits)
    return placed


def read_split(task: Task, name: str) -> Split:
    """Read a split and check it.

    Raises:
        TaskError: a file of it is missing, cut short or damaged, it is empty, an embedding is not finite, or its labels
            are not those of its embeddings; the message says so.
    """
    rows, size = read_dimensions(task.folder, name)
    if not rows:
        raise TaskError(f"{task.folder}: {name}: no embeddings in it; is the split of the task empty?")
    embeddings = _map_embeddings(task.folder / f"{name}.embeddings.npy", rows, size)
    _check_embeddings(task.folder / f"{name}.embeddings.npy", embeddings)
    file = task.folder / f"{name}.target-labels.pkl"
    labels = _read_labels(file, rows)
    targets = _encode(file, labels, task.label_numbers, task.n_labels)
    if task.is_multiclass:
        _check_single(file, labels)
    tensor = torch.from_numpy(targets)
    return Split(
        name=name,
        embeddings=torch.from_numpy(embeddings),
        targets=tensor,
        classes=tensor.argmax(dim=1) if task.is_multiclass else None,
    )


def _map_embeddings(file: pathlib.Path, rows: int, size: int) -> np.ndarray:
    expected = rows * size * _FLOAT_BYTES
    try:
        found = file.stat().st_size
    except FileNotFoundError:
        raise TaskError(f"{file}: not there; embed the task again") from None
    if found != expected:
        state = "cut short" if found < expected else "longer than it should be"
        raise TaskError(
            f"{file}: {state}: expected {expected} bytes, {rows} embeddings of {size} floats, got {found}; "
            "embed the task again"
        )
    # Pages are private, since torch takes no read-only arrays; nothing is written to them.
    return np.memmap(file, np.float32, "c", shape=(rows, size))


def _check_embeddings(file: pathlib.Path, embeddings: np.ndarray) -> None:
    at_once = max(1, _CHUNK_BYTES // (_FLOAT_BYTES * embeddings.shape[1]))
    for first in range(0, len(embeddings), at_once):
        if not np.isfinite(embeddings[first : first + at_once]).all():
            raise TaskError(_not_finite(file, embeddings))


def _not_finite(file: pathlib.Path, embeddings: np.ndarray) -> str:
    bad = [row for row, embedding in enumerate(embeddings) if not np.isfinite(embedding).all()]
    shown = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
    return (
        f"{file}: NaN or infinity in {len(bad)} of {len(embeddings)} embeddings (rows {shown}); "
        "does the model give such values for silent or very short clips?"
    )


def _read_labels(file: pathlib.Path, rows: int) -> list[list[Any]]:
    try:
        with file.open("rb") as opened:
            labels = pickle.load(opened)
    except FileNotFoundError:
        raise TaskError(f"{file}: not there; embed the task again") from None
    except (pickle.UnpicklingError, EOFError, ValueError, AttributeError, ImportError, IndexError) as error:
        raise TaskError(f"{file}: damaged or cut short ({error}); embed the task again") from error
    if not isinstance(labels, list) or not all(isinstance(each, list) for each in labels):
        raise TaskError(f"{file}: expected a list of labels for each embedding; embed the task again")
    if len(labels) != rows:
        raise TaskError(f"{file}: labels of {len(labels)} clips or frames, but {rows} embeddings; embed the task again")
    return labels


def _encode(file: pathlib.Path, labels: Sequence[list[Any]], numbers: Mapping[str, int], n_labels: int) -> np.ndarray:
    """1 where a row has a label, otherwise 0, float32 (rows, n_labels)."""
    targets = np.zeros((len(labels), n_labels), np.float32)
    rows = np.repeat(np.arange(len(labels)), [len(each) for each in labels])
    texts = [str(label) for each in labels for label in each]
    unknown = set(texts) - numbers.keys()
    if unknown:
        shown = ", ".join(map(repr, sorted(unknown)[:5])) + (", ..." if len(unknown) > 5 else "")
        raise TaskError(f"{file}: {shown}: not in labelvocabulary.csv; are both files of the same task?")
    targets[rows, np.array([numbers[text] for text in texts], dtype=np.int64)] = 1
    return targets


def _check_single(file: pathlib.Path, labels: Sequence[list[Any]]) -> None:
    for row, each in enumerate(labels):
        if len({str(label) for label in each}) != 1:
            raise TaskError(
                f"{file}: row {row} has the labels {each}; expected one in each row, as the task is multiclass"
            )


def read_split_events(task: Task, name: str) -> SplitEvents:
    """Read the times of an event task's embeddings, and its events.

    Raises:
        TaskError: a file is missing, damaged, or does not go with the embeddings.
    """
    rows, _ = read_dimensions(task.folder, name)
    file = task.folder / f"{name}.filename-timestamps.json"
    pairs = read_json(file, list)
    if len(pairs) != rows:
        raise TaskError(f"{file}: timestamps of {len(pairs)} frames, but {rows} embeddings; embed the task again")
    listed = read_json(task.folder / f"{name}.json", dict)
    try:
        names, times = [str(pair[0]) for pair in pairs], [float(pair[1]) for pair in pairs]
        frames, targets = Frames.from_rows(names, times), Events.from_lists(listed)
    except (TypeError, IndexError, ValueError) as error:
        raise TaskError(f"{task.folder}: {name}: {error}") from error
    strangers = sorted(set(frames.clips) - listed.keys())
    if strangers:
        raise TaskError(f"{file}: {strangers[0]}: not in {name}.json; are both files of the same task?")
    _check_times(file, frames, targets)
    return SplitEvents(frames, torch.tensor(times, dtype=torch.float64), targets, listed)


def _check_times(file: pathlib.Path, frames: Frames, targets: Events) -> None:
    """Timestamps in seconds beside events in milliseconds would score nothing."""
    if len(targets) and len(frames.time):
        last_frame, last_event = float(frames.time.max()), float(targets.end.max())
        if last_event > 100 * last_frame > 0 and not math.isclose(last_frame, 0):
            raise TaskError(
                f"{file}: the last frame is at {last_frame:g} ms, the last event ends at {last_event:g} ms; "
                "are the timestamps in seconds?"
            )
