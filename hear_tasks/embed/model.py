"""What `embed` asks of a model, whether it is ours or a plugin, and the windows of a task that it is given."""

from __future__ import annotations

import abc
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hear_tasks.embed.clips import read_piece
from hear_tasks.embed.task import Task
from hear_tasks.registry import EmbeddingType
from hear_tasks.task_folder import TaskError

if TYPE_CHECKING:
    from hear_cacophony.engine.batches import Batch
    from hear_cacophony.engine.windows import Window
    from hear_tasks.embed.results import Results


class FailedClipsError(Exception):
    """Clips that a model fails for.

    Attributes:
        messages: what it said for each, by the index of the clip in its task.
        every: whether it fails for each of several clips, so that others hardly fare better.
        others: results of the other clips of the batch, in their order.
    """

    def __init__(self, messages: Mapping[int, str], every: bool, others: np.ndarray) -> None:
        super().__init__("; ".join(messages.values()))
        self.messages = messages
        self.every = every
        self.others = others


class Model(abc.ABC):
    """A loaded model.

    Attributes:
        sample_rate: samples per second of the audio that it takes: the folder of a task that it is read from.
        scene_embedding_size, timestamp_embedding_size: values in an embedding.
        identity: its weights, their MD5, and whatever else tells them from others, for JSON.
    """

    sample_rate: int
    scene_embedding_size: int
    timestamp_embedding_size: int
    identity: Mapping[str, Any]

    @abc.abstractmethod
    def embedder(self, task: str, kind: EmbeddingType) -> ClipEmbedder:
        """What embeds the clips of a task, by the name of its directory."""

    @abc.abstractmethod
    def embed_scenes(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        """One embedding for each clip, outside of any task.

        Args:
            clips: float32 in [-1, 1] at `sample_rate`, each of shape (samples,).

        Returns:
            Shape (clips, scene_embedding_size), float32.

        Raises:
            ValueError: it fails for one of them.
        """

    def find_problems(self) -> list[str]:
        """What is wrong with what it gives for noise; [] if nothing is, or where it is not asked, as ours are not."""
        return []


class ClipEmbedder(abc.ABC):
    """What embeds the clips of a task, window by window.

    Attributes:
        size: values in an embedding.
        devices: names of the hardware that shares a batch, "cpu" for processors.
        unit: what the sizes of batches are counted in.
        tokens_per_batch: size of a batch that the memory does for, unless told otherwise.
        tokens_per_step: size of a step of a window.
        thrift: what to say where the memory does not do for a single window.
    """

    size: int
    devices: Sequence[str]
    unit: str
    tokens_per_batch: int
    tokens_per_step: int
    thrift: str

    @property
    @abc.abstractmethod
    def peak_gibibytes(self) -> float | None:
        """The most memory that was in use on the first device so far, None where it is not counted."""

    @abc.abstractmethod
    def windows(self, clip: int, num_samples: int) -> list[Window]:
        """The windows of clip number `clip`, in order.

        Raises:
            ValueError: it is too long.
        """

    @abc.abstractmethod
    def num_samples(self, steps: int) -> int:
        """Samples in a window of so many steps."""

    @abc.abstractmethod
    def tokens(self, seconds: float) -> int:
        """Size of a batch of so many seconds of audio."""

    @abc.abstractmethod
    def batches(self, window_steps: Sequence[int], tokens_per_batch: int) -> list[Batch]:
        """Windows of so many steps each, in batches of at most so many tokens, which depend on the arguments alone."""

    @abc.abstractmethod
    def run(self, audio: np.ndarray, windows: Sequence[Window]) -> Any:
        """The results of a batch, one for each window, perhaps not yet computed.

        Args:
            audio: float32 in [-1, 1], or 16-bit integers, shape (batch, samples).
            windows: the first windows of it; what the others hold does not matter.

        Raises:
            MemoryError, RuntimeError: there is not enough memory for so many.
            FailedClipsError: it fails for some of the clips, or for all.
        """

    @abc.abstractmethod
    def results(self, plan: Plan, place: pathlib.Path) -> Results:
        """Where the results of a task go, whose final folder is `place`, as it was given."""


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
                read_piece(clip, start, target[place : place + stop - start])
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
