"""The split files of a task, and the names in them."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from typing import Any

from hear_cacophony.files.plain_name import is_plain_name
from hear_tasks.doctor.finding import Findings
from hear_tasks.doctor.metadata import TRAIN_VALID_TEST, Metadata
from hear_tasks.text_files import UNPACK_AGAIN, FileFault, listed, read_object

_SPLIT_FILE = re.compile(r"(train|valid|test|fold\d+)\.json")


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
