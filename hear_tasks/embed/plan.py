"""What is to be computed for a task: windows of its clips, in batches that depend on nothing but their lengths."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from hear_tasks.embed.clips import read_piece
from hear_tasks.embed.model import ClipEmbedder
from hear_tasks.embed.task import Task
from hear_tasks.task_folder import TaskError

if TYPE_CHECKING:
    from hear_cacophony.engine.batches import Batch
    from hear_cacophony.engine.windows import Window


@dataclasses.dataclass(frozen=True)
class Plan:
    """The windows of a task, clip after clip in the order of `Task.clips`.

    Attributes:
        task: what is embedded.
        embedder: what embeds its windows.
        windows: what it is given.
        first_windows: index of each clip's first window, and the number of windows.
        dtype: int16 where all clips are, otherwise float32.
    """

    task: Task
    embedder: ClipEmbedder
    windows: tuple[Window, ...]
    first_windows: np.ndarray
    dtype: np.dtype

    def batches(self, tokens_per_batch: int) -> list[Batch]:
        """All windows in batches of at most so many tokens."""
        return self.embedder.batches([window.steps for window in self.windows], tokens_per_batch)

    def read(self, batch: Batch) -> np.ndarray:
        """The audio of a batch, silent before and after its clips, shape (batch.size, samples).

        Raises:
            BadClipError: a clip cannot be read.
        """
        length = self.embedder.num_samples(batch.steps)
        audio = np.zeros((batch.size, length), self.dtype)
        for target, window in zip(audio, self.members(batch), strict=False):
            clip = self.task.clips[window.clip]
            start, stop, place = window.overlap(clip.samples, length)
            if start < stop:
                read_piece(clip, start, stop, target[place : place + stop - start])
        return audio

    def members(self, batch: Batch) -> list[Window]:
        """The windows of a batch."""
        return [self.windows[i] for i in batch.windows]


def make_plan(embedder: ClipEmbedder, task: Task) -> Plan:
    """The plan for a task.

    Raises:
        TaskError: a clip is too long for the options of the model.
    """
    by_clip: list[list[Window]] = []
    for i, clip in enumerate(task.clips):
        try:
            by_clip.append(embedder.windows(i, clip.samples))
        except ValueError as error:
            raise TaskError(f"{clip.file}: {error}") from None
    first_windows = np.cumsum([0, *map(len, by_clip)])
    dtype = np.dtype(np.int16 if all(clip.pcm_16 for clip in task.clips) else np.float32)
    return Plan(task, embedder, tuple(window for windows in by_clip for window in windows), first_windows, dtype)
