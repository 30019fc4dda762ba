"""What is to be computed for a task: windows of its clips, in batches that depend on nothing but their lengths."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from hear_tasks.embed.clips import read_piece
from hear_tasks.embed.plugin.model import PluginEmbedder, PluginModel
from hear_tasks.embed.task import Task, TaskError
from hear_tasks.registry import EmbeddingType

if TYPE_CHECKING:
    from hear_cacophony.engine.batches import Batch
    from hear_cacophony.engine.embedding import Embedder
    from hear_cacophony.engine.window_embedders import WindowEmbedder
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
    embedder: WindowEmbedder | PluginEmbedder
    windows: tuple[Window, ...]
    first_windows: np.ndarray
    dtype: np.dtype

    @property
    def of_plugin(self) -> bool:
        """Whether a plugin embeds it: whole clips, as they are."""
        return isinstance(self.embedder, PluginEmbedder)

    def tokens(self, seconds: float) -> int:
        """What the size of a batch is counted in, for so many seconds of audio: patches, or samples of a plugin."""
        from hear_cacophony.frontend.spectrogram import SAMPLE_RATE, STEP_LENGTH

        if isinstance(self.embedder, PluginEmbedder):
            return max(1, round(seconds * self.task.sample_rate))
        return max(1, round(seconds * SAMPLE_RATE / STEP_LENGTH) * self.embedder.tokens_per_step)

    def batches(self, tokens_per_batch: int, multiple: int) -> list[Batch]:
        """All windows in batches of at most so many `tokens`, in sizes that are multiples of `multiple`."""
        from hear_cacophony.engine.batches import even_batches

        steps = [window.steps for window in self.windows]
        if isinstance(self.embedder, PluginEmbedder):
            return list(self.embedder.batches(steps, tokens_per_batch))
        return list(even_batches(steps, self.embedder.tokens_per_step, tokens_per_batch, multiple))

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


def make_plan(model: Embedder | PluginModel, task: Task) -> Plan:
    """The plan for a task.

    Raises:
        TaskError: a clip is too long for the options of the model.
    """
    embedder = model.scene_embedder if task.embedding_type == EmbeddingType.SCENE else model.timestamp_embedder
    for clip in task.clips:
        try:
            model.check_length(clip.samples)
        except ValueError as error:
            raise TaskError(f"{clip.file}: {error}") from None
    by_clip = [embedder.windows(i, clip.samples) for i, clip in enumerate(task.clips)]
    first_windows = np.cumsum([0, *map(len, by_clip)])
    dtype = np.dtype(np.int16 if all(clip.pcm_16 for clip in task.clips) else np.float32)
    return Plan(task, embedder, tuple(window for windows in by_clip for window in windows), first_windows, dtype)
