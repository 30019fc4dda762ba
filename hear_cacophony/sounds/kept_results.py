"""Results of sounds on disk: chunk by chunk, each a file that is written whole or not at all, found by their content.

A folder of

    lock             held by the process that works with it
    chunk-*.npz      the results of some sounds, and what is wrong with others
    digests          what the files' contents were when they were last looked at

A process that is killed loses the chunks that it has not written.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import pathlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hear_cacophony.files.atomic_write import write_file, write_text
from hear_cacophony.files.cache_folder import cache_folder, make_writable_folder
from hear_cacophony.files.file_identity import ContentDigests
from hear_cacophony.files.json_file import parse_json
from hear_cacophony.files.lock import folder_in_turn
from hear_cacophony.sounds.find import Sound

Tell = Callable[[str], None]

_ABOUT = "about"
_READ_AT_ONCE = 512
"""Chunks that are held in memory while results are gathered of many."""

_DIGESTS = "digests"
_LENGTHS = "lengths"


@dataclasses.dataclass(frozen=True)
class Chunk:
    """What became of some sounds.

    Attributes:
        sounds: those that have results.
        digests: of their files' contents.
        samples: their lengths at 16 kHz.
        arrays: their results, with one entry for each along the first axis or, where some have more, an array
            `lengths` of how many belong to each.
        faults: what is wrong with the others, by name.
    """

    sounds: tuple[Sound, ...]
    digests: tuple[str, ...]
    samples: tuple[int, ...]
    arrays: Mapping[str, np.ndarray]
    faults: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Values:
    """Results of sounds that lie in any chunks.

    Attributes:
        sounds: those that have one.
        values: of one array, shape (sounds, ...).
        samples: lengths of the sounds at 16 kHz.
    """

    sounds: tuple[Sound, ...]
    values: np.ndarray
    samples: tuple[int, ...]


class KeptResults:
    """The results in a folder. Made by `open_kept` and `open_unfinished`.

    Attributes:
        digests: of the contents of files.
    """

    def __init__(self, folder: pathlib.Path, tell: Tell) -> None:
        self._folder = folder
        self._places: dict[tuple[str, str], tuple[pathlib.Path, int]] = {}
        self._sizes: set[int] = set()
        self._read_both = functools.lru_cache(_READ_AT_ONCE)(lambda file: (_read_about(file), _read_arrays(file)))
        self.digests = ContentDigests.kept_in(folder / _DIGESTS)
        for file in sorted(folder.glob("chunk-*.npz")):
            try:
                self._take(file, _read_about(file))
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                tell(f"{file}: cannot be read ({error}); its sounds are computed again")
                file.unlink()

    def _take(self, file: pathlib.Path, about: Mapping[str, Any]) -> None:
        for row, (digest, tag, size, _) in enumerate(about["sounds"]):
            self._places.setdefault((digest, tag), (file, row))
            self._sizes.add(size)

    def forget_faults(self) -> None:
        """Have sounds tried again of which no result is there, since what was wrong may have been beside them."""
        for file in sorted(self._folder.glob("chunk-*.npz")):
            if not _read_about(file)["sounds"]:
                file.unlink()

    @property
    def contents(self) -> set[tuple[str, str]]:
        """Digest and tag of all that has a result."""
        return set(self._places)

    def save_digests(self) -> None:
        """Have the next process find the files' contents without reading them, as far as they stay as they are.

        What another process has saved meanwhile stays, one digest for each place.
        """
        before = ContentDigests.kept_in(self._folder / _DIGESTS).rows()
        rows = list({row[0]: row for row in [*before, *self.digests.rows()]}.values())
        if rows != before:
            write_text(self._folder / _DIGESTS, json.dumps(rows))

    def has(self, part: Sequence[Sound]) -> bool:
        """Whether there is a chunk of exactly these sounds."""
        return self._file(part).exists()

    def write(self, part: Sequence[Sound], chunk: Chunk) -> None:
        """Keep what became of some sounds; it is on the disk when this returns."""
        columns = zip(chunk.sounds, chunk.digests, chunk.samples, strict=True)
        sounds = [(digest, sound.tag, sound.size, samples) for sound, digest, samples in columns]
        about = {"sounds": sounds, "faults": dict(chunk.faults)}
        told = np.frombuffer(json.dumps(about).encode(), np.uint8)

        def save(file: pathlib.Path) -> None:
            with file.open("wb") as stream:
                np.savez(stream, **{_ABOUT: told}, **chunk.arrays)  # type: ignore[arg-type]

        write_file(self._file(part), save)
        self._take(self._file(part), about)

    def read(self, part: Sequence[Sound]) -> Chunk:
        """The chunk of exactly these sounds, which has to be there."""
        file = self._file(part)
        about, arrays = _read_about(file), _read_arrays(file)
        faults = about["faults"]
        good = tuple(sound for sound in part if sound.name not in faults)
        digests, samples = (tuple(row[i] for row in about["sounds"]) for i in (0, 3))
        return Chunk(good, digests, samples, arrays, faults)

    def missing(self, sounds: Sequence[Sound]) -> list[Sound]:
        """Those of some sounds that have no result, in any chunk."""
        return [sound for sound in sounds if self._place(sound) is None]

    def gather(self, sounds: Sequence[Sound]) -> Chunk:
        """The results of those of some sounds that have one, from whatever chunks they lie in."""
        placed = [(sound, *place) for sound in sounds if (place := self._place(sound)) is not None]
        rows = [(*self._read_both(file), row) for _, file, row in placed]
        kept = [about["sounds"][row] for about, _, row in rows]
        names = rows[0][1] if rows else ()
        return Chunk(
            tuple(sound for sound, _, _ in placed),
            tuple(digest for digest, *_ in kept),
            tuple(samples for *_, samples in kept),
            {name: np.concatenate([_entry(arrays, name, row) for _, arrays, row in rows]) for name in names},
            {},
        )

    def values(self, sounds: Sequence[Sound], name: str) -> Values:
        """The results of those of some sounds that have one.

        Args:
            sounds: the sounds.
            name: of the array; each sound has one entry in it.
        """
        found = self.gather(sounds)
        return Values(found.sounds, found.arrays.get(name, np.empty(0)), found.samples)

    def _place(self, sound: Sound) -> tuple[pathlib.Path, int] | None:
        if sound.size not in self._sizes:  # not read for nothing
            return None
        try:
            known = None if sound.state is None else self.digests.known(sound.state)
            return self._places.get((known or self.digests.of(sound.name), sound.tag))
        except OSError:
            return None

    def _file(self, part: Sequence[Sound]) -> pathlib.Path:
        listed = [dataclasses.astuple(sound) for sound in part]
        return self._folder / f"chunk-{_hash(listed)}.npz"


@contextlib.contextmanager
def open_kept(folder: pathlib.Path, identity: Mapping[str, Any], tell: Tell) -> Iterator[KeptResults]:
    """The results that are kept in a folder under an identity, for this process alone.

    Where another process has them, this one waits.

    Args:
        folder: holds a folder for each identity.
        identity: all that a result depends on but its sound, for JSON.
        tell: takes remarks.

    Raises:
        OSError: it cannot be written to.
    """
    own = folder / _hash(identity)
    with folder_in_turn(own, tell):
        write_text(own / "identity.json", json.dumps(identity, sort_keys=True, indent=1) + "\n")
        kept = KeptResults(own, tell)
        kept.forget_faults()
        try:
            yield kept
        finally:
            kept.save_digests()


@contextlib.contextmanager
def open_shared(sounds: Sequence[Sound], identity: Mapping[str, Any], tell: Tell) -> Iterator[KeptResults]:
    """The results of an identity in the user's cache folder, which several processes work with at once.

    Where another process has the same sounds to compute, this one waits. Where the cache folder cannot be written to,
    the results lie in a temporary folder.

    Args:
        sounds: those that are asked for.
        identity: all that a result depends on but its sound, for JSON.
        tell: takes remarks.
    """
    folder, listed = cache_folder("embeddings", _hash(identity)), [dataclasses.astuple(sound) for sound in sounds]
    with contextlib.ExitStack() as stack:
        try:
            make_writable_folder(folder)
        except PermissionError as error:
            tell(f"{error}. Until then, each run begins anew")
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hear_cacophony-")))
        kept = KeptResults(folder, tell)
        if kept.missing(sounds):
            work = folder / f"work-{_hash(listed)}"
            stack.enter_context(folder_in_turn(work, tell))
            stack.callback(shutil.rmtree, work, ignore_errors=True)
            kept = KeptResults(folder, tell)
        try:
            yield kept
        finally:
            kept.save_digests()


@contextlib.contextmanager
def open_unfinished(identity: Any, tell: Tell) -> Iterator[KeptResults]:
    """Results in the user's cache folder until the work with them has ended well: then they are removed.

    Where another process does the same work, this one waits; where the cache folder cannot be written to, they lie in
    a temporary folder, which a process that is killed leaves for nothing.

    Args:
        identity: what tells this work from others, for JSON.
        tell: takes remarks.
    """
    folder = cache_folder("unfinished", _hash(identity))
    with contextlib.ExitStack() as stack:
        try:
            make_writable_folder(folder)
        except PermissionError as error:
            tell(f"{error}. Until then, a run that is stopped begins anew")
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hear_cacophony-")))
        stack.enter_context(folder_in_turn(folder, tell))
        yield KeptResults(folder, tell)
        shutil.rmtree(folder, ignore_errors=True)


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:24]


def _read_about(file: pathlib.Path) -> dict[str, Any]:
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return parse_json(arrays[_ABOUT].tobytes())


def _read_arrays(file: pathlib.Path) -> dict[str, np.ndarray]:
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files if name != _ABOUT}


def _entry(arrays: Mapping[str, np.ndarray], name: str, row: int) -> np.ndarray:
    """What an array has of a sound."""
    if name == _LENGTHS or _LENGTHS not in arrays:
        return arrays[name][row : row + 1]
    start = int(arrays[_LENGTHS][:row].sum())
    return arrays[name][start : start + int(arrays[_LENGTHS][row])]
