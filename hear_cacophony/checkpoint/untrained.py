"""Untrained weights, the same in every process: they stand in for a file where none is there."""

from __future__ import annotations

import dataclasses
import functools
import warnings
import zlib

import numpy as np

from hear_cacophony.checkpoint.checkpoint import (
    Checkpoint,
    CheckpointSummary,
    LazyParameters,
    TextSide,
    count_parameters,
)
from hear_cacophony.checkpoint.parameters import TEXT_LAYERS, expected_shapes, expected_text_shapes
from hear_cacophony.model.stages import TINY, TINY_TEXT, EncoderConfig, Stage, TextConfig

UNTRAINED = {"random": EncoderConfig(), "random-tiny": TINY}
"""Sizes of the untrained encoders, by the name that stands in for a file."""

UNTRAINED_TEXT = {"random": TextConfig(), "random-tiny": TINY_TEXT}
"""Sizes of their text sides."""

SEED = 0
FIRST_TEMPERATURE = 0.07
"""Of an untrained model's similarities, as Radford et al., 2021, begin with."""


def untrained_checkpoint(name: str, stage: Stage, *, with_text: bool = False, with_audio: bool = True) -> Checkpoint:
    """Random weights of `stage`, the same in every process, with a warning that they are untrained.

    Args:
        name: "random" (full size) or "random-tiny".
        with_text: also give the text side, which stage 2 has.
        with_audio: give the parameters of the audio side.
    """
    warnings.warn(
        f"{name!r}: these weights of {stage.title} are untrained; scores made with them are a "
        "random-initialisation baseline, not those of the model",
        stacklevel=2,
    )
    config = UNTRAINED[name]
    wanted = expected_shapes(stage, config) if with_audio else {}
    parameters = {path: draw_parameter(path, shape) for path, shape in wanted.items()}
    checkpoint = Checkpoint(stage, config, parameters, source=name, md5="", untrained=True)
    return _with_untrained_text(checkpoint) if with_text else checkpoint


def _with_untrained_text(checkpoint: Checkpoint) -> Checkpoint:
    config = UNTRAINED_TEXT[checkpoint.source]
    shapes = expected_text_shapes(checkpoint.stage, config)

    @functools.cache
    def drawn(path: str) -> np.ndarray:
        return draw_parameter(path, shapes[path])

    def draw(path: str, rows: slice | None) -> np.ndarray:
        return draw_parameter(path, shapes[path]) if rows is None else drawn(path)[rows]

    parameters = LazyParameters(shapes, draw)
    return dataclasses.replace(checkpoint, text=TextSide(config, parameters))


def untrained_summary(name: str, stage: Stage) -> CheckpointSummary:
    """What `untrained_checkpoint` gives, described without drawing a value."""
    config = UNTRAINED[name]
    text_config = UNTRAINED_TEXT[name] if stage.text_paths else None
    text_shapes = expected_text_shapes(stage, text_config) if text_config else {}
    counts = count_parameters({**expected_shapes(stage, config), **text_shapes})
    return CheckpointSummary(stage, config, text_config, counts, source=name, md5="", untrained=True)


def draw_parameter(path: str, shape: tuple[int, ...], seed: int = SEED) -> np.ndarray:
    """The usual initial value of a parameter: LeCun normal kernels, unit scales, zero biases."""
    leaf = path.rsplit("/", 1)[-1]
    if leaf == "logit_scale":
        return np.asarray(np.log(1 / FIRST_TEMPERATURE), np.float32)
    if leaf == "scale":
        return np.ones(shape, np.float32)
    if leaf == "bias":
        return np.zeros(shape, np.float32)
    normal = np.random.default_rng([seed, zlib.crc32(path.encode())]).standard_normal(shape, np.float32)
    if leaf == "kernel":
        joins_heads = path.endswith("/out/kernel")
        fan_in = np.prod(shape[:2]) if joins_heads else shape[-2 if TEXT_LAYERS in path else 0]
        return normal / np.float32(np.sqrt(fan_in))
    return normal if leaf == "query" else np.float32(0.02) * normal
