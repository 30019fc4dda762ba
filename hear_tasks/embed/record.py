"""What the embeddings of a task were made from, noted beside them, and whether the task is still the same."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

from hear_tasks.embed.task import Task
from hear_tasks.task_folder import METADATA_FILE, VOCABULARY_FILE

RECORD_FILE = "embedded-from.json"
"""For each folder of audio, RATE/SPLIT, size and time of change (ns) of each clip's file, by its name."""

_EARLIER_RATE = "16000"  # of records whose folders are SPLIT alone

_MAX_NAMED = 3
_COPY = " (or a copy that lost its times, which cp -p keeps)"


def write_record(folder: pathlib.Path, task: Task) -> None:
    """Note in the folder of a task's embeddings what its clips were."""
    clips = iter(task.clips)
    record: dict[str, dict[str, list[int]]] = {}
    for split in task.splits:
        members = [next(clips) for _ in split.order]
        audio = members[0].file.parent.relative_to(task.folder)
        record[audio.as_posix()] = dict(zip(split.order, map(_state, members), strict=True))
    (folder / RECORD_FILE).write_text(json.dumps(record), encoding="utf-8")


def _state(clip: Any) -> list[int]:
    return [clip.size, clip.mtime_ns]


def compare_with_task(target: pathlib.Path, task: pathlib.Path) -> list[str]:
    """What has changed in a task since it was embedded; [] if nothing has, or nothing can be told.

    Args:
        target: folder of its finished embeddings; heareval's own tell of metadata, vocabulary and labels alone.
        task: the task directory.
    """
    metadata = _read(target / METADATA_FILE)
    splits = metadata.get("splits", []) if isinstance(metadata, dict) else []
    copied = (METADATA_FILE, VOCABULARY_FILE)
    differences = [told for name in copied if (told := _compare_file(target / name, task / name))]
    for split in splits:
        differences += _compare_split(target / f"{split}.json", task / f"{split}.json")
    record = _read(target / RECORD_FILE)
    if isinstance(record, dict):
        for folder, clips in record.items():
            differences += _compare_audio(task / (folder if "/" in folder else f"{_EARLIER_RATE}/{folder}"), clips)
    return differences


def _compare_split(embedded: pathlib.Path, now: pathlib.Path) -> list[str]:
    before, after = _read(embedded), _read(now)
    if not isinstance(before, dict):
        return []
    if not isinstance(after, dict):
        return [f"{now.name} is gone, or cannot be read"]
    if list(before) == list(after):
        changed = [name for name in before if before[name] != after[name]]
        return [f"{now.name}: labels of {_named(changed)} differ"] if changed else []
    added, removed = [n for n in after if n not in before], [n for n in before if n not in after]
    told = [f"{now.name}: {_named(added)} added"] if added else []
    told += [f"{now.name}: {_named(removed)} removed"] if removed else []
    return told or [f"{now.name}: the clips are in another order, which the rows of embeddings go by"]


def _compare_audio(folder: pathlib.Path, clips: dict[str, list[int]]) -> list[str]:
    changed, missing = [], []
    for name, state in clips.items():
        try:
            status = os.stat(folder / name)
        except OSError:
            missing.append(name)
            continue
        if [status.st_size, status.st_mtime_ns] != state:
            changed.append(name)
    told = [f"{folder.name}: audio of {_named(changed)} is newer, or another{_COPY}"] if changed else []
    return told + ([f"{folder.name}: audio of {_named(missing)} is gone"] if missing else [])


def _compare_file(embedded: pathlib.Path, now: pathlib.Path) -> str:
    """What is to be said of a file that was copied; "" where it is the same, or was not copied."""
    if not embedded.exists():
        return ""
    try:
        return "" if embedded.read_bytes() == now.read_bytes() else f"{now.name} differs"
    except OSError:
        return f"{now.name} is gone, or cannot be read"


def _read(file: pathlib.Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _named(names: list[str]) -> str:
    shown = ", ".join(names[:_MAX_NAMED])
    return f"{shown} and {len(names) - _MAX_NAMED} more clips" if len(names) > _MAX_NAMED else shown
