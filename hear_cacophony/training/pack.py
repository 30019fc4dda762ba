"""Decodes sounds once, in parallel, into a few large files; safe to kill."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from hear_cacophony.files.atomic_write import write_json
from hear_cacophony.files.file_identity import ContentDigests
from hear_cacophony.files.lock import folder_in_turn, locked_folder
from hear_cacophony.frontend.audio_checks import describe_loud, is_loud
from hear_cacophony.frontend.spectrogram import PATCH_FRAMES, SAMPLE_RATE, count_frames
from hear_cacophony.progress import FileProgress
from hear_cacophony.training.shards import (
    FORMAT,
    FULL_SCALE,
    PLAN,
    Clip,
    ShardIndex,
    check_folder,
    read_index,
    read_plan,
    shard_files,
    to_integers,
    to_records,
    write_index,
)
from hear_cacophony.training.sources import Source

SOUNDS_PER_SHARD = 1024
PIECE_SECONDS = 30
"""Longest piece of a sound without captions. One with captions stays whole: they tell of all of it."""

_CONTENTS = "contents.json"
"""In the folder of shards, what spares reading the sounds once more to tell that they are the same."""

WRITER_OPTIONS = "group_size:1,uncompressed"
"""A record is read by itself, and 16-bit samples hardly shrink."""


@dataclasses.dataclass(frozen=True)
class Packed:
    """What became of sounds.

    Attributes:
        clips: those that were packed.
        left_out: why a sound was not, by its name.
    """

    clips: Sequence[Clip]
    left_out: dict[str, str]


def pack(
    sources: Sequence[Source],
    folder: pathlib.Path,
    workers: int | None = None,
    *,
    tell: Callable[[str], None] = lambda _: None,
    wait: bool = False,
) -> Packed:
    """Pack sounds into a folder of shards. What an earlier call has packed stays.

    Sounds that cannot be read, those shorter than a patch (160 ms), and those that go far beyond full scale, are left
    out, and told.

    Args:
        sources: what to pack.
        folder: made where it is missing.
        workers: threads that decode; as many as there are processors unless given.
        tell: takes remarks: that the file system has no locks, or that another process is waited for.
        wait: whether to wait where another process packs into the folder.

    Raises:
        ValueError: the folder holds other sounds, or other files, or its name is no UTF-8.
        BusyError: another process packs into it, and `wait` is False.
        OSError: a shard cannot be written.
    """
    check_folder(folder)
    waiting = f"{folder}: another process packs into it; waiting for that"
    with folder_in_turn(folder, tell, waiting) if wait else locked_folder(folder, tell):
        shards = -(-len(sources) // SOUNDS_PER_SHARD)
        contents = ContentDigests.kept_in(folder / _CONTENTS)
        _check_plan(folder, {"format": FORMAT, "shards": shards, "sounds": _digest(sources, contents)})
        write_json(folder / _CONTENTS, contents.rows())
        parts: list[ShardIndex] = []
        with FileProgress("pack", len(sources)) as progress:
            for number in range(shards):
                members = sources[number * SOUNDS_PER_SHARD : (number + 1) * SOUNDS_PER_SHARD]
                done = read_index(folder, number)
                if done is not None:
                    progress.advance(len(members))
                parts.append(done or _write_shard(folder, number, members, workers, progress))
    left_out = {name: why for part in parts for name, why in part.left_out.items()}
    return Packed([clip for part in parts for clip in part.clips], left_out)


def _digest(sources: Sequence[Source], contents: ContentDigests) -> str:
    """Of the names, the captions and the contents of sounds."""

    def content(source: Source) -> str:
        with contextlib.suppress(OSError):  # of which reading it tells the reason
            return contents.of(source.file)
        return ""

    digest = hashlib.blake2b(digest_size=16)
    for source in sources:
        digest.update(json.dumps([*dataclasses.astuple(source), content(source)]).encode())
    return digest.hexdigest()


def _check_plan(folder: pathlib.Path, plan: dict) -> None:
    known = read_plan(folder)
    if known is None:
        others = sorted(each.name for each in folder.iterdir() if each.name != "lock")
        if others:
            raise ValueError(f"{folder}: expected a new or empty folder, found {', '.join(others[:3])}")
        write_json(folder / PLAN, plan)
    elif known != plan:
        raise ValueError(
            f"{folder}: other sounds are packed there, or the same ones have changed since; choose another folder"
        )


def _write_shard(
    folder: pathlib.Path, number: int, sources: Sequence[Source], workers: int | None, progress: FileProgress
) -> ShardIndex:
    from array_record.python.array_record_module import ArrayRecordWriter  # extra `train`

    records, _ = shard_files(folder, number)
    records.unlink(missing_ok=True)
    clips: list[Clip] = []
    left_out: dict[str, str] = {}
    digest = hashlib.blake2b(digest_size=16)
    writer = ArrayRecordWriter(str(records), WRITER_OPTIONS)
    try:
        for source, read in _read_all(sources, workers or len(os.sched_getaffinity(0))):
            if isinstance(read, str):
                left_out[source.name] = read
            else:
                for clip, samples in _pieces(source, read):
                    for record in to_records(samples):
                        writer.write(record)
                        digest.update(record)
                    clips.append(clip)
            progress.advance(1)
        writer.close()
    except RuntimeError as error:  # what array_record raises for any failure of the disk
        raise OSError(f"{records}: could not be written ({error}); is the disk full?") from error
    index = ShardIndex(_synced_size(records), tuple(clips), left_out, digest.hexdigest())
    write_index(folder, number, index)
    return index


def _synced_size(file: pathlib.Path) -> int:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
        return os.fstat(stream.fileno()).st_size


def _read_all(sources: Sequence[Source], workers: int) -> Iterator[tuple[Source, np.ndarray | str]]:
    """Each sound, in order, with its samples, or with what is wrong with it; a few are held at a time."""
    waiting: list[tuple[Source, Future]] = []
    with ThreadPoolExecutor(workers) as pool:
        for source in sources:
            waiting.append((source, pool.submit(_read, source)))
            if len(waiting) > workers:
                first, future = waiting.pop(0)
                yield first, future.result()
        for source, future in waiting:
            yield source, future.result()


def _read(source: Source) -> np.ndarray | str:
    try:
        samples = source.read()
    except (ValueError, OSError) as error:
        return str(error)
    if count_frames(len(samples)) < PATCH_FRAMES:
        return f"{source.name}: expected at least a patch, 160 ms, got {1000 * len(samples) / SAMPLE_RATE:.0f} ms"
    if is_loud([samples]):
        return f"{source.name}: {describe_loud([samples])}"
    return to_integers(samples)


def _pieces(source: Source, samples: np.ndarray) -> Iterator[tuple[Clip, np.ndarray]]:
    """A sound as equal pieces of at most `PIECE_SECONDS`; whole where it has captions."""
    count = 1 if source.captions else -(-len(samples) // (PIECE_SECONDS * SAMPLE_RATE))
    for piece, start in zip(np.array_split(samples, count), _starts(len(samples), count), strict=True):
        peak = int(np.abs(piece.astype(np.int32)).max()) / FULL_SCALE
        yield Clip(source.name, start / SAMPLE_RATE, len(piece), peak, source.captions), piece


def _starts(length: int, count: int) -> list[int]:
    lengths = [len(part) for part in np.array_split(np.empty(length, bool), count)]
    return [0, *np.cumsum(lengths)[:-1].tolist()]
