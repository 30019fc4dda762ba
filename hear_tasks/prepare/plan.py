"""What there is to do for a task: its metadata, the rates of its audio, and its clips."""

from __future__ import annotations

import dataclasses
import math
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

from hear_cacophony.files.plain_name import is_plain_name
from hear_cacophony.frontend.audio_file import open_audio
from hear_tasks.prepare.resample_clip import Clip, Conversion
from hear_tasks.prepare.sources import Task
from hear_tasks.similar_names import describe_similar, match_names
from hear_tasks.task_folder import METADATA_FILE, SAMPLE_RATES, TaskError, read_task_file

_BATCH_CLIPS = 64
_BATCH_BYTES = 8_000_000
_SAMPLE_BYTES = {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}


@dataclasses.dataclass(frozen=True)
class Plan:
    """How to prepare one task at one rate.

    Attributes:
        task: where it is, and where it goes.
        rate: sample rate in Hz to have.
        conversion: from which rate to which; None if there is nothing to do.
        splits: its splits, each with the names of the clips that its file lists.
        bad: files that cannot be read, each with its fault.
        size: bytes of its audio.
    """

    task: Task
    rate: int
    conversion: Conversion | None
    splits: dict[str, frozenset[str]]
    bad: tuple[tuple[str, str], ...]
    size: int

    @property
    def source_rate(self) -> int | None:
        """Sample rate in Hz that it is made from, None if there is nothing to make."""
        return self.conversion.source_rate if self.conversion else None

    @property
    def anew(self) -> bool:
        """Whether all clips are made, whatever is there."""
        return self.conversion is not None and self.conversion.anew

    @property
    def made_from(self) -> pathlib.Path:
        """The folder of the audio that there is."""
        assert self.conversion
        return self.task.source / str(self.conversion.source_rate)

    @property
    def made(self) -> pathlib.Path:
        """The folder of the audio that is made."""
        assert self.conversion
        return self.task.target / str(self.conversion.rate)

    def source(self, split: str) -> pathlib.Path:
        """The folder of a split's audio."""
        return self.made_from / split

    def target(self, split: str) -> pathlib.Path:
        """The folder that a split's audio is made in."""
        return self.made / split

    def batches(self, missing: list[tuple[str, str]]) -> Iterator[list[Clip]]:
        """Clips in handfuls; what a split names but is not there is added to `missing`."""
        batch: list[Clip] = []
        for clip in self._clips(missing):
            batch.append(clip)
            if len(batch) == _BATCH_CLIPS or sum(each.size for each in batch) >= _BATCH_BYTES:
                yield batch
                batch = []
        if batch:
            yield batch

    def _clips(self, missing: list[tuple[str, str]]) -> Iterator[Clip]:
        for split, listed in self.splits.items():
            source, target = self.source(split), self.target(split)
            if not source.is_dir():
                missing.append((str(source), f"expected the audio of split {split}, found no folder"))
                continue
            found: set[str] = set()
            for entry in _scan(source, listed):
                found.add(entry.name)
                yield Clip(entry.path, str(target / entry.name), entry.stat().st_size)
            similar = match_names(listed, found)
            missing += [(str(source / name), _missing(name, split, similar.get(name))) for name in listed - found]

    def bytes_needed(self) -> int:
        """What the clips will take that are not there yet, by the sizes of the files and the first clip's form."""
        assert self.conversion
        there = sum(entry.stat().st_size for split in self.splits for entry in self._scan_target(split))
        whole = self.size * self.conversion.rate * 2 // (self.conversion.source_rate * self._bytes_per_sample())
        return max(0, whole - there)

    def _scan_target(self, split: str) -> Iterator[os.DirEntry[str]]:
        return _scan(self.target(split), self.splits[split])

    def _bytes_per_sample(self) -> int:
        first = next(entry.path for split in self.splits for entry in _scan(self.source(split), self.splits[split]))
        try:
            with open_audio(first) as audio:
                return _SAMPLE_BYTES.get(audio.header.subtype, 2)
        except (OSError, ValueError):
            return 2


