"""An index: the embeddings of folders' sounds in a file; only what is new or has changed is embedded again."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import safetensors

from hear_cacophony.files.atomic_write import write_file
from hear_cacophony.files.cache_folder import make_writable_folder
from hear_cacophony.files.file_identity import ContentDigests, FileState
from hear_cacophony.files.json_file import parse_json
from hear_cacophony.files.sorted_safetensors import save_sorted
from hear_cacophony.frontend.read_audio import read_audio
from hear_cacophony.sounds.chunks import Chunks, Prepare
from hear_cacophony.sounds.faults import tell
from hear_cacophony.sounds.find import Sound, deciding_ending
from hear_cacophony.sounds.kept_results import open_unfinished
from hear_cacophony.sounds.matches import Matches

FORMAT = "hear_cacophony search index 2"


def find_embeddings(
    file: pathlib.Path,
    sounds: Sequence[Sound],
    identity: Mapping[str, Any],
    prepare: Prepare,
) -> Matches:
    """The embeddings of a folder's files: those that an index has of their contents, and the others computed anew.

    Args:
        file: where the index is kept; it is brought up to date. Where another process does so, this one waits.
        sounds: the files of the folder now.
        identity: model and options, for JSON.
        prepare: gives what computes `embeddings`.

    Raises:
        ValueError: the file is damaged, no index, or was made with another model or other options.
        OSError: it cannot be written.
    """
    work = {"command": "search", "index": os.path.realpath(file), **identity}
    with open_unfinished(work, lambda message: tell(f"search: {message}")) as kept:
        index = _read_index(file, identity)
        kept.digests = index.digests
        missing = [sound for sound in sounds if index.find(sound) is None]
        if missing:
            make_writable_folder(file.parent, "choose another --index")
        chunks = Chunks(kept, kept.missing(missing))
        chunks.compute(read_audio, prepare, "search")
        new = kept.values(missing, "embeddings")
        embedded = dict(zip(new.sounds, new.values, strict=True))
        embedded |= {sound: row for sound in sounds if (row := index.find(sound)) is not None}
        found = {sound: embedded[sound] for sound in sounds if sound in embedded}
        _save(file, index, found, identity)
        rows = np.stack(list(found.values())) if found else np.empty((0, 0), np.float32)
        return Matches(tuple(found), rows, tuple(index.digests.of(sound.name) for sound in found), chunks.faults)


class _Index:
    """Embeddings by the contents of files.

    Attributes:
        embeddings: by digest, followed by the ending of the name where that decides on decoding.
        digests: of the contents.
        saved: what the file has of them.
    """

    def __init__(self, embeddings: Mapping[str, np.ndarray], rows: Sequence[list[str | int]]) -> None:
        self.embeddings = embeddings
        self.digests = ContentDigests(rows)
        self.saved = sorted(rows)
        self._sizes = {row[1] for row in rows}

    def find(self, sound: Sound) -> np.ndarray | None:
        """The embedding of a sound, None where there is none of its content."""
        if sound.size not in self._sizes:  # not read for nothing
            return None
        try:
            return self.embeddings.get(self.key(sound))
        except OSError:
            return None

    def key(self, sound: Sound) -> str:
        """What the embedding of a sound is known by; OSError where its file cannot be read."""
        return self.digests.of(sound.name) + sound.tag


def _read_index(file: pathlib.Path, identity: Mapping[str, Any]) -> _Index:
    if not file.exists():
        return _Index({}, ())
    try:
        with safetensors.safe_open(file, framework="numpy") as tensors:
            metadata = tensors.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError(f"expected {FORMAT!r}, got {metadata.get('format')!r}")
            made_by, contents = parse_json(metadata["identity"]), parse_json(metadata["contents"])
            index = _Index(
                dict(zip(contents, tensors.get_tensor("embeddings"), strict=True)), parse_json(metadata["digests"])
            )
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file}: expected an index of a folder, could not read it ({error}); delete it, and search again"
        ) from error
    differing = [key for key in {**made_by, **identity} if made_by.get(key) != identity.get(key)]
    if differing:
        told = "; ".join(f"{key} {made_by.get(key)!r} there, {identity.get(key)!r} now" for key in differing)
        raise ValueError(f"{file}: the index was made with another model ({told}); choose another --index")
    return index


def check_index(file: pathlib.Path, identity: Mapping[str, Any]) -> None:
    """Raise ValueError, before any work, where `find_embeddings` would for the index."""
    if file.exists() and not file.is_file():
        found = "a folder" if file.is_dir() else "a pipe or a device"
        raise ValueError(f"{file}: expected a file for the index of a folder, got {found}; choose another --index")
    _read_index(file, identity)


def _save(file: pathlib.Path, index: _Index, found: Mapping[Sound, np.ndarray], identity: Mapping[str, Any]) -> None:
    """Write what is of use of the index, where that is anything else than before.

    That is what was found, and what the index has of files elsewhere that are as they were.
    """
    places = {sound.state.place for sound in found if sound.state is not None}
    elsewhere = [row for row in index.saved if row[0] not in places and FileState(*row[:-1]).holds()]  # type: ignore[arg-type]
    digests = sorted([*elsewhere, *(row for row in index.digests.rows() if row[0] in places)])
    embeddings = {index.key(sound): row for sound, row in found.items()}
    keys = [f"{row[-1]}{deciding_ending(str(row[0]))}" for row in elsewhere]
    embeddings |= {key: index.embeddings[key] for key in keys if key in index.embeddings}
    if not found or (embeddings.keys() == index.embeddings.keys() and digests == index.saved):
        return
    metadata = {
        "format": FORMAT,
        "identity": json.dumps(identity, sort_keys=True),
        "contents": json.dumps(list(embeddings)),
        "digests": json.dumps(digests),
    }
    write_file(file, lambda part: save_sorted({"embeddings": np.stack(list(embeddings.values()))}, part, metadata))
