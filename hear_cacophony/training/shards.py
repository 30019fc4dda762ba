"""Packed sounds on the disk: what `pack` writes, and training reads.

A folder of shards holds `pack.json` (what was packed, how many shards that makes) and for each shard
`clips-00000.arrayrecord`, the samples of its clips as 16-bit little-endian integers at 16 kHz, mono, in records of 2 s,
of which the last one of a clip has the rest; and `clips-00000.json`, which is written last, with what there is in it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from hear_cacophony.files.atomic_write import write_json
from hear_cacophony.files.json_file import read_json
from hear_cacophony.frontend.spectrogram import SAMPLE_RATE
from hear_cacophony.training.captions import Caption, Captions

FORMAT = 2
FULL_SCALE = 1 << 15
"""Of 16-bit samples."""

RECORD_LENGTH = 2 * SAMPLE_RATE
"""Samples of a record; the last one of a clip has the rest. A record is read whole: with one for each clip, excerpts of
2 s of music in pieces of 30 s took four times as long to read.
"""

PLAN = "pack.json"


@dataclasses.dataclass(frozen=True)
class Clip:
    """A clip as it was packed.

    Attributes:
        source: the sound that it is from.
        start: seconds into that.
        samples: how many, at 16 kHz.
        peak: the largest absolute sample; 0 where it is silent.
        captions: of the sound.
    """

    source: str
    start: float
    samples: int
    peak: float
    captions: Captions = ()

    @property
    def name(self) -> str:
        """What it is called: its sound, with the second that it starts at where it is a piece of that."""
        return f"{self.source} from {self.start:g} s" if self.start else self.source


@dataclasses.dataclass(frozen=True)
class ShardIndex:
    """What a shard holds.

    Attributes:
        size: bytes of its records' file.
        clips: those in it, in the order of their records.
        left_out: why a sound is not in it, by its name.
        digest: of all records; "" in what was packed before it was kept.
    """

    size: int
    clips: tuple[Clip, ...]
    left_out: Mapping[str, str]
    digest: str = ""


def shard_files(folder: pathlib.Path, number: int) -> tuple[pathlib.Path, pathlib.Path]:
    """The records of a shard, and its index."""
    stem = folder / f"clips-{number:05d}"
    return stem.with_suffix(".arrayrecord"), stem.with_suffix(".json")


def write_index(folder: pathlib.Path, number: int, index: ShardIndex) -> None:
    """Write the index of a shard, whole or not at all."""
    write_json(shard_files(folder, number)[1], dataclasses.asdict(index))


def read_index(folder: pathlib.Path, number: int) -> ShardIndex | None:
    """The index of a shard, None where it is not finished."""
    file = shard_files(folder, number)[1]
    if not file.exists():
        return None
    try:
        told = read_json(file)
        clips = tuple(
            Clip(**{**each, "captions": tuple(Caption(*caption) for caption in each["captions"])})
            for each in told["clips"]
        )
        return ShardIndex(told["size"], clips, told["left_out"], told.get("digest", ""))
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{file}: damaged ({error!r}); delete it, and pack again") from error


class Excerpt(NamedTuple):
    """Samples `start` to `stop` - 1 of the clip of a number."""

    clip: int
    start: int
    stop: int


class Shards:
    """All clips of a folder of shards, by number. Reads may come from several threads.

    Attributes:
        clips: those there are, in the order that they were packed in.
        identity: a digest of their names, lengths, captions and samples.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Open a folder.

        Raises:
            FileNotFoundError: no such folder, or none that `pack` made.
            ValueError: it is not packed to its end, a shard is cut short, it holds no clip or only silence, or its name
                is no UTF-8.
        """
        from array_record.python.array_record_data_source import ArrayRecordDataSource  # extra `train`

        path = self.folder = pathlib.Path(folder)
        check_folder(path)
        plan = read_plan(path)
        if plan is None:
            raise FileNotFoundError(f"{path}: expected a folder that `hear-cacophony pack` made; it has no {PLAN}")
        indices = [self._whole_index(path, number, plan["shards"]) for number in range(plan["shards"])]
        self.clips: Sequence[Clip] = [clip for index in indices for clip in index.clips]
        if not self.clips:
            raise ValueError(f"{path}: expected clips, found none: no sound could be packed")
        if not any(clip.peak for clip in self.clips):
            raise ValueError(f"{path}: expected sounds, all {len(self.clips)} clips are silent")
        self.identity = self._digest(index.digest for index in indices)
        files = [str(shard_files(path, i)[0]) for i, index in enumerate(indices) if index.clips]
        self._records = ArrayRecordDataSource(files)
        self._first_records = np.cumsum([0, *(_count_records(clip.samples) for clip in self.clips)])
        expected = self._first_records[-1]
        if len(self._records) != expected:
            raise ValueError(f"{path}: expected {expected} records, found {len(self._records)}; pack again")

    def read(self, excerpts: Sequence[Excerpt]) -> list[np.ndarray]:
        """Samples of parts of clips, int16, each of shape (stop - start,).

        Raises:
            ValueError: a shard is damaged.
        """
        spans = [(each.start // RECORD_LENGTH, _count_records(each.stop)) for each in excerpts]
        wanted = [
            self._first_records[excerpt.clip] + number
            for excerpt, span in zip(excerpts, spans, strict=True)
            for number in range(*span)
        ]
        try:
            records = iter(self._records.__getitems__(wanted))
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"{self.folder}: a shard is damaged ({error}); pack again into another folder") from error
        parts = []
        for excerpt, (first, last) in zip(excerpts, spans, strict=True):
            part = np.frombuffer(b"".join(itertools.islice(records, last - first)), "<i2")
            clip, begin = self.clips[excerpt.clip], first * RECORD_LENGTH
            end = min(last * RECORD_LENGTH, clip.samples)
            if len(part) != end - begin:
                raise ValueError(f"{clip.name}: expected {end - begin} samples, its records hold {len(part)}")
            parts.append(part[excerpt.start - begin : excerpt.stop - begin])
        return parts

    def _digest(self, samples: Iterable[str]) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for clip in self.clips:
            digest.update(json.dumps(dataclasses.astuple(clip)).encode())
        for each in samples:
            digest.update(each.encode())
        return digest.hexdigest()

    @staticmethod
    def _whole_index(folder: pathlib.Path, number: int, shards: int) -> ShardIndex:
        index = read_index(folder, number)
        records = shard_files(folder, number)[0]
        if index is None:
            raise ValueError(
                f"{folder}: shard {number} of {shards} is not there; end the packing with the same command"
            )
        size = records.stat().st_size if records.exists() else 0
        if size != index.size:
            raise ValueError(f"{records}: expected {index.size} bytes, got {size}; was a copy interrupted?")
        return index


def check_folder(folder: pathlib.Path) -> None:
    """Refuse a place that cannot be written to: array_record and orbax take names in UTF-8 alone.

    Raises:
        ValueError: it is a file, or its path is no UTF-8.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: expected a folder, or a new name for one, found a file")
    try:
        str(folder.absolute()).encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{folder}: expected a folder whose path is UTF-8, as training needs; choose another"
        ) from None


