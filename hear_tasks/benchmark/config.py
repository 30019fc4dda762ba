"""What is measured, and how thoroughly."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import pathlib
import sys
import warnings
from collections.abc import Iterator, Sequence

from hear_cacophony.engine.embedding import EmbeddingModel, load_embedding_model


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes:
        name: "full", "short" or "quick".
        model: measured where no file is named.
        lengths: seconds of the clips.
        rounds: how often what is compared takes its turn.
        product_seconds: least time for one turn of the matrix products.
        task_lengths: seconds of the clips of synthetic tasks.
        task_seconds: about how long the encoder takes for a synthetic task.
        task_batches: in it at least, so that reading and writing have something to go on beside.
        task_rounds: turns for whole tasks.
        tiny_clips: clips of 1 s for the tiny model.
        long_seconds: length of the long clip.
        mixed_clips: clips of the task of many lengths.
        mixed_seconds: the longest of them.
        texts: in a batch.
        caption_tokens: in a caption of those that are written in batches; the most there are by default.
        cached_tokens: in a caption of those that are written with caches and without.
        caption_seconds: of a clip that is captioned.
        train_size: name of the sizes that are trained.
        train_clips: in a batch of training.
        train_seconds: of each of them.
        train_rounds: turns for training steps.
        packed_clips: sounds that are packed.
    """

    name: str
    model: str
    lengths: tuple[int, ...]
    rounds: int
    product_seconds: float
    task_lengths: tuple[int, ...]
    task_seconds: float
    task_batches: int
    task_rounds: int
    tiny_clips: int
    long_seconds: int
    mixed_clips: int
    mixed_seconds: float
    texts: int
    caption_tokens: int
    cached_tokens: int
    caption_seconds: int
    train_size: str
    train_clips: int
    train_seconds: int
    train_rounds: int
    packed_clips: int


FULL = Scale(
    "full", "random", (1, 5, 10, 30), 5, 0.5, (1, 5, 10, 30), 10.0, 4, 3, 2016, 600, 200, 30.0, 64, 100, 64, 10,
    "base", 16, 10, 3, 10_000,
)  # fmt: skip
SHORT = dataclasses.replace(FULL, name="short", rounds=3, task_lengths=(10,), task_seconds=3.0, task_rounds=2)
QUICK = Scale(
    "quick", "random-tiny", (1, 5), 1, 0.01, (1,), 0.05, 1, 1, 84, 60, 12, 2.0, 4, 4, 4, 1, "tiny", 4, 1, 1, 40,
)  # fmt: skip
SCALES = {scale.name: scale for scale in (FULL, SHORT, QUICK)}


class Config:
    """The model and the scale of the measurements.

    Attributes:
        files: checkpoints, or names of untrained weights; speeds are those of the first.
        precision: of the matrix products.
        scale: how much is measured.
        folder: for what the measurements leave on disk.
    """

    def __init__(self, files: Sequence[str], precision: str, scale: Scale, folder: pathlib.Path) -> None:
        self.files, self.precision, self.scale, self.folder = list(files), precision, scale, folder

    @functools.cached_property
    def model(self) -> EmbeddingModel:
        """The model whose speed is measured."""
        return load_quietly(self.files[0], self.precision)

    @functools.cached_property
    def tiny_model(self) -> EmbeddingModel:
        """One whose encoder takes hardly any time."""
        return load_quietly("random-tiny", self.precision)


def load_quietly(path: str, precision: str) -> EmbeddingModel:
    """Load a model; its speed is that of any other, so nothing is said of weights that are untrained."""
    with no_word_of_untrained():
        return load_embedding_model(path, precision=precision)


@contextlib.contextmanager
def no_word_of_untrained() -> Iterator[None]:
    """Leave out the warning that weights are untrained."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* are untrained")
        yield


def tell(message: str) -> None:
    """Say on standard error what is being measured."""
    print(f"benchmark: {message}", file=sys.stderr, flush=True)
