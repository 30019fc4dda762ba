"""The checkpoint that a path or a name stands for: a file, this machine's published files, or chance."""

from __future__ import annotations

import os

from hear_cacophony.checkpoint.checkpoint import Checkpoint, CheckpointSummary
from hear_cacophony.checkpoint.find import FOLDER_VARIABLE, find_weights
from hear_cacophony.checkpoint.read import read_checkpoint, summarize_checkpoint
from hear_cacophony.checkpoint.untrained import UNTRAINED, untrained_checkpoint, untrained_summary
from hear_cacophony.model.stages import CACOPHONY, Stage


def load_checkpoint(
    path: str | os.PathLike[str], stage: Stage | None = None, *, with_text: bool = False, with_audio: bool = True
) -> Checkpoint:
    """The checkpoint that `path` names.

    Args:
        path: a file; or a name in `UNTRAINED`, with a warning; or "" for what `find_weights`
            finds. With "" and a name in `UNTRAINED` in HEAR_CACOPHONY_WEIGHTS, that.
        stage: the stage wanted; untrained weights are of stage 2 unless given.
        with_text: also give the text side, which stage 2 has.
        with_audio: give the parameters of the audio side.

    Raises:
        FileNotFoundError: no such file, or no weights on this machine.
        CheckpointError: see `hear_cacophony.checkpoint.read.read_checkpoint`.
        TypeError: `path` is no path, or `stage` no stage.
    """
    name = _name(path)
    if stage is not None and not isinstance(stage, Stage):
        raise TypeError(
            f"stage={stage!r} is not possible; expected hear_cacophony.model.stages.find_stage('cacophony')"
        )
    if name in UNTRAINED:
        return untrained_checkpoint(name, stage or CACOPHONY, with_text=with_text, with_audio=with_audio)
    file = name or find_weights(stage, with_text=with_text)
    return read_checkpoint(file, stage, with_text=with_text, with_audio=with_audio)


def load_summary(
    path: str | os.PathLike[str], stage: Stage | None = None, *, with_text: bool = False
) -> CheckpointSummary:
    """What `load_checkpoint` would load, described without holding its parameters; errors as there."""
    name = _name(path)
    if name in UNTRAINED:
        return untrained_summary(name, stage or CACOPHONY)
    return summarize_checkpoint(name or find_weights(stage, with_text=with_text))


def _name(path: str | os.PathLike[str]) -> str:
    name = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(name, str):
        raise TypeError(
            f"expected the path of a checkpoint, {' or '.join(map(repr, UNTRAINED))} for untrained weights, or '' for "
            f"those of this machine, got {path!r}"
        )
    return os.environ[FOLDER_VARIABLE] if name == "" and os.environ.get(FOLDER_VARIABLE) in UNTRAINED else name
