"""What is to be computed for a task: rows of its clips, in batches that depend on nothing but their lengths."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from hear_tasks.embed.clips import read_piece
from hear_tasks.embed.task import Task, TaskError
from hear_tasks.registry import EmbeddingType

if TYPE_CHECKING:
    from hear_cacophony.engine.batches import Batch
    from hear_cacophony.engine.embedding import Embedder
    from hear_cacophony.engine.rows import Row
    from hear_cacophony.engine.window_embedders import Program


@dataclasses.dataclass(frozen=True)
class Plan:
    """The rows of a task, clip after clip in the order of `Task.clips`.

    Attributes:
        task: what is embedded.
        program: what embeds it.
        rows: what it is given.
        first_rows: index of each clip's first row, and the number of rows.
        dtype: int16 where all clips are, otherwise float32.
    """

    task: Task
    program: Program
    rows: tuple[Row, ...]
    first_rows: np.ndarray
    dtype: np.dtype

    def batches(self, tokens_per_batch: int, multiple: int) -> list[Batch]:
        """All rows in batches of at most `tokens_per_batch` patches, in sizes that are multiples of `multiple`."""
        from hear_cacophony.engine.batches import even_batches

        steps = [row.steps for row in self.rows]
        return list(even_batches(steps, self.program.tokens_per_step, tokens_per_batch, multiple))

    def read(self, batch: Batch) -> np.ndarray:
        """The audio of a batch, silent before and after its clips, shape (batch.size, samples).

        Raises:
            BadClipError: a clip cannot be read.
        """
        length = self.program.num_samples(batch.steps)
        audio = np.zeros((batch.size, length), self.dtype)
        for target, row in zip(audio, self.members(batch), strict=False):
            clip = self.task.clips[row.clip]
            start, stop, place = row.span(clip.samples, length)
            if start < stop:
                read_piece(clip, start, stop, target[place : place + stop - start])
        return audio

    def members(self, batch: Batch) -> list[Row]:
        """The rows of a batch."""
        return [self.rows[i] for i in batch.rows]


def make_plan(model: Embedder, task: Task) -> Plan:
    """The plan for a task.

    Raises:
        TaskError: a clip is too long for the options of the model.
    """
    program = model.scene_program if task.embedding_type == EmbeddingType.SCENE else model.timestamp_program
    for clip in task.clips:
        try:
            model.check_length(clip.samples)
        except ValueError as error:
            raise TaskError(f"{clip.file}: {error}") from None
    by_clip = [program.rows(i, clip.samples) for i, clip in enumerate(task.clips)]
    first_rows = np.cumsum([0, *map(len, by_clip)])
    dtype = np.dtype(np.int16 if all(clip.pcm_16 for clip in task.clips) else np.float32)
    return Plan(task, program, tuple(row for rows in by_clip for row in rows), first_rows, dtype)
