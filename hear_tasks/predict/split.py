"""The embeddings and labels of a split, checked, the embeddings left on the disk until they are used."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import pathlib
import pickle
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from hear_tasks.predict.events import Events, Frames
from hear_tasks.predict.task import EMBED_AGAIN, Task, explain_unknown, read_dimensions, read_task_json
from hear_tasks.task_folder import VOCABULARY_FILE, TaskError
from hear_tasks.text_files import listed

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
        lists: the same as their file has them.
    """

    frames: Frames
    timestamps: torch.Tensor
    targets: Events
    lists: dict[str, list[dict[str, Any]]]

    def remarks(self, labels: Collection[str]) -> Iterator[str]:
        """What is odd about the events, which count all the same.

        Args:
            labels: those of the vocabulary.
        """
        events = [(clip, event) for clip, of_clip in self.lists.items() for event in of_clip]
        clips: dict[str, str] = {}
        for clip, event in events:
            clips.setdefault(str(event["label"]), clip)
        if unknown := [f"{label!r} in {clip}" for label, clip in clips.items() if label not in labels]:
            yield f"{listed(unknown)}: not in {VOCABULARY_FILE}; counts as missed"
        if early := [clip for clip, event in events if event["start"] < 0]:
            yield f"{len(early)} events begin before their clips, {listed([*dict.fromkeys(early)])}; they count"


def to_device(splits: Mapping[str, Split], device: torch.device, room: int) -> dict[str, Split]:
    """Splits for computations on a device.

    Those whose embeddings `room`, in bytes, does not do for stay in their files, and each batch is brought to the
    device when it is needed.
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
    file = task.folder / f"{name}.target-labels.pkl"
    labels = _read_labels(file, rows)
    targets = torch.from_numpy(_encode(task, name, labels))
    if not task.is_multiclass:
        return Split(name, embeddings, targets, None)
    _check_single(file, labels)
    return Split(name, embeddings, targets, targets.argmax(dim=1))


def _map_embeddings(file: pathlib.Path, rows: int, size: int) -> torch.Tensor:
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
    embeddings = np.memmap(file, np.float32, "c", shape=(rows, size))
    _check_finite(file, embeddings)
    return torch.from_numpy(embeddings)


def _check_finite(file: pathlib.Path, embeddings: np.ndarray) -> None:
    at_once = max(1, _CHUNK_BYTES // (_FLOAT_BYTES * embeddings.shape[1]))
    bad: list[int] = []
    for first in range(0, len(embeddings), at_once):
        is_finite = np.isfinite(embeddings[first : first + at_once]).all(axis=1)
        bad += (first + np.flatnonzero(~is_finite)).tolist()
    if bad:
        shown = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
        raise TaskError(
            f"{file}: NaN or infinity in {len(bad)} of {len(embeddings)} embeddings (rows {shown}); "
            "does the model give such values for silent or very short clips?"
        )


def _read_labels(file: pathlib.Path, rows: int) -> list[list[Any]]:
    try:
        with file.open("rb") as opened:
            labels = pickle.load(opened)
    except FileNotFoundError:
        raise TaskError(f"{file}: not there; embed the task again") from None
    except OSError:
        raise
    except Exception as error:  # a damaged file raises almost anything
        raise TaskError(f"{file}: damaged or cut short ({error}); {EMBED_AGAIN}") from error
    if not isinstance(labels, list) or not all(isinstance(each, list) for each in labels):
        raise TaskError(f"{file}: expected a list of labels for each embedding; {EMBED_AGAIN}")
    if len(labels) != rows:
        raise TaskError(f"{file}: labels of {len(labels)} clips or frames, but {rows} embeddings; {EMBED_AGAIN}")
    return labels


def _encode(task: Task, split: str, labels: Sequence[list[Any]]) -> np.ndarray:
    """1 where a row has a label, otherwise 0, float32 (rows, n_labels)."""
    targets = np.zeros((len(labels), task.n_labels), np.float32)
    rows = np.repeat(np.arange(len(labels)), [len(each) for each in labels])
    texts = [str(label) for each in labels for label in each]
    unknown = [text for text in dict.fromkeys(texts) if text not in task.label_numbers]
    if unknown:
        clips = _clips_of_labels(task.folder / f"{split}.json")
        where = {text: clips.get(text, f"row {rows[texts.index(text)]}") for text in unknown}
        shown = ", ".join(f"{text!r} ({where[text]})" for text in unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        raise TaskError(
            f"{task.folder / split}.target-labels.pkl: {shown}: not in {VOCABULARY_FILE}; "
            f"{explain_unknown(task, unknown)}"
        )
    targets[rows, np.array([task.label_numbers[text] for text in texts], dtype=np.int64)] = 1
    return targets


def _clips_of_labels(file: pathlib.Path) -> dict[str, str]:
    """A clip that has each label, of a split's file of scenes or events; {} where that cannot be told."""
    try:
        clips = read_task_json(file, dict)
        return {
            str(label["label"] if isinstance(label, dict) else label): f"{clip} in {file.name}"
            for clip, labels in reversed(clips.items())
            for label in labels
        }
    except (TaskError, KeyError, TypeError):
        return {}


