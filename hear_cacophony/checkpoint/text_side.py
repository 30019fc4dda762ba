"""The text side of a checkpoint: its sizes, checks of its parameters, and reading them one at a time."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping

import numpy as np

from hear_cacophony.checkpoint.checkpoint import CheckpointError, LazyParameters, TextSide
from hear_cacophony.checkpoint.checks import check_finite, report_problems, shape_problems
from hear_cacophony.checkpoint.parameters import TEXT_LAYERS, expected_text_shapes
from hear_cacophony.model.stages import STAGES, EncoderConfig, Stage, TextConfig


def has_text(stage: Stage, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether a file has a text side, or a part of one. The scale alone is none."""
    towers = tuple(f"{path}/" for path in stage.text_paths[:-1])
    return bool(towers) and any(path.startswith(towers) for path in shapes)


def text_sizes(stage: Stage, config: EncoderConfig, shapes: Mapping[str, tuple[int, ...]]) -> TextConfig:
    """Sizes from the shapes. Contradictions are left to `checked_text_sizes`."""
    published = TextConfig()
    text, _, decoder, _ = stage.text_paths

    def size(path: str, axis: int, otherwise: int) -> int:
        shape = shapes.get(path, ())
        return shape[axis] if axis < len(shape) and shape[axis] > 0 else otherwise

    # The shapes do not tell the number of heads: the kernels join them.
    heads = published.num_heads if config.hidden_size % published.num_heads == 0 else config.num_heads
    layers = f"{TEXT_LAYERS}/intermediate/dense/kernel"
    return TextConfig(
        hidden_size=config.hidden_size,
        vocabulary_size=size(f"{text}/embeddings/word_embeddings/embedding", 0, published.vocabulary_size),
        positions=size(f"{text}/embeddings/position_embeddings/embedding", 0, published.positions),
        num_layers=size(f"{text}/{layers}", 0, published.num_layers),
        decoder_layers=size(f"{decoder}/{layers}", 0, published.decoder_layers),
        num_heads=heads,
        mlp_size=size(f"{text}/{layers}", 2, published.mlp_size),
    )


def checked_text_sizes(
    shapes: Mapping[str, tuple[int, ...]],
    dtypes: Mapping[str, str],
    stage: Stage,
    config: EncoderConfig,
    file: pathlib.Path,
) -> TextConfig:
    """Sizes of the text side; CheckpointError where there is none, or another one."""
    if not stage.text_paths:
        with_text = next(other for other in STAGES if other.text_paths)
        raise CheckpointError(
            f"{file}: stage {stage.number} ({stage.title}) has no text side; texts and captions need stage "
            f"{with_text.number}, {with_text.release.file_name}"
        )
    if not has_text(stage, shapes):
        raise CheckpointError(
            f"{file}: this file holds the audio side alone; convert the published file once more, with: "
            f"hear-cacophony convert --towers all {stage.release.file_name} OUT.safetensors"
        )
    text_config = text_sizes(stage, config, shapes)
    expected = expected_text_shapes(stage, text_config)
    problems = shape_problems(shapes, dtypes, expected, stage.text_paths)
    report_problems(problems, f"the text side of {stage.title}", file)
    return text_config


def lazy_text(
    stage: Stage,
    config: TextConfig | None,
    read: Callable[[str, slice | None], np.ndarray],
    file: pathlib.Path,
) -> TextSide | None:
    """The text side, each array of which is read and checked when it, or a part of it, is taken; None without sizes.

    Args:
        stage: the stage.
        config: its sizes.
        read: gives the array of a path, as in `LazyParameters`.
        file: the file, for messages.
    """
    if config is None:
        return None

    def read_checked(path: str, rows: slice | None) -> np.ndarray:
        array = np.asarray(read(path, rows), np.float32)
        check_finite({path: array}, file)
        return array

    return TextSide(config, LazyParameters(expected_text_shapes(stage, config), read_checked))
