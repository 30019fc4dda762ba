"""Stage 1's decoder, read from a file in the published layout."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from hear_cacophony.checkpoint.checkpoint import CheckpointError
from hear_cacophony.checkpoint.checks import check_finite, shape_problems
from hear_cacophony.checkpoint.converted_file import SUFFIX
from hear_cacophony.checkpoint.decoder_parameters import DECODER, expected_decoder_shapes
from hear_cacophony.checkpoint.flax_file import layer_sizes, leaf_forms, read_array, scan_flax_file
from hear_cacophony.checkpoint.parameters import Shapes
from hear_cacophony.model.stages import EncoderConfig


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
    problems = shape_problems(shapes, dtypes, expected, [DECODER])
    if problems:
        listed = "\n  ".join(problems)
        raise CheckpointError(f"{file}: the parameters are not those of stage 1's decoder:\n  {listed}")
    with file.open("rb") as stream:
        parameters = {name: np.asarray(read_array(stream, leaves[name], file), np.float32) for name in expected}
    check_finite(parameters, file)
    return DecoderSide(config, parameters)


def _encoder_size(shapes: Shapes, config: EncoderConfig) -> int:
    shape = shapes.get(f"{DECODER}/Dense_0/kernel", ())
    return shape[0] if len(shape) == 2 else config.hidden_size