def _check_single(file: pathlib.Path, labels: Sequence[list[Any]]) -> None:
    for row, each in enumerate(labels):
        if len({str(label) for label in each}) != 1:
            raise TaskError(
                f"{file}: row {row} has the labels {each}; expected one in each row, as the task is multiclass"
            )


def read_split_events(task: Task, name: str) -> SplitEvents:
    """Read the times of an event task's embeddings, and its events.

    Raises:
        TaskError: a file is missing, damaged, or does not go with the embeddings, or there are events that could not
            be scored in the end.
    """
    from hear_tasks.predict.event_postprocessing import check_filters  # SciPy takes long to load
    from hear_tasks.predict.event_scores import EVENT_SCORES

    rows, _ = read_dimensions(task.folder, name)
    file = task.folder / f"{name}.filename-timestamps.json"
    pairs = read_task_json(file, list)
    if len(pairs) != rows:
        raise TaskError(f"{file}: timestamps of {len(pairs)} frames, but {rows} embeddings; {EMBED_AGAIN}")
    with _faults_of(file, f"; {EMBED_AGAIN}"):
        names, times = [str(clip) for clip, _ in pairs], [float(time) for _, time in pairs]
        frames = Frames.from_rows(names, times)
    events_file = task.folder / f"{name}.json"
    lists = read_task_json(events_file, dict)
    with _faults_of(events_file):
        targets = Events.from_lists(lists)
    _check_clips(file, name, set(frames.clips), set(lists))
    _check_order(events_file, targets)
    _check_times(file, frames, targets)
    with _faults_of(events_file):
        check_filters(frames, task.postprocessings)
        for score in task.scores:
            EVENT_SCORES[score].compute(Events.none(frames.clips), targets, task.vocabulary)
    return SplitEvents(frames, torch.tensor(times, dtype=torch.float64), targets, lists)


@contextlib.contextmanager
def _faults_of(file: pathlib.Path, remedy: str = "") -> Iterator[None]:
    """What cannot be done here is the fault of a file."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise TaskError(f"{file}: {error}{remedy}") from error


def _check_clips(file: pathlib.Path, split: str, embedded: set[str], lists: set[str]) -> None:
    for odd, told in ((embedded - lists, f"not in {split}.json"), (lists - embedded, f"in {split}.json alone")):
        if odd:
            more = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
            raise TaskError(f"{file}: {min(odd)}{more}: {told}; are both files of the same task?")


def _check_order(file: pathlib.Path, targets: Events) -> None:
    """Such events would count as none, or as missed; heareval embeds no clip that has one."""
    bad = np.flatnonzero(~(np.isfinite(targets.start) & np.isfinite(targets.end) & (targets.start <= targets.end)))
    if len(bad):
        start, end, clip = targets.start[bad[0]], targets.end[bad[0]], targets.clips[targets.clip[bad[0]]]
        raise TaskError(
            f"{file}: expected finite times of events, the end not before the start, got {start:g} to {end:g} ms in "
            f"{clip}; was the task prepared in full?"
        )


def _check_times(file: pathlib.Path, frames: Frames, targets: Events) -> None:
    """Timestamps in seconds beside events in milliseconds would score nothing."""
    ends = targets.end[np.isfinite(targets.end)]
    if len(ends) and len(frames.time):
        last_frame, last_event = float(frames.time.max()), float(ends.max())
        if last_event > 100 * last_frame > 0 and not math.isclose(last_frame, 0):
            raise TaskError(
                f"{file}: the last frame is at {last_frame:g} ms, the last event ends at {last_event:g} ms; "
                "are the timestamps in seconds?"
            )
