"""The sounds that are packed: files, folders, lists, tables with captions, and WebDataset shards."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hear_cacophony.files.json_file import parse_json
from hear_cacophony.files.tar_file import TarMember, read_members
from hear_cacophony.frontend.read_audio import read_audio
from hear_cacophony.sounds.find import FOREIGN_ENDINGS, READABLE_ENDINGS, files_below, find_sounds, has_sound
from hear_cacophony.text.characters import check_characters
from hear_cacophony.training.captions import LISTS, TABLES, Caption, Captions, each_name_once, read_list, read_table

_TAR = ".tar"
_PACKED_TARS = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
_UNPACK = "expected a .tar file, whose sounds can be read at random; decompress it first"

_OTHER_TABLES = (".tsv", ".json", ".ndjson", ".parquet", ".xls", ".xlsx", ".ods")

_APPLE_DOUBLE = "._"
"""How what a Mac packs beside a file is named; it has neither sound nor captions."""

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
                part.write_bytes(self._member().read(stream))
            try:
                return read_audio(part)
            except ValueError as error:
                raise ValueError(str(error).replace(str(part), self.name)) from error

    def _member(self) -> TarMember:
        return TarMember(self.name, self.offset, self.size)


@dataclasses.dataclass(frozen=True)
class SparseTarSource(TarSource):
    """A sound in a tar file that leaves out its zeros; see `TarMember.parts`."""

    parts: tuple[tuple[int, int], ...]

    def _member(self) -> TarMember:
        return TarMember(self.name, self.offset, self.size, self.parts)


@dataclasses.dataclass(frozen=True)
class CaptionAlone(Source):
    """A caption in a tar file without a sound of its name."""

    def read(self) -> np.ndarray:
        """There is nothing to read.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"{self.name}: expected a sound of this name beside it in the tar file, found none")


@dataclasses.dataclass(frozen=True)
class Unreadable(Source):
    """What cannot be read, and why."""

    why: str

    def read(self) -> np.ndarray:
        """There is nothing to read.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"{self.name}: {self.why}")


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
    found: dict[tuple[str, str], Source] = {}
    for path in paths:
        for source in _sources_of(pathlib.Path(path)):
            # What a tar file calls a member leads nowhere outside of it.
            place = os.path.realpath(source.file), source.name.removeprefix(source.file)
            known = found.get(place)
            found[place] = dataclasses.replace(known, captions=known.captions + source.captions) if known else source
    return list(found.values())


def _sources_of(path: pathlib.Path) -> Iterator[Source]:
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder; expected sounds, or a file that names them")
    suffix = path.suffix.lower()
    if path.is_dir():
        yield from _folder_sources(path)
    elif path.name.lower().endswith(_PACKED_TARS):
        raise ValueError(f"{path}: {_UNPACK}")
    elif suffix == _TAR:
        yield from _tar_sources(path)
    elif suffix in TABLES:
        yield from (_file_source(*each) for each in read_table(path).items())
    elif suffix in LISTS:
        yield from (_file_source(*each) for each in read_list(path).items())
    elif suffix in _OTHER_TABLES:
        raise ValueError(f"{path}: expected a table of sounds as {' or '.join(TABLES)}, got {suffix}; save it as that")
    else:
        yield _file_source(str(path), ())


def _folder_sources(folder: pathlib.Path) -> Iterator[Source]:
    """Those of its tar files, then its own; compressed tar files are told."""
    files = sorted(map(pathlib.Path, files_below(str(folder))))
    tars = [file for file in files if file.suffix.lower() == _TAR]
    packed = [str(file) for file in files if file.name.lower().endswith(_PACKED_TARS)]
    for tar in tars:
        yield from _tar_sources(tar)
    if not (tars or packed) or any(map(has_sound, map(str, files))):
        yield from (_file_source(sound.name, ()) for sound in find_sounds([folder]))
    for name in packed:
        yield Unreadable(name, (), 0, name, _UNPACK)


def _file_source(name: str, captions: Captions) -> Source:
    size = 0
    with contextlib.suppress(OSError):  # a link to nothing, of which reading it tells the reason
        size = os.stat(name).st_size
    return Source(name, captions, size, name)


def _tar_sources(tar: pathlib.Path) -> Iterator[Source]:
    """The sounds of a tar file, each with the captions in the members of its name."""
    sounds: dict[str, TarMember] = {}
    captions: dict[str, Captions] = {}
    alone: dict[str, Source] = {}
    members = {
        path: member
        for path, member in read_members(tar).items()
        if not os.path.basename(path).startswith(_APPLE_DOUBLE)
    }
    with tar.open("rb") as stream:
        for path, member in members.items():
            key, suffix = os.path.splitext(path)
            if suffix.lower() in READABLE_ENDINGS | FOREIGN_ENDINGS:
                sounds[path] = member
            elif suffix.lower() in (".json", ".txt") and member.fault:
                yield _tar_source(tar, member, ())
            elif suffix.lower() in (".json", ".txt"):
                read = _member_captions(tar, member.name, member.read(stream))
                captions[key] = captions.get(key, ()) + read
                alone[key] = CaptionAlone(f"{tar}/{member.name}", (), member.size, str(tar))
    if not sounds:
        raise ValueError(f"{tar}: expected sounds in this tar file, found none")
    for path, member in sounds.items():
        key, _ = os.path.splitext(path)
        alone.pop(key, None)
        yield _tar_source(tar, member, captions.get(key, ()))
    yield from alone.values()


def _tar_source(tar: pathlib.Path, member: TarMember, captions: Captions) -> Source:
    name, file = f"{tar}/{member.name}", str(tar)
    if member.fault:
        return Unreadable(name, captions, member.size, file, member.fault)
    if member.parts is not None:
        return SparseTarSource(name, captions, member.size, file, member.offset, member.parts)
    return TarSource(name, captions, member.size, file, member.offset)


def _member_captions(tar: pathlib.Path, name: str, content: bytes) -> Captions:
    try:
        text = content.decode("utf-8-sig")
        if name.lower().endswith(".txt"):
            return tuple(Caption(line.strip()) for line in text.split("\n") if line.strip())
        return tuple(_webdataset_captions(parse_json(text, each_name_once)))
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
        for text in texts:
            if text and text.strip():
                check_characters(text, "a caption")
                yield Caption(text.strip(), synthetic)
