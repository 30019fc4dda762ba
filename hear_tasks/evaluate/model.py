"""The model that is evaluated: loading it, and what tells it from others."""

from __future__ import annotations

import dataclasses
import pathlib
import re
from typing import Any

from hear_cacophony.commands.model_options import check_tokenizer
from hear_cacophony.engine.audio_text import AudioTextModel
from hear_cacophony.engine.load_audio_text import load_audio_text_model


def load_model(path: str, **options: Any) -> AudioTextModel:
    """Load a model with its text side.

    As `hear_cacophony.load_audio_text_model`, with its options.

    Raises:
        FileNotFoundError: no such file, or no tokenizer.
        ValueError: the file has no text side, or the tokenizer is that of another model.
    """
    check_tokenizer(path, options.get("tokenizer"))
    model = load_audio_text_model(path, **options)
    _ = model.tokenizer  # read now, since without one all that is computed of clips would wait for it
    return model


@dataclasses.dataclass(frozen=True)
class Weights:
    """The weights of a model.

    Attributes:
        source: name of their file, or of untrained ones.
        md5: MD5 of the file that they were published in, else of the file they are in; "" of untrained ones.
        untrained: True where they are random.
    """

    source: str
    md5: str
    untrained: bool

    @property
    def identity(self) -> str:
        """What tells them from others."""
        return self.md5 or self.source

    @property
    def folder_name(self) -> str:
        """A name for a folder of what was made with them."""
        stem = re.sub(r"[^\w.-]+", "_", pathlib.PurePath(self.source).stem)
        return f"{stem}-{self.md5[:8]}" if self.md5 else stem


def find_weights(model: AudioTextModel) -> Weights:
    """The weights of a model."""
    return Weights(model.source, model.md5, model.untrained)
