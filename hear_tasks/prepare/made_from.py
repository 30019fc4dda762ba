"""The folder that audio was made from, noted beside it: clips of another one are made again, whatever their times."""

from __future__ import annotations

import contextlib
import pathlib

from hear_cacophony.files.atomic_write import write_json
from hear_tasks.text_files import read_if_whole

SOURCE_NOTE = ".made-from.json"
"""In a folder of audio, with which it goes: the number, in its file system, of the folder that it was made from."""


def is_of_another(made: pathlib.Path, source: pathlib.Path) -> bool:
    """Whether the audio in a folder is noted to be made from another folder than `source`, wherever that lies."""
    noted = read_if_whole(made / SOURCE_NOTE)
    return isinstance(noted, dict) and noted.get("inode") != source.stat().st_ino


def note_source(made: pathlib.Path, source: pathlib.Path) -> None:
    """Note that all audio in a folder is made from that in `source`, or will be."""
    with contextlib.suppress(OSError):  # whoever writes the audio has the failure, too
        made.mkdir(parents=True, exist_ok=True)
        write_json(made / SOURCE_NOTE, {"inode": source.stat().st_ino})
