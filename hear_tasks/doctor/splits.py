"""The split files of a task, the names in them, and audio that is in two of them."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from typing import TYPE_CHECKING, Any

from hear_cacophony.files.plain_name import is_plain_name
from hear_tasks.doctor.metadata import TRAIN_VALID_TEST, Metadata
from hear_tasks.doctor.report import Findings
from hear_tasks.partitions import partition_splits
from hear_tasks.registry import EmbeddingType
from hear_tasks.text_files import UNPACK_AGAIN, FileFault, listed, read_object

if TYPE_CHECKING:
    from hear_tasks.doctor.audio import Audio
    from hear_tasks.doctor.audio_folder import AudioFile

_SPLIT_FILE = re.compile(r"(train|valid|test|fold\d+)\.json")


PUBLISHED_SHARE = 0.1
"""Share of a published task's clips up to which copies are taken for its own: GTZAN, for one, has some."""


@dataclasses.dataclass(frozen=True)
class Split:
    """One split.

    Attributes:
        name: such as "train" or "fold00".
        clips: what its file says of each clip, by plain file name; None if the file could not be read.
    """

    name: str
    clips: dict[str, Any] | None

    @property
    def file(self) -> str:
        """Its file, relative to the task."""
        return f"{self.name}.json"


def read_splits(folder: pathlib.Path, metadata: Metadata, findings: Findings) -> list[Split]:
    """Read the split files that the metadata names, or, where it names none, those that are there."""
    present = sorted(name.removesuffix(".json") for name in _names(folder) if _SPLIT_FILE.fullmatch(name))
    extra = [name for name in present if name not in metadata.splits]
    if metadata.splits:
        for name in extra:
            findings.error(
                "split-extra",
                f"{name}.json",
                f"expected the splits {listed(metadata.splits)} of task_metadata.json, found this file besides",
                "add it to 'splits', or delete the file if it is of another task",
            )
    names = metadata.splits or tuple(name for name in TRAIN_VALID_TEST if name in present) or tuple(extra)
    splits = [Split(name, _read_clips(folder, name, findings)) for name in names]
    _note_shared_names(splits, findings)
    return splits


def _names(folder: pathlib.Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read_clips(folder: pathlib.Path, split: str, findings: Findings) -> dict[str, Any] | None:
    file = f"{split}.json"
    try:
        clips, repeated = read_object(folder / file)
    except FileFault as fault:
        findings.error("split-unreadable", file, str(fault), fault.fix)
        return None
    for name in repeated:
        findings.error(
            "split-repeated",
            file,
            f"expected {name!r} once, got it more than once",
            "delete all but one of its entries",
        )
    if not clips:
        findings.error("split-empty", file, "expected clips in this split, got none", UNPACK_AGAIN)
    return {name: labels for name, labels in clips.items() if _is_plain(name, file, findings)}


def _is_plain(name: str, file: str, findings: Findings) -> bool:
    """Whether a name is that of a file in the split's folder; heareval writes its embedding by that name."""
    if is_plain_name(name):
        return True
    findings.error(
        "split-path",
        file,
        f"expected file names without a folder, got {name!r}",
        "put the audio into the split's own folder, and leave its plain name here",
    )
    return False


def _note_shared_names(splits: list[Split], findings: Findings) -> None:
    seen: dict[str, str] = {}
    shared: dict[tuple[str, str], list[str]] = {}
    for split in splits:
        for name in split.clips or ():
            first = seen.setdefault(name, split.name)
            if first != split.name:
                shared.setdefault((first, split.name), []).append(name)
    for (first, second), names in shared.items():
        findings.note(
            "split-shared-name",
            f"{second}.json",
            f"expected file names that {first}.json does not have, got {listed(names)}",
            "make sure that they are other recordings; the content is compared, too",
        )


def check_rows(splits: list[Split], metadata: Metadata, findings: Findings) -> None:
    """Find trainings of a scene task, with a row for each clip, that would end with a batch of one row."""
    if metadata.embedding_type != EmbeddingType.SCENE or metadata.split_mode is None:
        return
    clips = {split.name: len(split.clips or ()) for split in splits}
    try:
        partitions = partition_splits(tuple(clips), metadata.split_mode)
    except ValueError:  # of which the check of the metadata tells
        return
    rows = {partition.train: sum(clips[name] for name in partition.train) for partition in partitions}
    for train, count in rows.items():
        for size in (size for size in metadata.batch_sizes if count % size == 1):
            findings.error(
                "split-batch",
                f"{train[0]}.json",
                f"expected a last batch of more than one clip, as batch normalization needs, got {count} clips to "
                f"train on in {listed(train)}, in batches of {size}",
                "leave one clip out, or add one",
            )


def check_duplicates(audio: Audio, metadata: Metadata, findings: Findings) -> None:
    """Find the same audio, silence aside, in two splits: a model would be tested on what it was trained on."""
    seen: dict[bytes, AudioFile] = {}
    copies: list[tuple[AudioFile, AudioFile]] = []
    for key, clip in audio.clips.items():
        if clip.content is None or clip.content.silent:
            continue
        first = seen.setdefault(clip.content.digest, audio.files[key])
        if first.split != key[0]:
            copies.append((audio.files[key], first))
    published = metadata.hear_task is not None and len(copies) <= PUBLISHED_SHARE * len(audio.files)
    for copy, first in copies:
        message = f"expected audio of split {copy.split} alone, got the same samples as {first.shown}"
        if published:
            fix = "leave it if the task is as published, since published scores have it too"
            findings.warn("audio-duplicate", copy.shown, message, fix)
        else:
            fix = "take the clip out of one of the splits, and out of its split file"
            findings.error("audio-duplicate", copy.shown, message, fix)
