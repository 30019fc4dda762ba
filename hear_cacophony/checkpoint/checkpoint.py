"""What a checkpoint is once it is read, and what its file says of itself."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping

import numpy as np

from hear_cacophony.model.stages import STAGES, EncoderConfig, Release, Stage


class CheckpointError(ValueError):
    """A file is not the checkpoint that it should be."""


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The audio side of one checkpoint.

    Attributes:
        stage: which encoder it is, recognised from the parameter names.
        config: sizes, recognised from the shapes.
        parameters: float32 arrays by full path, exactly those of
            `hear_cacophony.checkpoint.parameters.expected_shapes`.
        source: name of the file that the parameters were published or written in.
        md5: MD5 of that file; "" where there is no such file.
        untrained: True for random parameters.
    """

    stage: Stage
    config: EncoderConfig
    parameters: Mapping[str, np.ndarray]
    source: str
    md5: str
    untrained: bool = False

    @property
    def release(self) -> Release | None:
        """The published file with this MD5, if it is one."""
        return find_release(self.md5)


@dataclasses.dataclass(frozen=True)
class CheckpointSummary:
    """What `hear-cacophony info` tells of a file.

    `parameter_counts` counts the values in each subtree below `['0']['params']`, also of
    those that are never loaded.
    """

    stage: Stage
    config: EncoderConfig
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
