"""What a checkpoint is once it is read, and what its file says of itself."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from hear_cacophony.model.stages import STAGES, EncoderConfig, Release, Stage, TextConfig


class CheckpointError(ValueError):
    """A file is not the checkpoint that it should be."""


@dataclasses.dataclass(frozen=True)
class TextSide:
    """The text side of one checkpoint.

    Attributes:
        config: sizes, recognised from the shapes.
        parameters: float32 arrays by full path, those of
            `hear_cacophony.checkpoint.parameters.expected_text_shapes`. Each is read when it is
            taken, so that a CheckpointError may come then.
    """

    config: TextConfig
    parameters: LazyParameters


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The audio side of one checkpoint, and its text side where that was asked for.

    Attributes:
        stage: which encoder it is, recognised from the parameter names.
        config: sizes, recognised from the shapes.
        parameters: float32 arrays by full path, exactly those of
            `hear_cacophony.checkpoint.parameters.expected_shapes`.
        source: name of the file that the parameters were published or written in.
        md5: MD5 of that file, or of the converted one that was read, where that may hold something else by now;
            "" where there is no such file.
        untrained: True for random parameters.
        text: the text side; None where it was not asked for.
    """

    stage: Stage
    config: EncoderConfig
    parameters: Mapping[str, np.ndarray]
    source: str
    md5: str
    untrained: bool = False
    text: TextSide | None = None

    @property
    def release(self) -> Release | None:
        """The published file with this MD5, if it is one."""
        return find_release(self.md5)


@dataclasses.dataclass(frozen=True)
class CheckpointSummary:
    """What `hear-cacophony info` tells of a file.

    `text_config` is None where the file has no text side. `parameter_counts` counts the values
    in each subtree below `['0']['params']`, also of those that are never loaded.
    """

    stage: Stage
    config: EncoderConfig
    text_config: TextConfig | None
    parameter_counts: Mapping[str, int]
    source: str
    md5: str
    untrained: bool

    @property
    def release(self) -> Release | None:
        """The published file with this MD5, if it is one."""
        return find_release(self.md5)


def find_release(md5: str) -> Release | None:
    """The published file with this MD5, or None."""
    return next((stage.release for stage in STAGES if stage.release.md5 == md5), None)


def count_parameters(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Values in each subtree of a parameter tree, given the shapes by path."""
    counts: Counter[str] = Counter()
    for path, shape in shapes.items():
        counts[path.split("/")[0]] += math.prod(shape)
    return dict(counts)


class LazyParameters(Mapping[str, np.ndarray]):
    """Arrays by path, each read anew whenever it is taken, so that none is held here.

    Args:
        paths: the names there are.
        read: gives the array of a path, or of it what lies within a slice of the first axis, where that is not None.
    """

    def __init__(self, paths: Iterable[str], read: Callable[[str, slice | None], np.ndarray]) -> None:
        self._paths = tuple(paths)
        self._read = read

    def __getitem__(self, path: str) -> np.ndarray:
        if path not in self._paths:
            raise KeyError(path)
        return self._read(path, None)

    def rows(self, path: str, start: int, stop: int) -> np.ndarray:
        """Entries `start` to `stop`, without it, along the first axis of an array; the others are not read."""
        return self._read(path, slice(start, stop))

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)
