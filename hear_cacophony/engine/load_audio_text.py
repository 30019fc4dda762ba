"""Loading the audio-text model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from hear_cacophony.checkpoint.load import load_checkpoint
from hear_cacophony.engine import compilation_cache
from hear_cacophony.engine.audio_text import AudioTextModel
from hear_cacophony.engine.devices import Devices, as_devices
from hear_cacophony.engine.embedding import EmbeddingModel
from hear_cacophony.engine.options import parse_options
from hear_cacophony.engine.text_model import TextModel
from hear_cacophony.model.stages import CACOPHONY
from hear_cacophony.text.tokenizer import Tokenizer, load_tokenizer


def load_audio_text_model(
    path: str | os.PathLike[str] = "",
    *,
    tokenizer: str | os.PathLike[str] | None = None,
    devices: Devices | Sequence[int] | None = None,
    **options: Any,
) -> AudioTextModel:
    """Load Cacophony with its text side.

    Args:
        path: the published Cacophony.ckpt, a file that `hear-cacophony convert --towers all` made of it, "random"
            or "random-tiny" (untrained weights), or "" for the weights of this machine (see
            `hear_cacophony.checkpoint.find`).
        tokenizer: a file or folder; looked for beside the checkpoint, then in the weights folders, unless given.
            It is read when a text is first needed.
        devices: what to run on: indices of local devices, such as [0]; all of them unless given.
        options: as for `load_embedding_model`.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: the file is no checkpoint of stage 2, or has no text side.
        TypeError, ValueError: an unknown option, an impossible value, or no such device.
    """
    parsed = parse_options(options)
    chosen = as_devices(devices)
    compilation_cache.enable()
    checkpoint = load_checkpoint(path, CACOPHONY, with_text=True)
    assert checkpoint.text is not None
    audio, text = EmbeddingModel(checkpoint, parsed, chosen), checkpoint.text
    del checkpoint  # its audio side, which is on the devices now, makes room for the text side
    size = text.config.vocabulary_size
    return AudioTextModel(audio, text, lambda: load_tokenizer(tokenizer, beside=path or None, size=size))


def load_text_side(
    path: str | os.PathLike[str] = "",
    *,
    tokenizer: str | os.PathLike[str] | None = None,
    devices: Devices | Sequence[int] | None = None,
    **options: Any,
) -> TextModel:
    """Load the text side of Cacophony alone, without its decoder; arguments and errors as `load_audio_text_model`."""
    parsed = parse_options(options)
    chosen = as_devices(devices)
    compilation_cache.enable()
    checkpoint = load_checkpoint(path, CACOPHONY, with_text=True, with_audio=False)
    assert checkpoint.text is not None
    size = checkpoint.text.config.vocabulary_size

    def find() -> Tokenizer:
        return load_tokenizer(tokenizer, beside=path or None, size=size)

    return TextModel(checkpoint.stage, checkpoint.text, find, parsed, chosen)


def load_audio_side(
    path: str | os.PathLike[str] = "", *, devices: Devices | Sequence[int] | None = None, **options: Any
) -> EmbeddingModel:
    """Load the audio side of the file that `load_text_side` loads; arguments and errors as there."""
    parsed = parse_options(options)
    chosen = as_devices(devices)
    compilation_cache.enable()
    return EmbeddingModel(load_checkpoint(path, CACOPHONY, with_text=True), parsed, chosen)
