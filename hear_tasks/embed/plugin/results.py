"""Embeddings along clips at times that are known only when they come.

Embeddings and times grow in two files, in the order in which batches are done; a third says for each clip where its
own lie. When all are there, they are brought into heareval's order.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hear_tasks.embed.event_results import EventResults
from hear_tasks.embed.work_folder import WorkFolder

if TYPE_CHECKING:
    from hear_cacophony.engine.batches import Batch

_PLACE = np.dtype([("first", "<i8"), ("count", "<i8"), ("kind", "S4")])
"""Where the embeddings of a clip lie, how many there are, and the type of their timestamps."""

_FLOAT, _TIME = np.dtype(np.float32), np.dtype(np.float64)


class GrowingEventResults(EventResults):
    """Embeddings of any number of times for each clip."""

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
        row = self._size * _FLOAT.itemsize
        return round((2 * row + _TIME.itemsize) * (self._end or 0) * self._task.samples / samples) if samples else 0

    def write(self, work: WorkFolder, batch: Batch, embedded: np.ndarray, wanted: Sequence[bool]) -> None:
        if self._end is None:
            self._end = self._earlier_end(work)
        for clip, (embeddings, times) in itertools.compress(zip(batch.windows, embedded, strict=True), wanted):
            work.write("embeddings", self._end * self._size * _FLOAT.itemsize, embeddings.tobytes())
            work.write("times", self._end * _TIME.itemsize, times.astype(_TIME).tobytes())
            place = np.array((self._end, len(times), times.dtype.str.encode()), _PLACE)
            work.write("places", clip * _PLACE.itemsize, place.tobytes())
            self._places[clip] = place
            self._end += len(times)

    def _earlier_end(self, work: WorkFolder) -> int:
        """Where the embeddings of clips that are done end; what a killed run wrote behind that is lost."""
        self._places = np.fromfile(work.path("places"), _PLACE)
        self._places[~work.done_windows(len(self._places))] = np.zeros((), _PLACE)
        return int((self._places["first"] + self._places["count"]).max())

    def count(self, clip: int) -> int:
        return int(self._places["count"][clip])

    def write_embeddings(self, work: WorkFolder) -> list[int]:
        self._end = self._earlier_end(work)
        self._all_times = np.fromfile(work.path("times"), _TIME, self._end)
        grown = np.memmap(work.path("embeddings"), np.float32, "r", shape=(self._end, self._size))
        totals = []
        bounds = itertools.pairwise(self._task.first_clips())
        for split, (start, stop) in zip(self._task.splits, bounds, strict=True):
            with work.path(self._embeddings_file(split)).open("wb") as file:
                for first, count, _ in self._places[start:stop]:
                    file.write(grown[first : first + count].tobytes())
            totals.append(int(self._places["count"][start:stop].sum()))
        return totals

    def _times(self, clip: int) -> np.ndarray:
        first, count, kind = self._places[clip]
        return self._all_times[first : first + count].astype(kind.decode())
