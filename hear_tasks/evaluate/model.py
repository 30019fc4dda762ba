"""What the evaluations ask of a model."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hear_cacophony.commands.model_options import check_tokenizer
from hear_cacophony.files.file_identity import content_digest

if TYPE_CHECKING:
    from hear_cacophony.text.tokenizer import Tokenizer


class AudioTextModel(Protocol):
    """A model that embeds clips and texts in one space, and captions clips.

    Clips are 16 kHz mono, float32, shape (samples,). `kept_patches` holds for each clip the indices of the patches
    that count, or None for all of them.

    Attributes:
        source: name of the file of the weights, or of the untrained ones.
        md5: MD5 of the file that the weights were published in; "" where there is none.
        untrained: True where the weights are random.
        logit_scale: logarithm of the factor of similarities.
        tokenizer: it knows the files that it was read from.
    """

    logit_scale: float

    @property
    def source(self) -> str: ...

    @property
    def md5(self) -> str: ...

    @property
    def untrained(self) -> bool: ...

    @property
    def tokenizer(self) -> Tokenizer: ...

    def embed_audio(
        self, clips: Sequence[np.ndarray], *, kept_patches: Sequence[np.ndarray | None] | None = None
    ) -> np.ndarray:
        """Embeddings of unit norm, shape (clips, size), float32."""

    def embed_texts(self, texts: Sequence[str], *, max_tokens: int = 100) -> np.ndarray:
        """Embeddings of unit norm, shape (texts, size), float32; longer texts are cut, with a warning."""

    def embed_labels(
        self, labels: Sequence[str], *, template: str | Sequence[str], max_tokens: int = 100
    ) -> np.ndarray:
        """Embeddings of the labels' prompts, of several the mean, unit norm, shape (labels, size), float32."""

    def caption(self, clips: Sequence[np.ndarray], method: str = "greedy", **settings: Any) -> list[str]:
        """A caption for each clip.

        Args:
            clips: the clips.
            method: "greedy", "sample" (with `temperature` and a key for each clip, `keys`) or "beam" (with `beams`).
            settings: these, and `kept_patches`.
        """


def load_model(path: str, **options: Any) -> AudioTextModel:
    """Load a model with its text side.

    Args:
        path: as `hear_cacophony.load_audio_text_model` takes it.
        options: of that function.

    Raises:
        FileNotFoundError: no such file, or no tokenizer.
        ValueError: the file has no text side, or the tokenizer is that of another model.
    """
    from hear_cacophony import load_audio_text_model

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


def find_weights(model: AudioTextModel, path: str) -> Weights:
    """The weights of a model that was loaded from `path`."""
    md5 = model.md5
    if not md5 and not model.untrained and pathlib.Path(path).is_file():
        with pathlib.Path(path).open("rb") as file:
            md5 = hashlib.file_digest(file, "md5").hexdigest()
    return Weights(model.source, md5, model.untrained)


def tokenizer_digests(model: AudioTextModel) -> dict[str, str]:
    """Digests of the contents of the files that a model's tokenizer was read from, by their paths."""
    return {str(file): content_digest(file) for file in model.tokenizer.files}
