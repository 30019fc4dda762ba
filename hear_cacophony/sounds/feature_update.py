"""Adding to a file of features: what is new or has changed is put in, and everything else stays as it is."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import safetensors

from hear_cacophony.files.file_identity import ContentDigests
from hear_cacophony.files.json_file import parse_json
from hear_cacophony.printable import as_text
from hear_cacophony.sounds.chunks import Results
from hear_cacophony.sounds.feature_files import SUFFIXES
from hear_cacophony.sounds.find import Sound
from hear_cacophony.sounds.kept_results import Chunk

_TOLD = ("hear_cacophony", "files", "digests", "lengths")
"""What the metadata of a .parquet file hold."""

_OTHER_ROWS = "were rows taken out, or put in another order? make it anew"

_GATHERED = 256
"""Sounds in a chunk that is written."""


@dataclasses.dataclass(frozen=True)
class Row:
    """What a file of features has of one sound.

    Attributes:
        name: of its audio file.
        digest: of the content of that.
        arrays: by name, with one entry or more along the first axis.
    """

    name: str
    digest: str
    arrays: Mapping[str, np.ndarray]


def read_features(path: pathlib.Path, about: Mapping[str, Any]) -> dict[str, Row]:
    """What a file of features has, by the place of the audio file, which may be called otherwise now.

    Args:
        path: the file.
        about: model and options that it has to be of.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is no file of features, of another model or other options, or does not tell the contents of its
            audio files, as earlier versions wrote it.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: expected a file that ends in one of {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file of features to add to; without --update one is made")
    read = {".npz": _read_npz, ".safetensors": _read_safetensors, ".parquet": _read_parquet}[path.suffix]
    try:
        names, digests, made_by, arrays = read(path)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, safetensors.SafetensorError) as error:
        raise ValueError(f"{path}: expected a file of `features`, could not read it ({error})") from error
    differing = [key for key in {**made_by, **about} if made_by.get(key) != about.get(key)]
    if differing:
        told = "; ".join(f"{key} {made_by.get(key)!r} there, {about.get(key)!r} now" for key in differing)
        raise ValueError(f"{path}: holds features of another kind ({told}); choose another file")
    if digests is None:
        raise ValueError(
            f"{path}: does not tell the contents of its files, as it is of an earlier version; make it anew"
        )
    _check_rows(path, names, digests, arrays)
    return dict(zip(_keys(names), _rows(names, digests, arrays), strict=True))


def _check_rows(
    path: pathlib.Path, names: Sequence[str], digests: Sequence[str], arrays: Mapping[str, np.ndarray]
) -> None:
    """Refuse rows that are not those of the names, as after another program has written the file."""
    lengths = arrays.get("lengths", np.ones(len(names), int))
    counts = {"digests": len(digests), "lengths": len(lengths)}
    wrong = {name: count for name, count in counts.items() if count != len(names)}
    total = int(lengths.sum())
    wrong |= {name: len(x) for name, x in arrays.items() if name != "lengths" and len(x) != total}
    if wrong:
        told = ", ".join(f"{count} {name}" for name, count in wrong.items())
        raise ValueError(f"{path}: expected {total} rows of {len(names)} files, found {told}; {_OTHER_ROWS}")


def _place(name: str) -> str:
    """What is the same for all spellings of a name, as text."""
    return as_text(os.path.realpath(name))


def _keys(names: Sequence[str]) -> list[str]:
    """Where each is, by its place; a link to what another of them is, or leads to, where it is itself."""
    themselves = [as_text(os.path.abspath(name)) for name in names]
    taken, keys = set(themselves), []
    for name, itself in zip(names, themselves, strict=True):
        place = _place(name)
        keys.append(itself if place in taken else place)
        taken.add(keys[-1])
    return keys


def _rows(names: Sequence[str], digests: Sequence[str], arrays: Mapping[str, np.ndarray]) -> Iterator[Row]:
    ends = np.cumsum(arrays.get("lengths", np.ones(len(names), int)))
    for i, (name, digest, end) in enumerate(zip(names, digests, ends, strict=True)):
        start = ends[i - 1] if i else 0
        parts = {key: array[i : i + 1] if key == "lengths" else array[start:end] for key, array in arrays.items()}
        yield Row(name, digest, parts)


