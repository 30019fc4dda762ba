"""Embeddings along clips, at their times, with the labels of the events there."""

from __future__ import annotations

import abc
import importlib.util
import itertools
import pathlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from hear_tasks.embed.model import Plan
from hear_tasks.embed.results import Results, pickle_labels, write_json
from hear_tasks.embed.task import Split
from hear_tasks.embed.work_folder import WorkFolder
from hear_tasks.task_folder import TaskError

if TYPE_CHECKING:
    from hear_cacophony.engine.batches import Batch
    from hear_cacophony.engine.embedding import Embedder

_TIME = np.dtype(np.float64)

_PLACE = np.dtype([("first", "<i8"), ("count", "<i8"), ("kind", "S4")])
"""Where the embeddings of a clip lie, how many there are, and the type of their timestamps."""


class EventResults(Results):
    """Embeddings along each clip."""

    def __init__(self, plan: Plan, place: pathlib.Path) -> None:
        if importlib.util.find_spec("intervaltree") is None:
            raise TaskError(f"{plan.task.name}: event tasks need intervaltree: pip install 'hear_cacophony[tasks]'")
        super().__init__(plan, place)

    @abc.abstractmethod
    def _times(self, clip: int) -> np.ndarray:
        """Timestamps of a clip in milliseconds, as through the HEAR API: ours are float32."""

    def write_labels(self, work: WorkFolder, split: Split, first: int) -> None:
        labels: list[list[str]] = []
        timestamps: list[tuple[str, float]] = []
        for clip, name in enumerate(split.order, first):
            times = self._times(clip)
            labels += labels_at(split.labels[name], times)
            place = str(self._place / split.name / name)
            timestamps += [(place, time) for time in times.tolist()]
        pickle_labels(work, split, labels)
        write_json(work.task / f"{split.name}.filename-timestamps.json", timestamps, indent=4)

    def write_clip_labels(self, work: WorkFolder, split: Split, name: str, clip: int) -> None:
        times = self._times(clip)
        place = work.task / split.name
        write_json(place / f"{name}.timestamps.json", times.tolist())
        write_json(place / f"{name}.target-labels.json", labels_at(split.labels[name], times), indent=4)


class PlannedEventResults(EventResults):
    """Embeddings at times that are known beforehand: the windows go straight to their places."""

    def __init__(self, plan: Plan, place: pathlib.Path, model: Embedder) -> None:
        super().__init__(plan, place)
        self._embedder = model
        self._counts = [len(model.timestamps(clip.samples)) for clip in plan.task.clips]
        self._totals: list[int] = []
        self._places: list[tuple[str, int]] = []  # of each clip, its file and its first row there
        for split, clips in plan.task.clips_by_split():
            *starts, total = itertools.accumulate(self._counts[clips.start : clips.stop], initial=0)
            self._totals.append(total)
            self._places += [(self._embeddings_file(split), start) for start in starts]

    @property
    def files(self) -> dict[str, int]:
        return {
            self._embeddings_file(split): total * self._row_bytes
            for split, total in zip(self._task.splits, self._totals, strict=True)
        }

    def write(self, work: WorkFolder, batch: Batch, embedded: np.ndarray, wanted: Iterable[bool]) -> None:
        for index, embeddings in itertools.compress(zip(batch.windows, embedded, strict=True), wanted):
            window = self._plan.windows[index]
            kept, first = self._embedder.kept_times(window, self.count(window.clip))
            file, start = self._places[window.clip]
            work.write(file, int(start + first) * self._row_bytes, embeddings[kept].tobytes())

    def count(self, clip: int) -> int:
        return self._counts[clip]

    def write_embeddings(self, work: WorkFolder) -> list[int]:
        return self._totals

    def _times(self, clip: int) -> np.ndarray:
        return self._embedder.timestamps(self._task.clips[clip].samples).astype(np.float32)


class GrowingEventResults(EventResults):
    """Embeddings at times that are known only when they come.

    Embeddings and times grow in two files, in the order in which batches are done; a third says for each clip where its
    own lie. When all are there, they are brought into heareval's order.
    """

    _end: int | None = None
    _places: np.ndarray

    @property
    def files(self) -> dict[str, int]:
        return {"embeddings": 0, "times": 0, "places": len(self._task.clips) * _PLACE.itemsize}

    @property
    def needed_bytes(self) -> int:
        """Bytes on the disk, once there is a clip to judge by; 0 before that."""
        done = self._places["count"] > 0 if self._end else np.zeros(0, bool)
        samples = sum(itertools.compress((clip.samples for clip in self._task.clips), done))
        row = 2 * self._row_bytes + _TIME.itemsize
        return round(row * (self._end or 0) * self._task.samples / samples) if samples else 0

    def write(self, work: WorkFolder, batch: Batch, embedded: np.ndarray, wanted: Iterable[bool]) -> None:
        if self._end is None:
            self._end = self._earlier_end(work)
        for clip, (embeddings, times) in itertools.compress(zip(batch.windows, embedded, strict=True), wanted):
            work.write("embeddings", self._end * self._row_bytes, embeddings.tobytes())
            work.write("times", self._end * _TIME.itemsize, times.astype(_TIME).tobytes())
            place = np.array((self._end, len(times), times.dtype.str.encode()), _PLACE)
            work.write("places", clip * _PLACE.itemsize, place.tobytes())
            self._places[clip] = place
            self._end += len(times)

    def _earlier_end(self, work: WorkFolder) -> int:
        """Where the embeddings of clips that are done end; what a killed run wrote behind that is lost."""
        self._places = np.fromfile(work.path("places"), _PLACE)
        self._places[~work.done_windows(len(self._places))] = np.zeros((), _PLACE)
        end = int((self._places["first"] + self._places["count"]).max())
        for name, size in (("embeddings", self._row_bytes), ("times", _TIME.itemsize)):
            if work.path(name).stat().st_size < end * size:
                raise TaskError(f"{work.path(name)}: cut short; remove {work.path('')} and embed the task again")
        return end

    def count(self, clip: int) -> int:
        return int(self._places["count"][clip])

    def write_embeddings(self, work: WorkFolder) -> list[int]:
        self._end = self._earlier_end(work)
        self._all_times = np.fromfile(work.path("times"), _TIME, self._end)
        grown = np.memmap(work.path("embeddings"), np.float32, "r", shape=(self._end, self._size))
        totals = []
        for split, clips in self._task.clips_by_split():
            places = self._places[clips.start : clips.stop]
            with work.path(self._embeddings_file(split)).open("wb") as file:
                for first, count, _ in places:
                    file.write(grown[first : first + count].tobytes())
            totals.append(int(places["count"].sum()))
        return totals

    def _times(self, clip: int) -> np.ndarray:
        first, count, kind = self._places[clip]
        return self._all_times[first : first + count].astype(kind.decode())


def labels_at(events: list[dict[str, Any]], times: np.ndarray) -> list[list[str]]:
    """Labels of the events at each time, both in milliseconds; an event lasts up to and including its end."""
    from intervaltree import IntervalTree  # whose order of overlapping events is that of heareval's labels

    end_included = 0.0001
    tree = IntervalTree()
    for event in events:
        tree.addi(event["start"], event["end"] + end_included, event["label"])
    return [[interval.data for interval in tree[time]] for time in times]
