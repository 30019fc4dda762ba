"""From the results of windows to the files that heareval's prediction runner reads.

Their names, forms and order are those of heareval 2021.1.3.
"""

from __future__ import annotations

import abc
import io
import itertools
import json
import os
import pathlib
import pickle
import shutil
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from hear_tasks.embed.model import Plan
from hear_tasks.embed.record import write_record
from hear_tasks.embed.task import Split, Task
from hear_tasks.embed.work_folder import WorkFolder
from hear_tasks.task_folder import METADATA_FILE, VOCABULARY_FILE, TaskError

if TYPE_CHECKING:
    from hear_cacophony.engine.batches import Batch

_CHUNK = 4096
"""Clips whose windows are held at once when windows are merged."""

MergeWindows = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Makes the embeddings of clips, float32, from those of their windows, their weights, and where each clip begins."""

_LONGEST_ENDING = ".target-labels.json"


def check_clip_file_names(task: Task, target: pathlib.Path) -> None:
    """Raise TaskError where the name of a clip leaves no room for the endings of its files."""
    limit = os.pathconf(target.parent, "PC_NAME_MAX") - len(_LONGEST_ENDING)
    long = [name for split in task.splits for name in split.order if len(os.fsencode(name)) > limit]
    if long:
        raise TaskError(
            f"{task.name}: {long[0]}: expected names of at most {limit} bytes with --clip-files, as "
            f"{_LONGEST_ENDING} is put behind them, got {len(os.fsencode(long[0]))} ({len(long)} such names)"
        )


class Results(abc.ABC):
    """Where the results of a task go."""

    def __init__(self, plan: Plan, place: pathlib.Path) -> None:
        self._plan, self._place = plan, place
        self._task = plan.task
        self._size = plan.embedder.size
        self._row_bytes = self._size * np.dtype(np.float32).itemsize

    @property
    @abc.abstractmethod
    def files(self) -> dict[str, int]:
        """Bytes of each file that windows are written to, by its path in the working folder."""

    @property
    def needed_bytes(self) -> int:
        """Bytes that the task takes on the disk while it is finished; 0 where that is not yet known."""
        return 2 * sum(self.files.values())

    @abc.abstractmethod
    def write(self, work: WorkFolder, batch: Batch, embedded: np.ndarray, wanted: Iterable[bool]) -> None:
        """Write the results of a batch, shape (windows, ...): of the windows that are `wanted`, one for each."""

    @abc.abstractmethod
    def write_embeddings(self, work: WorkFolder) -> list[int]:
        """Bring the embeddings into their final form; the number of them in each split."""

    @abc.abstractmethod
    def write_labels(self, work: WorkFolder, split: Split, first: int) -> None:
        """Write the labels of a split, whose first clip has the index `first` among those of the task."""

    @abc.abstractmethod
    def write_clip_labels(self, work: WorkFolder, split: Split, name: str, clip: int) -> None:
        """Write the labels of a clip beside its embeddings."""

    @abc.abstractmethod
    def count(self, clip: int) -> int:
        """Embeddings of a clip."""

    def finish(self, work: WorkFolder, *, clip_files: bool) -> None:
        """Write all files of the task, from the results of all windows."""
        _copy(self._task.folder / METADATA_FILE, work.task)
        _copy(self._task.folder / VOCABULARY_FILE, work.task)
        write_record(work.task, self._task)
        counts = self.write_embeddings(work)
        for (split, clips), count in zip(self._task.clips_by_split(), counts, strict=True):
            _copy(self._task.folder / f"{split.name}.json", work.task)
            (work.task / f"{split.name}.embedding-dimensions.json").write_text(json.dumps((count, self._size)))
            self.write_labels(work, split, clips.start)
            if clip_files:
                self._write_clip_files(work, split, count, clips.start)

    def _write_clip_files(self, work: WorkFolder, split: Split, count: int, first: int) -> None:
        (work.task / split.name).mkdir(exist_ok=True)
        file = work.task / f"{split.name}.embeddings.npy"
        embeddings = np.memmap(file, np.float32, "r", shape=(count, self._size))
        start = 0
        for clip, name in enumerate(split.order, first):
            stop = start + self.count(clip)
            _save(work.task / split.name / f"{name}.embedding.npy", self._clip_array(embeddings[start:stop]))
            self.write_clip_labels(work, split, name, clip)
            start = stop

    def _clip_array(self, embeddings: np.ndarray) -> np.ndarray:
        return np.array(embeddings)

    def _embeddings_file(self, split: Split) -> str:
        return f"task/{split.name}.embeddings.npy"


def _save(path: pathlib.Path, array: np.ndarray) -> None:
    """As `numpy.save`, which does not say why a file cannot be written."""
    content = io.BytesIO()
    np.save(content, array)
    path.write_bytes(content.getbuffer())


class SceneResults(Results):
    """One embedding for each clip. The windows are collected first, since a clip may have several windows."""

    def __init__(self, plan: Plan, place: pathlib.Path, merge: MergeWindows) -> None:
        super().__init__(plan, place)
        self._merge = merge

    @property
    def files(self) -> dict[str, int]:
        return {"windows": len(self._plan.windows) * self._row_bytes}

    def write(self, work: WorkFolder, batch: Batch, embedded: np.ndarray, wanted: Iterable[bool]) -> None:
        for window, embedding in itertools.compress(zip(batch.windows, embedded, strict=True), wanted):
            work.write("windows", window * self._row_bytes, embedding.tobytes())

    def count(self, clip: int) -> int:
        return 1

    def write_embeddings(self, work: WorkFolder) -> list[int]:
        windows = np.memmap(work.path("windows"), np.float32, "r", shape=(len(self._plan.windows), self._size))
        for split, clips in self._task.clips_by_split():
            with work.path(self._embeddings_file(split)).open("wb") as file:
                for first in clips[::_CHUNK]:
                    file.write(self._merged(windows, first, min(clips.stop, first + _CHUNK)).tobytes())
        return [len(split.order) for split in self._task.splits]

    def _merged(self, windows: np.ndarray, start: int, stop: int) -> np.ndarray:
        """Embeddings of the clips from `start` to `stop`."""
        first_windows = self._plan.first_windows[start : stop + 1]
        chosen = slice(first_windows[0], first_windows[-1])
        weights = np.array([window.weight for window in self._plan.windows[chosen]])
        return self._merge(np.asarray(windows[chosen]), weights, first_windows[:-1] - first_windows[0])

    def write_labels(self, work: WorkFolder, split: Split, first: int) -> None:
        pickle_labels(work, split, [split.labels[name] for name in split.order])

    def write_clip_labels(self, work: WorkFolder, split: Split, name: str, clip: int) -> None:
        write_json(work.task / split.name / f"{name}.target-labels.json", split.labels[name])

    def _clip_array(self, embeddings: np.ndarray) -> np.ndarray:
        return np.array(embeddings[0])


def _copy(file: pathlib.Path, folder: pathlib.Path) -> None:
    """Copy the content alone: the modes of a data set that is read-only would keep a killed run from going on."""
    target = folder / file.name
    target.unlink(missing_ok=True)
    shutil.copyfile(file, target)


def pickle_labels(work: WorkFolder, split: Split, labels: list) -> None:
    with (work.task / f"{split.name}.target-labels.pkl").open("wb") as file:
        pickle.dump(labels, file)


def write_json(file: pathlib.Path, content: Any, indent: int | None = None) -> None:
    file.write_text(json.dumps(content, indent=indent))
