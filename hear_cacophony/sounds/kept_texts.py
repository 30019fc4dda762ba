"""Embeddings of texts that are kept, by model and tokenizer, so that no text is embedded twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import pathlib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hear_cacophony.engine.few_texts import FewTexts
from hear_cacophony.engine.text_checks import check_texts
from hear_cacophony.engine.tokens import MAX_TOKENS
from hear_cacophony.engine.zero_shot import TEMPLATE, embed_labels, similarities
from hear_cacophony.files.atomic_write import write_file
from hear_cacophony.files.cache_folder import cache_folder
from hear_cacophony.files.json_file import parse_json
from hear_cacophony.text.tokenizer import Tokenizer

MOST_TEXTS = 1000
"""Most texts that are embedded so at once; for more of them, loading the compiled text side is worth it."""


class KeptTexts:
    """Embeds texts, at most `MOST_TEXTS` at once, each once for all processes.

    Attributes:
        embedding_size: values in an embedding.
        logit_scale: logarithm of the factor of similarities in classification.
    """

    def __init__(self, side: FewTexts, load_tokenizer: Callable[[], Tokenizer], identity: Mapping[str, Any]) -> None:
        """Embed nothing yet.

        Args:
            side: embeds what is not kept.
            load_tokenizer: called where there is such.
            identity: what an embedding depends on besides its text, for JSON.
        """
        self.embedding_size, self.logit_scale = side.embedding_size, side.logit_scale
        self._side, self._load_tokenizer = side, load_tokenizer
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]
        self._file = cache_folder("texts", f"{digest}.npz")

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """As `TextModel.embed_texts`, whose errors these are.

        A text that is too long, and is cut with a warning, is not kept, so that the warning comes each time.
        """
        check_texts(texts)
        kept = _read(self._file)
        missing = [text for text in dict.fromkeys(texts) if text not in kept]
        if missing:
            tokens = self._load_tokenizer().encode(missing, MAX_TOKENS)
            new = dict(zip(missing, self._side.embed_tokens(tokens), strict=True))
            whole = [text for text, ids in zip(missing, tokens, strict=True) if len(ids) < MAX_TOKENS]
            _keep(self._file, {text: new[text] for text in whole})
            kept.update(new)
        return np.stack([kept[text] for text in texts])

    def embed_labels(self, labels: Sequence[str], *, template: str | Sequence[str] = TEMPLATE) -> np.ndarray:
        """As `TextModel.embed_labels`."""
        return embed_labels(self.embed_texts, labels, template)

    def similarities(self, audio_embeddings: np.ndarray, text_embeddings: np.ndarray) -> np.ndarray:
        """As `TextModel.similarities`."""
        return similarities(audio_embeddings, text_embeddings, self.embedding_size)


def _keep(file: pathlib.Path, new: Mapping[str, np.ndarray]) -> None:
    """Add embeddings to a file; where the cache cannot be written to, they are computed again the next time."""
    content = {**_read(file), **new}
    if not content:
        return
    listed = np.frombuffer(json.dumps(list(content)).encode(), np.uint8)

    def save(part: pathlib.Path) -> None:
        with part.open("wb") as stream:
            np.savez(stream, texts=listed, embeddings=np.stack(list(content.values())))

    with contextlib.suppress(OSError):
        write_file(file, save)


def _read(file: pathlib.Path) -> dict[str, np.ndarray]:
    """Embeddings by text; none where the file is not there, or damaged: they can be made again."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return dict(zip(parse_json(arrays["texts"].tobytes()), arrays["embeddings"], strict=True))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}