def read_plan(folder: pathlib.Path) -> dict[str, Any] | None:
    """What a folder was packed from, None where it is no folder of shards.

    Raises:
        ValueError: the file that tells it is damaged, or of another version.
    """
    file = folder / PLAN
    if not file.exists():
        return None
    try:
        plan = read_json(file)
        found, _ = plan["format"], plan["shards"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: damaged ({error!r}); delete the folder, and pack again") from error
    if found != FORMAT:
        raise ValueError(f"{file}: expected format {FORMAT}, found {found}; delete the folder, and pack again")
    return plan


def to_integers(samples: np.ndarray) -> np.ndarray:
    """Samples in [-1, 1] as 16-bit integers; what is louder is clipped."""
    return np.clip(np.rint(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype("<i2")


def to_records(samples: np.ndarray) -> Iterator[bytes]:
    """The records of a clip of 16-bit integers."""
    for start in range(0, len(samples), RECORD_LENGTH):
        yield samples[start : start + RECORD_LENGTH].tobytes()


def _count_records(samples: int) -> int:
    return -(-samples // RECORD_LENGTH)


def count_hours(clips: Sequence[Clip]) -> float:
    """Hours of audio in clips."""
    return sum(clip.samples for clip in clips) / SAMPLE_RATE / 3600


def describe(clips: Sequence[Clip]) -> Iterator[tuple[str, str]]:
    """What there is, as pairs of a word and a number."""
    captions = [caption for clip in clips for caption in clip.captions]
    yield "clips", f"{len(clips):,}"
    yield "hours", f"{count_hours(clips):.2f}"
    yield "silent clips", f"{sum(not clip.peak for clip in clips):,}"
    yield "captions", f"{len(captions):,}"
    yield "synthetic captions", f"{sum(caption.synthetic for caption in captions):,}"
