"""Embeddings along clips, at their times, with the labels of the events there."""

from __future__ import annotations

import abc
import importlib.util
import itertools
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hear_tasks.embed.plan import Plan
from hear_tasks.embed.results import Results, pickle_labels, write_json
from hear_tasks.embed.task import Split, TaskError
from hear_tasks.embed.work_folder import WorkFolder

if TYPE_CHECKING:
    from hear_cacophony.engine.batches import Batch
    from hear_cacophony.engine.embedding import Embedder
    from hear_tasks.embed.plugin.model import PluginModel

_FLOAT = np.dtype(np.float32)


class EventResults(Results):
    """Embeddings along each clip."""

    def __init__(self, model: Embedder | PluginModel, plan: Plan, place: pathlib.Path) -> None:
        if importlib.util.find_spec("intervaltree") is None:
            raise TaskError(f"{plan.task.name}: event tasks need intervaltree: pip install 'hear_cacophony[tasks]'")
        super().__init__(model, plan, place)

    @abc.abstractmethod
    def _times(self, clip: int) -> np.ndarray:
        """Timestamps of a clip in milliseconds, as through the HEAR API."""

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

    def __init__(self, model: Embedder, plan: Plan, place: pathlib.Path) -> None:
        super().__init__(model, plan, place)
        self._embedder = model
        counts = [len(model.timestamps(clip.samples)) for clip in plan.task.clips]
        bounds = plan.task.first_clips()
        self._splits = np.repeat(np.arange(len(plan.task.splits)), np.diff(bounds))
        self._counts = np.array(counts)
        in_split = [np.cumsum([0, *counts[start:stop]]) for start, stop in itertools.pairwise(bounds)]
        self._totals = [int(starts[-1]) for starts in in_split]
        self._starts = np.concatenate([starts[:-1] for starts in in_split])

    @property
    def files(self) -> dict[str, int]:
        window = self._size * _FLOAT.itemsize
        return {
            self._embeddings_file(split): total * window
            for split, total in zip(self._task.splits, self._totals, strict=True)
        }

    def write(self, work: WorkFolder, batch: Batch, embedded: np.ndarray, wanted: Sequence[bool]) -> None:
        for index, embeddings in itertools.compress(zip(batch.windows, embedded, strict=True), wanted):
            window = self._plan.windows[index]
            kept, first = self._embedder.kept_times(window, self.count(window.clip))
            place = (self._starts[window.clip] + first) * self._size * _FLOAT.itemsize
            file = self._embeddings_file(self._task.splits[self._splits[window.clip]])
            work.write(file, int(place), embeddings[kept].tobytes())

    def count(self, clip: int) -> int:
        return int(self._counts[clip])

    def write_embeddings(self, work: WorkFolder) -> list[int]:
        return self._totals

    def _times(self, clip: int) -> np.ndarray:
        """Timestamps of a clip in milliseconds, float32 as through the HEAR API."""
        return self._embedder.timestamps(self._task.clips[clip].samples).astype(np.float32)


def labels_at(events: list[dict[str, Any]], times: np.ndarray) -> list[list[str]]:
    """Labels of the events at each time, both in milliseconds; an event lasts up to and including its end."""
    from intervaltree import IntervalTree  # whose order of overlapping events is that of heareval's labels

    end_included = 0.0001
    tree = IntervalTree()
    for event in events:
        tree.addi(event["start"], event["end"] + end_included, event["label"])
    return [[interval.data for interval in tree[time]] for time in times]
