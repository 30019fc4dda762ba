"""The folders that audio was made from, noted beside it: clips of others are made again, whatever their times."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterable

from hear_cacophony.files.atomic_write import write_json
from hear_tasks.text_files import read_if_whole

SOURCE_NOTE = ".made-from.json"
"""In a folder of audio, with which it goes: the number, in its file system, of the folder that it was made from, and
those of its splits.
"""


def is_of_another(made: pathlib.Path, source: pathlib.Path, splits: Iterable[str]) -> bool:
    """Whether the audio in a folder is noted to be made from another folder than `source`, wherever that lies.

    Or from another one of a split: whoever exchanges that changes no time of the files in it.
    """
    noted = read_if_whole(made / SOURCE_NOTE)
    if not isinstance(noted, dict):
        return False
    of_splits = noted.get("splits")  # earlier versions have noted none
    if not isinstance(of_splits, dict):
        of_splits = {}
    found = _numbers(source, splits)
    return noted.get("inode") != source.stat().st_ino or any(
        of_splits.get(split, found[split]) != found[split] for split in found
    )


def note_source(made: pathlib.Path, source: pathlib.Path, splits: Iterable[str]) -> None:
    """Note that all audio in a folder is made from that in `source`, or will be."""
    with contextlib.suppress(OSError):  # whoever writes the audio has the failure, too
        made.mkdir(parents=True, exist_ok=True)
        write_json(made / SOURCE_NOTE, {"inode": source.stat().st_ino, "splits": _numbers(source, splits)})


def _numbers(source: pathlib.Path, splits: Iterable[str]) -> dict[str, int]:
    """Of those splits' folders that are there."""
    return {split: (source / split).stat().st_ino for split in splits if (source / split).is_dir()}