_Read = tuple[list[str], list[str] | None, dict[str, Any], dict[str, np.ndarray]]


def _read_npz(path: pathlib.Path) -> _Read:
    with np.load(path, allow_pickle=False) as features:
        digests = features["digests"].tolist() if "digests" in features.files else None
        arrays = {name: features[name] for name in features.files if name not in ("files", "digests", "about")}
        return features["files"].tolist(), digests, parse_json(str(features["about"])), arrays


def _read_safetensors(path: pathlib.Path) -> _Read:
    with safetensors.safe_open(path, framework="numpy") as tensors:
        told = tensors.metadata() or {}
        arrays = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
    digests = parse_json(told["digests"]) if "digests" in told else None
    return parse_json(told["files"]), digests, parse_json(told["about"]), arrays


def _read_parquet(path: pathlib.Path) -> _Read:
    from pyarrow import parquet

    table = parquet.read_table(path)
    metadata = table.schema.metadata or {}
    told = {key: parse_json(value) for key in _TOLD if (value := metadata.get(key.encode())) is not None}
    arrays = {"embeddings": np.stack(table["embedding"].to_numpy())}
    if "timestamp_ms" in table.column_names:
        arrays["timestamps"] = table["timestamp_ms"].to_numpy()
        arrays["lengths"] = np.array(told["lengths"])
    names = np.repeat(np.array(list(map(as_text, told["files"])), object), arrays.get("lengths", 1))
    if table["file"].to_pylist() != names.tolist():
        raise ValueError(f"the column file has other rows than its metadata tell; {_OTHER_ROWS}")
    return told["files"], told.get("digests"), told["hear_cacophony"], arrays


def new_or_changed(sounds: Sequence[Sound], old: Mapping[str, Row]) -> list[Sound]:
    """Those of some sounds whose content no row is of; the files of the others are read for that."""
    digests = ContentDigests()

    def is_new(sound: Sound) -> bool:
        row = old.get(_place(sound.name))
        try:
            return row is None or digests.of(sound.name) != row.digest
        except OSError:
            return True

    return [sound for sound in sounds if is_new(sound)]


class Updated:
    """Rows of a file of features, those of changed files replaced, and new ones behind them.

    Attributes:
        new, changed: names of audio files.
        gone: those that are not there, or links to others that there are rows of now, whose rows stay; each with a new
            one of the same content, or None.
        unreadable: those whose rows stay, as they are there, but cannot be read any more.
        unchanged: how many there are.
        faults: as those of the results.
    """

    def __init__(self, old: Mapping[str, Row], results: Results) -> None:
        self._rows = dict(old)
        self.new: list[str] = []
        self.changed: list[str] = []
        for chunk in results:
            for row in _rows([sound.name for sound in chunk.sounds], chunk.digests, chunk.arrays):
                self._take(row)
        self.faults = results.faults
        found = {self._rows[_place(name)].digest: name for name in self.new}
        gone = (row for key, row in old.items() if key != _place(row.name) or not os.path.exists(row.name))
        self.gone = {row.name: found.get(row.digest) for row in gone}
        faulty = (old[key].name for key in map(_place, self.faults) if key in old)
        self.unreadable = [name for name in faulty if name not in self.gone]
        self.unchanged = len(old) - len(self.changed) - len(self.gone) - len(self.unreadable)

    def _take(self, row: Row) -> None:
        key = _place(row.name)
        before = self._rows.get(key)
        if before is None:
            self.new.append(row.name)
            self._rows[key] = row
        elif before.digest != row.digest:
            self.changed.append(before.name)
            self._rows[key] = dataclasses.replace(row, name=before.name)

    def __iter__(self) -> Iterator[Chunk]:
        """All rows, some at a time."""
        rows = list(self._rows.values())
        for start in range(0, len(rows), _GATHERED):
            part = rows[start : start + _GATHERED]
            yield Chunk(
                tuple(Sound(row.name, None) for row in part),
                tuple(row.digest for row in part),
                (0,) * len(part),
                {name: np.concatenate([row.arrays[name] for row in part]) for name in part[0].arrays},
                {},
            )
