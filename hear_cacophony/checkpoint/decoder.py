"""Stage 1's decoder: its names and shapes in the published files, reading it, and its way into our module.

It is the encoder's like, with a patch to restore, and a last layer. Inference never reads it.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from hear_cacophony.checkpoint.checkpoint import CheckpointError
from hear_cacophony.checkpoint.checks import check_finite, report_problems, shape_problems
from hear_cacophony.checkpoint.converted_file import SUFFIX
from hear_cacophony.checkpoint.flax_file import entry_names, layer_sizes, leaf_forms, read_array, scan_flax_file
from hear_cacophony.checkpoint.parameters import Shapes, below, dense, encoder_tree, expected_shapes
from hear_cacophony.model.stages import AUDIOMAE, PATCH_SIZE, EncoderConfig

DECODER = "AudioDecoder_0"
NORMALISED = "normalised_patches"
"""What stands beside the parameters where the decoder restores patches of mean 0 and variance 1; `train` writes it."""


class DecoderSide(NamedTuple):
    """Stage 1's decoder: its sizes, and float32 arrays by full path, those of `expected_decoder_shapes`."""

    config: EncoderConfig
    parameters: Mapping[str, np.ndarray]


def read_decoder(path: str | os.PathLike[str]) -> DecoderSide:
    """Read the decoder of a stage 1 file.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: the file holds no decoder, or another one; everything wrong is listed.
    """
    file = pathlib.Path(path)
    if file.suffix == SUFFIX:
        raise CheckpointError(
            f"{file}: a converted file holds no decoder; name the file that it was made from, such as AudioMAE.ckpt"
        )
    leaves = scan_flax_file(file)
    shapes, dtypes = leaf_forms(leaves)
    if not any(name.startswith(f"{DECODER}/") for name in shapes):
        found = ", ".join(sorted({name.split("/")[0] for name in shapes})) or "nothing"
        raise CheckpointError(f"{file}: expected stage 1's decoder, {DECODER}, found {found}")
    config = layer_sizes(DECODER, shapes)
    expected = expected_decoder_shapes(_encoder_size(shapes, config), config)
    report_problems(shape_problems(shapes, dtypes, expected, [DECODER]), "stage 1's decoder", file)
    with file.open("rb") as stream:
        parameters = {name: np.asarray(read_array(stream, leaves[name], file), np.float32) for name in expected}
    check_finite(parameters, file)
    return DecoderSide(config, parameters)


def restores_normalised(path: str | os.PathLike[str]) -> bool:
    """Whether a stage 1 file tells that its decoder restores patches of mean 0 and variance 1."""
    return NORMALISED in entry_names(pathlib.Path(path))


def _encoder_size(shapes: Shapes, config: EncoderConfig) -> int:
    shape = shapes.get(f"{DECODER}/Dense_0/kernel", ())
    return shape[0] if len(shape) == 2 else config.hidden_size


def expected_decoder_shapes(encoder_size: int, config: EncoderConfig) -> Shapes:
    """Shapes of the decoder's parameters in a checkpoint of stage 1, by their full path.

    Args:
        encoder_size: hidden size of the encoder.
        config: sizes of the decoder.
    """
    hidden, encoder = config.hidden_size, AUDIOMAE.encoder_path
    shapes = {path.replace(encoder, DECODER, 1): shape for path, shape in expected_shapes(AUDIOMAE, config).items()}
    return {
        **shapes,
        f"{DECODER}/Dense_0/kernel": (encoder_size, hidden),
        f"{DECODER}/Dense_1/kernel": (hidden, PATCH_SIZE),
        f"{DECODER}/Dense_1/bias": (PATCH_SIZE,),
        f"{DECODER}/restore_patch": (hidden,),
    }


def to_decoder_variables(config: EncoderConfig, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Arrange checkpoint parameters as variables of `PatchDecoder`.

    Args:
        config: sizes of the decoder.
        parameters: arrays by full checkpoint path, the keys and shapes of `expected_decoder_shapes` among them.
    """
    decoder = below(parameters, DECODER)
    variables = encoder_tree(config, decoder)
    variables["projection"] = variables.pop("patch_projection")
    return {**variables, "restore_patch": decoder["restore_patch"], "patch": dense(decoder, "Dense_1")}
