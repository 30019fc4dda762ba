"""What there is to do for a task: its metadata, the rates of its audio, and its clips."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

from hear_cacophony.files.atomic_write import write_json
from hear_cacophony.files.plain_name import is_plain_name
from hear_cacophony.frontend.audio_file import open_audio
from hear_tasks.prepare.archives import NOTE_FILE
from hear_tasks.prepare.resample_clip import Clip, Conversion, Tally
from hear_tasks.prepare.sources import Task
from hear_tasks.similar_names import describe_similar
from hear_tasks.task_folder import METADATA_FILE, SAMPLE_RATES, TaskError, read_task_file
from hear_tasks.text_files import is_number, read_object_if_whole

SOURCE_NOTE = ".made-from.json"
"""In a folder of audio, with which it goes: the number, in its file system, of the folder that it was made from, and
those of its splits. Clips of others are made again, whatever their times.
"""

_BATCH_CLIPS = 64
_BATCH_BYTES = 8_000_000
_SAMPLE_BYTES = {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}


@dataclasses.dataclass(frozen=True)
class Plan:
    """How to prepare one task at one rate, and what became of it.

    Attributes:
        task: where it is, and where it goes.
        conversion: from which rate to which; there is nothing to do where both are one.
        splits: its splits, each with the names of the clips that its file lists.
        size: bytes of its audio.
        tally: what became of its clips, and what is wrong with its split files.
    """

    task: Task
    conversion: Conversion
    splits: dict[str, frozenset[str]]
    size: int
    tally: Tally

    @property
    def rate(self) -> int:
        """Sample rate in Hz to have."""
        return self.conversion.rate

    @property
    def source_rate(self) -> int | None:
        """Sample rate in Hz that it is made from, None if there is nothing to make."""
        return None if self.conversion.source_rate == self.rate else self.conversion.source_rate

    @property
    def made_from(self) -> pathlib.Path:
        """The folder of the audio that there is."""
        return self.task.source / str(self.conversion.source_rate)

    @property
    def made(self) -> pathlib.Path:
        """The folder of the audio that is made."""
        return self.task.target / str(self.rate)

    def is_brought(self) -> bool:
        """Whether audio is there that was not made here: no note tells so, or one that it came in a tarball."""
        if (self.made / SOURCE_NOTE).exists() and not (self.made / NOTE_FILE).exists():
            return False
        return any(True for _ in self._scan_splits(self.made))

    def is_of_another(self) -> bool:
        """Whether the audio that is there is noted to be made from another folder, wherever `made_from` lies.

        Or from another one of a split: whoever exchanges that changes no time of the files in it.
        """
        noted = read_object_if_whole(self.made / SOURCE_NOTE)
        if not noted:
            return False
        of_splits = noted.get("splits")  # earlier versions have noted none
        if not isinstance(of_splits, dict):
            of_splits = {}
        found = self._source_note()
        return noted.get("inode") != found["inode"] or any(
            of_splits.get(split, number) != number for split, number in found["splits"].items()
        )

    def note_source(self) -> None:
        """Note that all audio that is made is of that in `made_from`, or will be."""
        with contextlib.suppress(OSError):  # whoever writes the audio has the failure, too
            note = self._source_note()
            self.made.mkdir(parents=True, exist_ok=True)  # others take it for audio that is there
            write_json(self.made / SOURCE_NOTE, note)

    def _source_note(self) -> dict[str, Any]:
        """With those of the splits' folders that are there."""
        folders = {split: self.made_from / split for split in self.splits}
        numbers = {split: folder.stat().st_ino for split, folder in folders.items() if folder.is_dir()}
        return {"inode": self.made_from.stat().st_ino, "splits": numbers}

    def batches(self) -> Iterator[list[Clip]]:
        """Clips in handfuls; what a split names but is not there is noted as bad."""
        batch: list[Clip] = []
        for clip in self._clips():
            batch.append(clip)
            if len(batch) == _BATCH_CLIPS or sum(each.size for each in batch) >= _BATCH_BYTES:
                yield batch
                batch = []
        if batch:
            yield batch

    def _clips(self) -> Iterator[Clip]:
        for split, listed in self.splits.items():
            source, target = self.made_from / split, self.made / split
            if not source.is_dir():
                self.tally.bad.append((str(source), f"expected the audio of split {split}, found no folder"))
                continue
            found: set[str] = set()
            for entry in _scan(source, listed):
                found.add(entry.name)
                yield Clip(entry.path, str(target / entry.name), entry.stat().st_size)
            similar = describe_similar(listed, found, f"{split}.json")
            for name in listed - found:
                hint = f"; {similar[name]}" if name in similar else ""
                self.tally.bad.append((str(source / name), f"named in {split}.json, but not there{hint}"))

    def bytes_needed(self) -> int:
        """What the clips will take that are not there yet, by the sizes of the files and the first clip's form."""
        if self.conversion.brought:
            return 0
        there = sum(entry.stat().st_size for entry in self._scan_splits(self.made))
        whole = self.size * self.rate * 2 // (self.conversion.source_rate * self._bytes_per_sample())
        return max(0, whole - there)

    def _scan_splits(self, folder: pathlib.Path) -> Iterator[os.DirEntry[str]]:
        for split, listed in self.splits.items():
            yield from _scan(folder / split, listed)

    def _bytes_per_sample(self) -> int:
        try:
            first = next(self._scan_splits(self.made_from))
            with open_audio(first.path) as audio:
                return _SAMPLE_BYTES.get(audio.header.subtype, 2)
        except (OSError, ValueError, StopIteration):  # of which the clips tell
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
    conversion = Conversion(source_rate, rate, metadata["sample_duration"])
    if source_rate == rate:
        return Plan(task, conversion, {}, 0, Tally())
    folder = task.source / str(source_rate)
    found = {entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    tally = Tally()
    splits = {
        split: _listed_names(task.source / f"{split}.json", tally) for split in sorted(found | set(metadata["splits"]))
    }
    sizes = [entry.stat().st_size for split in found for entry in _scan(folder / split, splits[split])]
    if not sizes:
        raise TaskError(f"{folder}: expected SPLIT/*.wav, found none; was the tarball unpacked to the end?")
    return Plan(task, conversion, splits, sum(sizes), tally)


def _read_metadata(task: pathlib.Path) -> dict[str, Any]:
    """`task_metadata.json` with the fields that are needed here checked."""
    file = task / METADATA_FILE
    metadata = read_task_file(file)
    if "sample_duration" not in metadata:
        raise TaskError(f'{file}: expected a field "sample_duration" (seconds or null), found none')
    seconds = metadata["sample_duration"]
    if seconds is not None and not (is_number(seconds) and 0 < seconds < math.inf):
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


def _choose_source_rate(task: Task, rate: int) -> int:
    """The highest rate that the task has, which may be the one that is asked for."""
    higher = [each for each in SAMPLE_RATES if each > rate and (task.source / str(each)).is_dir()]
    if higher:
        return max(higher)
    if not (task.source / str(rate)).is_dir():
        raise TaskError(_describe_lack(task.source, rate))
    if task.target != task.source:
        raise TaskError(
            f"{task.source}: has no audio above {rate} Hz to make that from; use it there, or copy it to {task.target}"
        )
    return rate


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


def _scan(folder: pathlib.Path, listed: frozenset[str]) -> Iterator[os.DirEntry[str]]:
    """The clips of one split: those that its file lists, whatever their names, and *.wav besides; in no order."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in listed or (entry.name.lower().endswith(".wav") and not entry.name.startswith(".")):
                yield entry


def _listed_names(file: pathlib.Path, tally: Tally) -> frozenset[str]:
    """The clips of a split, if it has its file; one that cannot be read is noted as bad."""
    if not file.exists():
        return frozenset()
    try:
        names = frozenset(read_task_file(file))
    except TaskError as error:
        tally.bad.append((str(file), str(error).removeprefix(f"{file}: ")))
        return frozenset()
    _check_plain(file, names)
    return names
