"""Writing checkpoints: in the published layout, and converted ones."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping

import numpy as np

from hear_cacophony.checkpoint.checkpoint import Checkpoint
from hear_cacophony.checkpoint.checks import check_finite
from hear_cacophony.checkpoint.converted_file import new_converted_file, write_converted_file
from hear_cacophony.checkpoint.decoder import NORMALISED
from hear_cacophony.checkpoint.read import read_checkpoint
from hear_cacophony.files.atomic_write import write_bytes


def write_checkpoint(
    parameters: Mapping[str, np.ndarray], file: str | os.PathLike[str], *, step: int = 0, normalised: bool = False
) -> pathlib.Path:
    """Write parameters as the published files hold them, and what is needed of them as .safetensors beside it.

    Each file is whole or not there, and takes the place of one of its name.

    Args:
        parameters: float32 arrays by full path, of all towers.
        file: the file to write, such as AudioMAE.ckpt.
        step: training steps so far.
        normalised: whether the decoder of stage 1 restores patches of mean 0 and variance 1, which is noted.

    Returns:
        The .safetensors file.

    Raises:
        OSError: a file cannot be written; what was there stays.
        CheckpointError: the parameters are not finite, of which nothing is written, or not those of a stage.
    """
    from flax import serialization  # here, as it takes long to load, and reading needs none of it
    from flax.traverse_util import unflatten_dict

    path = pathlib.Path(file)
    check_finite(parameters, path)
    tree = unflatten_dict({name: np.asarray(array) for name, array in parameters.items()}, sep="/")
    notes = {NORMALISED: True} if normalised else {}
    state = {"step": step, "params": tree, "opt_state": {}, **notes}
    write_bytes(path, serialization.msgpack_serialize({"0": state}))
    checkpoint = read_checkpoint(path)
    if checkpoint.stage.text_paths:
        checkpoint = read_checkpoint(path, with_text=True)
    converted = path.with_suffix(".safetensors")
    write_converted_file(checkpoint, converted)
    return converted


def convert_checkpoint(
    source: str | os.PathLike[str], target: str | os.PathLike[str], *, with_text: bool = False
) -> Checkpoint:
    """Write the audio side of `source` to `target`, a `.safetensors` file with its configuration.

    Args:
        source: a published checkpoint.
        target: the file to write.
        with_text: write the text side, too.

    Raises:
        FileExistsError: `target` exists.
        ValueError: `target` does not end in .safetensors.
        FileNotFoundError: no such source, or no folder for the target.
        OSError: the target cannot be written, such as on a full disk; nothing is left of it.
        CheckpointError: as in `read_checkpoint`.
    """
    file = new_converted_file(target)
    checkpoint = read_checkpoint(source, with_text=with_text)
    write_converted_file(checkpoint, file)
    return checkpoint
