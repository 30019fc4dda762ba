"""Untrained weights, the same in every process: they stand in for a file where none is there."""

from __future__ import annotations

import warnings
import zlib

import numpy as np

from hear_cacophony.checkpoint.checkpoint import Checkpoint, CheckpointSummary, count_parameters
from hear_cacophony.checkpoint.parameters import expected_shapes
from hear_cacophony.model.stages import TINY, EncoderConfig, Stage

UNTRAINED = {"random": EncoderConfig(), "random-tiny": TINY}
"""Sizes of the untrained encoders, by the name that stands in for a file."""

SEED = 0


def untrained_checkpoint(name: str, stage: Stage) -> Checkpoint:
    """Random weights of `stage`, the same in every process, with a warning that they are untrained.

    Args:
        name: "random" (full size) or "random-tiny".
    """
    warnings.warn(
        f"{name!r}: these weights of {stage.title} are untrained; scores made with them are a "
        "random-initialisation baseline, not those of the model",
        stacklevel=2,
    )
    config = UNTRAINED[name]
    parameters = {path: _draw(path, shape) for path, shape in expected_shapes(stage, config).items()}
    return Checkpoint(stage, config, parameters, source=name, md5="", untrained=True)


def untrained_summary(name: str, stage: Stage) -> CheckpointSummary:
    """What `untrained_checkpoint` gives, described without drawing a value."""
    config = UNTRAINED[name]
    counts = count_parameters(expected_shapes(stage, config))
    return CheckpointSummary(stage, config, counts, source=name, md5="", untrained=True)


def _draw(path: str, shape: tuple[int, ...]) -> np.ndarray:
    """The usual initial value of a parameter: LeCun normal kernels, unit scales, zero biases."""
    leaf = path.rsplit("/", 1)[-1]
    if leaf == "scale":
        return np.ones(shape, np.float32)
    if leaf == "bias":
        return np.zeros(shape, np.float32)
    normal = np.random.default_rng([SEED, zlib.crc32(path.encode())]).standard_normal(shape, np.float32)
    if leaf == "kernel":
        joins_heads = path.endswith("/out/kernel")
        return normal / np.float32(np.sqrt(np.prod(shape[:2]) if joins_heads else shape[0]))
    return normal if leaf == "query" else np.float32(0.02) * normal
