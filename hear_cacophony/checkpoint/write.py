"""Writing checkpoints in the published layout."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping

import numpy as np

from hear_cacophony.checkpoint.converted_file import write_converted_file
from hear_cacophony.checkpoint.read import read_checkpoint
from hear_cacophony.files.atomic_write import write_bytes


def write_checkpoint(
    parameters: Mapping[str, np.ndarray], file: str | os.PathLike[str], *, step: int = 0
) -> pathlib.Path:
    """Write parameters as the published files hold them, and what is needed of them as .safetensors beside it.

    Each file is whole or not there, and takes the place of one of its name.

    Args:
        parameters: float32 arrays by full path, of all towers.
        file: the file to write, such as AudioMAE.ckpt.
        step: training steps so far.

    Returns:
        The .safetensors file.

    Raises:
        OSError: a file cannot be written; what was there stays.
        CheckpointError: the parameters are not those of a stage, or not finite.
    """
    from flax import serialization  # here, as it takes long to load, and reading needs none of it
    from flax.traverse_util import unflatten_dict

    path = pathlib.Path(file)
    tree = unflatten_dict({name: np.asarray(array) for name, array in parameters.items()}, sep="/")
    state = {"0": {"step": step, "params": tree, "opt_state": {}}}
    write_bytes(path, serialization.msgpack_serialize(state))
    checkpoint = read_checkpoint(path)
    if checkpoint.stage.text_paths:
        checkpoint = read_checkpoint(path, with_text=True)
    converted = path.with_suffix(".safetensors")
    write_converted_file(checkpoint, converted)
    return converted
