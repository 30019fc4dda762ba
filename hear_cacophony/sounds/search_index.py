"""The embeddings of a folder's sounds, kept for searches: only what is new or has changed is embedded again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import safetensors

from hear_cacophony.files.atomic_write import write_file
from hear_cacophony.files.cache_folder import cache_folder
from hear_cacophony.files.sorted_safetensors import save_sorted
from hear_cacophony.sounds.chunks import Compute, open_chunks
from hear_cacophony.sounds.find import Sound

FORMAT = "hear_cacophony search index 1"


@dataclasses.dataclass(frozen=True)
class SearchIndex:
    """Embeddings of sounds.

    Attributes:
        sounds: sorted by name.
        embeddings: of unit norm, shape (sounds, size), float32.
    """

    sounds: tuple[Sound, ...]
    embeddings: np.ndarray

    def nearest(self, query: np.ndarray, count: int) -> list[tuple[Sound, float]]:
        """The sounds nearest to an embedding of unit norm, shape (size,), with their cosine similarity, best first."""
        similar = self.embeddings @ query
        order = np.argsort(-similar, kind="stable")[:count]
        return [(self.sounds[i], float(similar[i])) for i in order]


def default_index_file(folder: str | os.PathLike[str], identity: Mapping[str, Any]) -> pathlib.Path:
    """Where the index of a folder is kept unless told otherwise: in the user's cache, one for each model."""
    path = os.path.realpath(folder)
    digest = hashlib.sha256(json.dumps([path, identity], sort_keys=True).encode()).hexdigest()
    return cache_folder("search", f"{os.path.basename(path) or 'root'}-{digest[:16]}.safetensors")


def read_index(file: pathlib.Path, identity: Mapping[str, Any]) -> SearchIndex | None:
    """The index in a file, None where there is none.

    Raises:
        ValueError: it is damaged, no index, or was made with another model or other options.
    """
    if not file.exists():
        return None
    if file.is_dir():
        raise ValueError(f"{file}: expected a file for the index of a folder, got a folder; choose another --index")
    try:
        with safetensors.safe_open(file, framework="numpy") as tensors:
            metadata = tensors.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError(f"expected {FORMAT!r}, got {metadata.get('format')!r}")
            made_by = json.loads(metadata["identity"])
            sounds = tuple(Sound(*each) for each in json.loads(metadata["sounds"]))
            embeddings = tensors.get_tensor("embeddings")
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file}: expected an index of a folder, could not read it ({error}); delete it, and search again"
        ) from error
    differing = [key for key in {**made_by, **identity} if made_by.get(key) != identity.get(key)]
    if differing:
        told = "; ".join(f"{key} {made_by.get(key)!r} there, {identity.get(key)!r} now" for key in differing)
        raise ValueError(f"{file}: the index was made with another model ({told}); choose another --index")
    return SearchIndex(sounds, embeddings)


def update_index(
    file: pathlib.Path,
    sounds: Sequence[Sound],
    identity: Mapping[str, Any],
    compute: Compute,
    check_length: Callable[[int], None],
) -> tuple[SearchIndex, dict[str, str]]:
    """Bring the index of a folder up to date with its files.

    Args:
        file: where the index is kept.
        sounds: the files of the folder now.
        identity: model and options, for JSON.
        compute: gives `embeddings`.
        check_length: raises ValueError where clips of so many samples cannot be embedded.

    Returns:
        The index, and what is wrong with files that could not be read, by name.

    Raises:
        ValueError: see `read_index`.
        BusyError: another process embeds the same files.
    """
    known = read_index(file, identity)
    embedded = {} if known is None else dict(zip(known.sounds, known.embeddings, strict=True))
    missing = [sound for sound in sounds if sound not in embedded]
    kept = {sound: embedded[sound] for sound in sounds if sound in embedded}
    if known is not None and not missing and len(kept) == len(embedded):
        return known, {}
    faults: dict[str, str] = {}
    with open_chunks(missing, {"command": "search", **identity}) as chunks:
        chunks.compute(compute, check_length, "search")
        for chunk in chunks:
            faults |= chunk.faults
            if chunk.sounds:
                kept |= zip(chunk.sounds, chunk.arrays["embeddings"], strict=True)
        index = _ordered(kept)
        if index.sounds:
            _write_index(file, index, identity)
    return index, faults


def _ordered(embedded: Mapping[Sound, np.ndarray]) -> SearchIndex:
    sounds = sorted(embedded, key=lambda sound: sound.name)
    return SearchIndex(tuple(sounds), np.stack([embedded[each] for each in sounds]) if sounds else np.empty((0, 0)))


def _write_index(file: pathlib.Path, index: SearchIndex, identity: Mapping[str, Any]) -> None:
    metadata = {
        "format": FORMAT,
        "identity": json.dumps(identity, sort_keys=True),
        "sounds": json.dumps([dataclasses.astuple(sound) for sound in index.sounds]),
    }
    write_file(file, lambda part: save_sorted({"embeddings": index.embeddings}, part, metadata))
