"""RoBERTa's byte-level BPE: texts to token ids and back.

The vocabulary is that of RoBERTa-base (Liu et al., 2019). It is no part of this package: it is read from
`tokenizer.json`, or from `vocab.json` and `merges.txt`.
"""

from __future__ import annotations

import operator
import os
import pathlib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from hear_cacophony.checkpoint.find import weights_folders
from hear_cacophony.files.file_identity import content_digest
from hear_cacophony.text.characters import check_characters

if TYPE_CHECKING:
    import tokenizers

ROBERTA_SIZE = 50265
"""Entries of RoBERTa's vocabulary."""

START, PAD, END = 0, 1, 2
"""Ids of the marks `<s>`, `<pad>` and `</s>`."""

TOKENIZER_FILE = "tokenizer.json"
VOCABULARY_FILES = ("vocab.json", "merges.txt")
FORMS = ((TOKENIZER_FILE,), VOCABULARY_FILES)
"""The files that a tokenizer is read from, the first form that is there."""

HUB_REPOSITORY = "roberta-base"
"""Where the files are published on the Hugging Face hub."""

MAX_NAMED = 5
"""Texts that a warning tells of one by one."""

KNOWN_IDS: Mapping[int, Mapping[str, Sequence[int]]] = {
    ROBERTA_SIZE: {
        "Hello world!": (0, 31414, 232, 328, 2),
        " Hello world": (0, 20920, 232, 2),
        "Hello world! cécé herlolip": (0, 31414, 232, 328, 740, 1140, 12695, 69, 46078, 1588, 2),
        "This is a dummy text about nothing. Trust me.": (0, 713, 16, 10, 34759, 2788, 59, 1085, 4, 3101, 162, 4, 2),
    }
}
"""What texts have to be encoded to, by the size of the vocabulary. A wrong vocabulary would go unnoticed otherwise."""

_MARKS = {"<s>": START, "<pad>": PAD, "</s>": END}
_SPECIAL = (*_MARKS, "<unk>", "<mask>")


class TokenizerError(ValueError):
    """The files hold no tokenizer, or that of another model."""


