"""The sounds that are packed: files, folders, lists, tables with captions, and WebDataset shards."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hear_cacophony.frontend.read_audio import read_audio
from hear_cacophony.sounds.find import FOREIGN_ENDINGS, READABLE_ENDINGS, files_below, find_sounds, has_sound
from hear_cacophony.training.captions import LISTS, TABLES, Caption, Captions, read_list, read_table

_TAR = ".tar"
_PACKED_TARS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")

_END_MARK = 1024
"""Bytes that end a tar file, all of them 0."""

_WEBDATASET_KEYS = (("text", False), ("caption", False), ("captions", False), ("text_augment_t5", True))
"""Keys of captions in the .json of a WebDataset shard, and whether they were made by a machine, as LAION has them."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A sound and its captions.

    Attributes:
        name: what it is called: a path, or that of a tar file with the name in it.
        captions: of it, none where they are not known.
        size: in bytes.
        file: that holds it: its own, or the tar file.
    """

    name: str
    captions: Captions
    size: int
    file: str

    def read(self) -> np.ndarray:
        """16 kHz mono samples; errors as in `read_audio`."""
        return read_audio(self.name)


@dataclasses.dataclass(frozen=True)
class TarSource(Source):
    """A sound in a tar file, from byte `offset` on."""

    offset: int

    def read(self) -> np.ndarray:
        """16 kHz mono samples; errors as in `read_audio`."""
        with tempfile.TemporaryDirectory(prefix="hear-cacophony-") as folder:
            part = pathlib.Path(folder, f"sound{pathlib.PurePath(self.name).suffix}")
            with open(self.file, "rb") as stream:
                stream.seek(self.offset)
                part.write_bytes(stream.read(self.size))
            try:
                return read_audio(part)
            except ValueError as error:
                raise ValueError(str(error).replace(str(part), self.name)) from error


@dataclasses.dataclass(frozen=True)
class CaptionAlone(Source):
    """A caption in a tar file without a sound of its name."""

    def read(self) -> np.ndarray:
        """There is nothing to read.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"{self.name}: expected a sound of this name beside it in the tar file, found none")


def find_sources(paths: Sequence[str | os.PathLike[str]]) -> list[Source]:
    """All sounds that are named.

    Args:
        paths: each an audio file; a folder of audio files, to its depth, or of .tar files; a .txt or .lst file with a
            path in each line; a .csv or .jsonl file as `read_table` takes it; or a .tar file, in which
            sounds stand beside a .json or .txt file of their name.

    Returns:
        Each sound once, whatever its spellings, in the order of the paths, with the captions of all its mentions.

    Raises:
        FileNotFoundError: nothing is there under a path.
        ValueError: no sound, or a list, table or tar file that is damaged or names sounds that are not there.
    """
    if not paths:
        raise ValueError("expected sounds: a folder, files, or a .txt, .csv, .jsonl or .tar file that names them")
    found: dict[str, Source] = {}
    for path in paths:
        for source in _sources_of(pathlib.Path(path)):
            place = os.path.realpath(source.name)
            known = found.get(place)
            found[place] = dataclasses.replace(known, captions=known.captions + source.captions) if known else source
    return list(found.values())


def _sources_of(path: pathlib.Path) -> Iterator[Source]:
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder; expected sounds, or a file that names them")
    suffix = path.suffix.lower()
    if path.is_dir():
        tars = sorted(path.rglob(f"*{_TAR}"))
        for tar in tars:
            yield from _tar_sources(tar)
        if not tars or any(map(has_sound, files_below(str(path)))):
            yield from (_file_source(sound.name, ()) for sound in find_sounds([path]))
    elif path.name.lower().endswith(_PACKED_TARS):
        raise ValueError(f"{path}: expected a .tar file, whose sounds can be read at random; decompress it first")
    elif suffix == _TAR:
        yield from _tar_sources(path)
    elif suffix in TABLES:
        yield from (_file_source(*each) for each in read_table(path).items())
    elif suffix in LISTS:
        yield from (_file_source(*each) for each in read_list(path).items())
    else:
        yield _file_source(str(path), ())


def _file_source(name: str, captions: Captions) -> Source:
    return Source(name, captions, os.stat(name).st_size, name)


def _tar_sources(tar: pathlib.Path) -> Iterator[Source]:
    """The sounds of a tar file, each with the captions in the member of its name."""
    sounds: dict[str, tarfile.TarInfo] = {}
    captions: dict[str, Captions] = {}
    texts: dict[str, tarfile.TarInfo] = {}
    try:
        with tarfile.open(tar, "r:") as archive:
            for member in archive:
                key, suffix = os.path.splitext(member.name)
                if member.isfile() and suffix.lower() in READABLE_ENDINGS | FOREIGN_ENDINGS:
                    sounds[member.name] = member
                elif member.isfile() and suffix.lower() in (".json", ".txt"):
                    content = archive.extractfile(member)
                    assert content is not None
                    texts[key] = member
                    captions[key] = captions.get(key, ()) + _member_captions(tar, member.name, content.read())
            members_end = max((each.offset_data + each.size for each in archive.getmembers()), default=0)
    except tarfile.TarError as error:
        raise ValueError(f"{tar}: not a tar file that can be read ({error}); was a copy interrupted?") from error
    if tar.stat().st_size < members_end + _END_MARK:
        raise ValueError(f"{tar}: the tar file lacks its end mark; was a copy interrupted?")
    if not sounds:
        raise ValueError(f"{tar}: expected sounds in this tar file, found none")
    for name, member in sounds.items():
        key, _ = os.path.splitext(name)
        texts.pop(key, None)
        own = captions.get(key, ())
        yield TarSource(f"{tar}/{name}", own, member.size, str(tar), member.offset_data)
    for member in texts.values():
        yield CaptionAlone(f"{tar}/{member.name}", (), member.size, str(tar))


def _member_captions(tar: pathlib.Path, name: str, content: bytes) -> Captions:
    try:
        text = content.decode("utf-8-sig")
        if name.lower().endswith(".txt"):
            return tuple(Caption(line.strip()) for line in text.splitlines() if line.strip())
        return tuple(_webdataset_captions(json.loads(text)))
    except (UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"{tar}: the member {name} is no text in UTF-8, or no JSON with captions ({error})") from error


def _webdataset_captions(told: Any) -> Iterator[Caption]:
    if not isinstance(told, dict):
        raise ValueError("expected a JSON object")
    for key, synthetic in _WEBDATASET_KEYS:
        value = told.get(key)
        texts = [value] if isinstance(value, str) else [] if value is None else value
        if not isinstance(texts, list) or not all(text is None or isinstance(text, str) for text in texts):
            raise ValueError(f"expected a text or a list of texts in {key!r}, got {value!r}")
        yield from (Caption(text.strip(), synthetic) for text in texts if text and text.strip())