def make_plan(task: Task, rate: int) -> Plan:
    """Read what a task says of itself; nothing is written.

    Raises:
        TaskError: its metadata are of no use, a name in them or in a split file leads out of its folder, or there
            is no audio to make others from.
        OSError: a folder cannot be read.
    """
    metadata = _read_metadata(task.source)
    source_rate = _choose_source_rate(task, rate)
    if source_rate is None:
        return Plan(task, rate, None, {}, (), 0)
    folder = task.source / str(source_rate)
    found = {entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    bad: list[tuple[str, str]] = []
    splits = {
        split: _listed_names(task.source / f"{split}.json", bad) for split in sorted(found | set(metadata["splits"]))
    }
    sizes = [entry.stat().st_size for split in found for entry in _scan(folder / split, splits[split])]
    if not sizes:
        raise TaskError(f"{folder}: expected SPLIT/*.wav, found none; was the tarball unpacked to the end?")
    return Plan(task, rate, Conversion(source_rate, rate, metadata["sample_duration"]), splits, tuple(bad), sum(sizes))


def _read_metadata(task: pathlib.Path) -> dict[str, Any]:
    """`task_metadata.json` with the fields that are needed here checked."""
    file = task / METADATA_FILE
    metadata = read_task_file(file)
    if "sample_duration" not in metadata:
        raise TaskError(f'{file}: expected a field "sample_duration" (seconds or null), found none')
    seconds = metadata["sample_duration"]
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is not None and not (is_number and 0 < seconds < math.inf):
        raise TaskError(f'{file}: expected "sample_duration" in seconds or null, got {seconds!r}')
    splits = metadata.setdefault("splits", [])
    if not (isinstance(splits, list) and all(isinstance(split, str) for split in splits)):
        raise TaskError(f'{file}: expected "splits" to be a list of names, got {splits!r}')
    _check_plain(file, splits)
    return metadata


def _check_plain(file: pathlib.Path, names: Iterable[str]) -> None:
    """Refuse names of splits and clips that would be read and written outside the task."""
    strange = sorted(name for name in names if not is_plain_name(name))
    if strange:
        raise TaskError(
            f"{file}: refused: expected plain names of the task's own files, got {strange[0]!r}, which would lead out "
            "of its folder; nothing of this task was read or written"
        )


def _choose_source_rate(task: Task, rate: int) -> int | None:
    """The highest rate that the task has; None if that is the one that is asked for."""
    higher = [each for each in SAMPLE_RATES if each > rate and (task.source / str(each)).is_dir()]
    if higher:
        return max(higher)
    if not (task.source / str(rate)).is_dir():
        raise TaskError(_describe_lack(task.source, rate))
    if task.target != task.source:
        raise TaskError(
            f"{task.source}: has no audio above {rate} Hz to make that from; use it there, or copy it to {task.target}"
        )
    return None


def _describe_lack(folder: pathlib.Path, rate: int) -> str:
    """Why there is nothing to make a rate from."""
    there = [each for each in SAMPLE_RATES if (folder / str(each)).is_dir()]
    above = ", ".join(f"{each}/" for each in reversed(SAMPLE_RATES) if each > rate)
    if not there:
        return f"{folder}: expected a folder of audio ({above or f'{rate}/'}), found none"
    published = "the benchmark's tarballs of 48000 Hz, which hearbenchmark.com links to, hold it"
    if not above:
        return (
            f"{folder}: expected {rate}/, which is made of nothing higher, found {max(there)} Hz at most; {published}"
        )
    return (
        f"{folder}: expected audio above {rate} Hz ({above}) to make that from, found {max(there)} Hz at most, which "
        f"would gain nothing but samples; {published}"
    )


def _missing(name: str, split: str, similar: str | None) -> str:
    """What is wrong with a clip that is not there; `similar` is a file that is much like it."""
    hint = f"; {describe_similar(name, similar, f'{split}.json')}" if similar else ""
    return f"named in {split}.json, but not there{hint}"


def _scan(folder: pathlib.Path, listed: frozenset[str]) -> Iterator[os.DirEntry[str]]:
    """The clips of one split: those that its file lists, whatever their names, and *.wav besides; in no order."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in listed or (entry.name.lower().endswith(".wav") and not entry.name.startswith(".")):
                yield entry


def _listed_names(file: pathlib.Path, bad: list[tuple[str, str]]) -> frozenset[str]:
    """The clips of a split, if it has its file; one that cannot be read is added to `bad`."""
    if not file.exists():
        return frozenset()
    try:
        names = frozenset(read_task_file(file))
    except TaskError as error:
        bad.append((str(file), str(error).removeprefix(f"{file}: ")))
        return frozenset()
    _check_plain(file, names)
    return names
