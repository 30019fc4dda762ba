"""Small HEAR tasks of every kind, from real recordings and sampled instruments in Debian packages.

    hear-cacophony demo-tasks OUT [--task NAME ...] [--sources DIR]

A task that is there is kept. Where the packages' recordings are from, and their licence, lies in each task's
file ATTRIBUTION.
"""

from __future__ import annotations

import json
import pathlib
import sys
import types

from hear_tasks.debian_packages import SourceError
from hear_tasks.demo import piano, pitch, strokes, tags, vowel
from hear_tasks.write_task import write_task

TASKS: dict[str, types.ModuleType] = {
    "demo_vowel": vowel,
    "demo_pitch": pitch,
    "demo_tags": tags,
    "demo_strokes": strokes,
    "demo_piano": piano,
}
"""The modules of the tasks: each has METADATA, but for the names, VOCABULARY and `read_splits`."""


def directory(name: str) -> str:
    """The directory of a task."""
    return f"{name}-v1-full"


def build(name: str, tasks: pathlib.Path, sources: pathlib.Path | None = None) -> pathlib.Path:
    """Build a task in the folder `tasks`, unless it is there; the same input gives the same bytes.

    Args:
        name: of the task, as in `TASKS`.
        tasks: folder of HEAR tasks.
        sources: where the packages lie on a machine without apt; see `find_source`.

    Returns:
        The task directory.

    Raises:
        SourceError: recordings or instruments are not to be had, or damaged; the message names the file.
        ModuleNotFoundError: the package's extra "tasks", or tinysoundfont, is not installed.
    """
    module, task = TASKS[name], tasks / directory(name)
    if not task.exists():
        splits, attribution = module.read_splits(sources)
        metadata = {"task_name": name, "version": "v1", "mode": "full", **module.METADATA}
        write_task(task, metadata, module.VOCABULARY, splits, attribution)
    return task


def build_and_tell(name: str, out: pathlib.Path, sources: pathlib.Path | None) -> bool:
    """Build a task and say so; whether it is there now."""
    kept = (out / directory(name)).exists()
    try:
        task = build(name, out, sources)
    except (SourceError, ModuleNotFoundError, OSError, ValueError) as error:
        print(f"demo-tasks: {name}: {error}", file=sys.stderr)
        return False
    print(f"{task}: {'kept' if kept else 'built'}, {_describe(task)}", flush=True)
    return True


def _describe(task: pathlib.Path) -> str:
    """Number of clips in each split."""
    splits = json.loads((task / "task_metadata.json").read_text())["splits"]
    clips = {split: len(json.loads((task / f"{split}.json").read_text())) for split in splits}
    return f"{sum(clips.values())} clips ({', '.join(f'{split} {count}' for split, count in clips.items())})"
