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

from hear_tasks.demo import piano, pitch, strokes, tags, vowel
from hear_tasks.demo.sources import SourceError

TASKS: dict[str, types.ModuleType] = {
    "demo_vowel": vowel,
    "demo_pitch": pitch,
    "demo_tags": tags,
    "demo_strokes": strokes,
    "demo_piano": piano,
}
"""The modules of the tasks: each has TASK, the name of its directory, and `build`."""


def build_and_tell(name: str, out: pathlib.Path, sources: pathlib.Path | None) -> bool:
    """Build a task and say so; whether it is there now."""
    module = TASKS[name]
    kept = (out / module.TASK).exists()
    try:
        task = module.build(out, sources)
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
