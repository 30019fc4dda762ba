"""What `embed` asks of a model, whether it is ours or a plugin."""

from __future__ import annotations

import abc
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hear_tasks.registry import EmbeddingType

if TYPE_CHECKING:
    from hear_cacophony.engine.batches import Batch
    from hear_cacophony.engine.windows import Window
    from hear_tasks.embed.plan import Plan
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