class Tokenizer:
    """Byte-level BPE with RoBERTa's marks.

    Args:
        model: what the `tokenizers` library read.
        files: what it read it from.
    """

    def __init__(self, model: tokenizers.Tokenizer, files: Sequence[pathlib.Path] = ()) -> None:
        self.files = tuple(files)
        self._model = model
        self._model.no_truncation()
        self._model.no_padding()

    @property
    def size(self) -> int:
        """Entries of the vocabulary."""
        return self._model.get_vocab_size(with_added_tokens=True)

    def encode(self, texts: Sequence[str], limit: int, *, warn: bool = True) -> list[list[int]]:
        """Token ids of every text, from `<s>` to `</s>`, unpadded.

        Args:
            texts: no leading space is put before them.
            limit: the most ids of a text, both marks included. What is longer is cut before its `</s>`.
            warn: tell by one warning which texts that are.

        Raises:
            TypeError: `texts` is a single text, or holds something else than texts.
            ValueError: a text holds half a character, or the limit leaves no room for a token between the marks.
        """
        _check_texts(texts)
        if limit < 3:
            raise ValueError(f"limit: expected at least 3 ids, <s>, a token and </s>; got {limit}")
        inner = [encoding.ids for encoding in self._model.encode_batch(list(texts), add_special_tokens=False)]
        if warn:
            _warn_of_cuts(texts, [len(ids) + 2 for ids in inner], limit)
        return [[START, *ids[: limit - 2], END] for ids in inner]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids up to the first `</s>`, without marks.

        Raises:
            ValueError: an id is not in the vocabulary.
        """
        kept = []
        for token in map(operator.index, ids):
            if not 0 <= token < self.size:
                raise ValueError(f"token ids: expected 0 to {self.size - 1}, got {token}")
            if token == END:
                break
            kept.append(token)
        return self._model.decode(kept, skip_special_tokens=True)

    def vocabulary(self) -> dict[str, int]:
        """Ids by token."""
        return self._model.get_vocab(with_added_tokens=True)


def load_tokenizer(
    path: str | os.PathLike[str] | None = None,
    *,
    beside: str | os.PathLike[str] | None = None,
    size: int | None = ROBERTA_SIZE,
) -> Tokenizer:
    """Read a tokenizer and check that it is the right one.

    Args:
        path: `tokenizer.json`, or `vocab.json` with `merges.txt` beside it, or the folder of either. Unless
            given, the tokenizer is looked for beside the checkpoint, then in the weights folders
            (`hear_cacophony.checkpoint.find.weights_folders`).
        beside: the checkpoint's file.
        size: entries of the vocabulary that the model was made for; None where there is no model yet. Those of
            RoBERTa's size are checked against known ids.

    Raises:
        FileNotFoundError: no tokenizer is there; the message says how to get one.
        TokenizerError: the files are damaged, or of another model: what was expected, and what came.
        ModuleNotFoundError: the `tokenizers` library is not installed.
    """
    files = find_tokenizer(path, beside=beside)
    tokenizer = Tokenizer(_read(files), files)
    _check(tokenizer, tokenizer.size if size is None else size, " and ".join(map(str, files)))
    return tokenizer


# Finding the files


def find_tokenizer(
    path: str | os.PathLike[str] | None = None, *, beside: str | os.PathLike[str] | None = None
) -> tuple[pathlib.Path, ...]:
    """The files of a tokenizer; arguments and errors as of `load_tokenizer`, without reading them."""
    return _find_files(beside) if path is None else _named_files(pathlib.Path(path))


def tokenizer_digests(files: Iterable[pathlib.Path]) -> dict[str, str]:
    """Digests of the contents of the files that a tokenizer is read from, by their paths: what tells it from others.

    Raises:
        OSError: one cannot be read.
    """
    return {str(file): content_digest(file) for file in files}


def _named_files(path: pathlib.Path) -> tuple[pathlib.Path, ...]:
    if path.is_dir():
        files = _files_in(path)
    elif path.name in VOCABULARY_FILES:
        files = _form_in(path.parent, VOCABULARY_FILES)
    else:
        files = (path,) if path.is_file() else None
    if files is None:
        raise FileNotFoundError(
            f"{path}: no tokenizer there; {_how_to_get_one(path if path.is_dir() else path.parent)}"
        )
    return files


def _find_files(beside: str | os.PathLike[str] | None) -> tuple[pathlib.Path, ...]:
    searched = []
    if beside is not None and os.path.isfile(beside):
        searched = [pathlib.Path(beside).absolute().parent]
        if files := _files_in(searched[0]):
            return files
    folders = weights_folders()
    searched += [folder for folder in folders if folder not in searched]
    for folder in folders:
        if files := _files_in(folder):
            return files
    where = " or ".join(map(str, searched))
    raise FileNotFoundError(f"no tokenizer found in {where}; {_how_to_get_one(folders[0])}")


def _files_in(folder: pathlib.Path) -> tuple[pathlib.Path, ...] | None:
    return next((files for form in FORMS if (files := _form_in(folder, form))), None)


def _form_in(folder: pathlib.Path, form: Sequence[str]) -> tuple[pathlib.Path, ...] | None:
    files = tuple(folder / name for name in form)
    return files if all(file.is_file() for file in files) else None


def _how_to_get_one(folder: pathlib.Path) -> str:
    pair = " and ".join(VOCABULARY_FILES)
    return (
        f"expected {TOKENIZER_FILE}, or {pair}, of {HUB_REPOSITORY}. `hear-cacophony download --tokenizer-only` brings "
        f"them; or save {TOKENIZER_FILE} from https://huggingface.co/{HUB_REPOSITORY} in {folder}, or beside the "
        "checkpoint"
    )


# Reading and checking them


def _read(files: Sequence[pathlib.Path]) -> tokenizers.Tokenizer:
    try:
        import tokenizers
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "texts need the tokenizers library: pip install 'hear_cacophony[text]'", name="tokenizers"
        ) from error
    try:
        if len(files) == 1:
            return tokenizers.Tokenizer.from_file(str(files[0]))
        return _from_vocabulary(*files)
    except Exception as error:  # the library raises no narrower class
        names = " and ".join(map(str, files))
        raise TokenizerError(f"{names}: expected a byte-level BPE tokenizer: {error}; is it cut?") from error


def _from_vocabulary(vocabulary: pathlib.Path, merges: pathlib.Path) -> tokenizers.Tokenizer:
    """What `tokenizer.json` says of RoBERTa beside its vocabulary and merges."""
    import tokenizers

    model = tokenizers.Tokenizer(tokenizers.models.BPE.from_file(str(vocabulary), str(merges)))
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = tokenizers.decoders.ByteLevel()
    there = [token for token in _SPECIAL if model.token_to_id(token) is not None]
    model.add_special_tokens([tokenizers.AddedToken(token, lstrip=token == "<mask>") for token in there])
    return model


def _check(tokenizer: Tokenizer, size: int, source: str) -> None:
    vocabulary = tokenizer.vocabulary()
    if len(vocabulary) != size or max(vocabulary.values(), default=-1) != size - 1:
        raise TokenizerError(
            f"{source}: expected a vocabulary of {size:,} entries, as the model has, found {len(vocabulary):,}, "
            f"with ids up to {max(vocabulary.values(), default=-1)}; is this the tokenizer of another model?"
        )
    found = {mark: vocabulary.get(mark) for mark in _MARKS}
    if found != _MARKS:
        raise TokenizerError(f"{source}: expected the marks {_MARKS}, found {found}; is it of another model?")
    for text, expected in KNOWN_IDS.get(size, {}).items():
        (ids,) = tokenizer.encode([text], limit=100)
        if ids != list(expected):
            raise TokenizerError(
                f"{source}: expected {text!r} to be encoded as {' '.join(map(str, expected))}, got "
                f"{' '.join(map(str, ids))}; is this the tokenizer of another model?"
            )


def _check_texts(texts: Sequence[str]) -> None:
    if isinstance(texts, str):
        raise TypeError(f"texts: expected a list of texts, got the text {_beginning(texts)}; did you mean [text]?")
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"text {number}: expected a text, got {type(text).__name__}")
        check_characters(text, f"text {number}")


def _warn_of_cuts(texts: Sequence[str], lengths: Sequence[int], limit: int) -> None:
    cut = [number for number, length in enumerate(lengths) if length > limit]
    if not cut:
        return
    named = [f"text {number} ({lengths[number]} tokens, {_beginning(texts[number])})" for number in cut[:MAX_NAMED]]
    more = [f"{len(cut) - MAX_NAMED} more"] if len(cut) > MAX_NAMED else []
    warnings.warn(
        f"{len(cut)} of {len(texts)} texts cut at the limit of {limit} tokens: {', '.join(named + more)}", stacklevel=3
    )


def _beginning(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
