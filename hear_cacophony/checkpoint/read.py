"""Reading and describing checkpoint files of either form: published, Flax msgpack, or converted, .safetensors."""

from __future__ import annotations

import logging
import os
import pathlib

from hear_cacophony.checkpoint.checkpoint import Checkpoint, CheckpointError, CheckpointSummary
from hear_cacophony.checkpoint.checks import check_finite, check_stage
from hear_cacophony.checkpoint.converted_file import SUFFIX, read_converted_file, summarize_converted_file
from hear_cacophony.checkpoint.flax_file import read_flax_file, summarize_flax_file
from hear_cacophony.model.stages import Stage

logger = logging.getLogger(__name__)


def read_checkpoint(
    path: str | os.PathLike[str], stage: Stage | None = None, *, with_text: bool = False, with_audio: bool = True
) -> Checkpoint:
    """Read the audio side of a checkpoint, and its text side if asked for.

    Args:
        path: a published Flax msgpack file, or a file that `convert_checkpoint` wrote.
        stage: the stage that the file has to hold; either unless given.
        with_text: also give the text side.
        with_audio: give the parameters of the audio side.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: the file is damaged, of another kind, of another stage, has no text
            side where it was asked for, or its parameters are not those of the encoder;
            everything wrong is listed.
    """
    file = _existing_file(path)
    read = read_converted_file if file.suffix == SUFFIX else read_flax_file
    checkpoint = read(file, with_text=with_text, with_audio=with_audio)
    check_stage(checkpoint.stage, stage, file)
    check_finite(checkpoint.parameters, file)
    _report_origin(checkpoint, file)
    return checkpoint


def summarize_checkpoint(path: str | os.PathLike[str]) -> CheckpointSummary:
    """Describe a checkpoint without holding its parameters. Errors as in `read_checkpoint`."""
    file = _existing_file(path)
    return summarize_converted_file(file) if file.suffix == SUFFIX else summarize_flax_file(file)


def _existing_file(path: str | os.PathLike[str]) -> pathlib.Path:
    file = pathlib.Path(path)
    if file.is_dir():
        raise CheckpointError(f"{file}: expected a checkpoint file, found a folder; name the file inside it")
    if not file.exists():
        raise FileNotFoundError(f"{file}: no such checkpoint file; is the path right, and is the download finished?")
    if file.stat().st_size == 0:
        raise CheckpointError(f"{file}: the file is empty; an interrupted download or copy? fetch it again")
    return file


def _report_origin(checkpoint: Checkpoint, file: pathlib.Path) -> None:
    if checkpoint.release is not None:
        logger.info("%s: the published %s (MD5 %s)", file, checkpoint.release.file_name, checkpoint.md5)
    elif not checkpoint.untrained:
        logger.info("%s: MD5 %s is not that of a published file", file, checkpoint.md5)
