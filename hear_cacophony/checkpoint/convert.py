"""From a published file to a converted one."""

from __future__ import annotations

import os

from hear_cacophony.checkpoint.checkpoint import Checkpoint
from hear_cacophony.checkpoint.converted_file import new_converted_file, write_converted_file
from hear_cacophony.checkpoint.read import read_checkpoint


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
