"""Small HEAR tasks of every kind, from real recordings and sampled instruments in Debian packages.

    hear-cacophony demo-tasks OUT [--task NAME ...] [--sources DIR]

A task that is there is kept. Where the packages' recordings are from, and their licence, lies in each task's
file ATTRIBUTION.
"""

from __future__ import annotations

import argparse
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


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `demo-tasks` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "demo-tasks",
        help="build small HEAR tasks from recordings in Debian packages",
        description="Build small HEAR tasks of every kind from real recordings and sampled instruments in Debian "
        "packages, about 90 MB, which apt-get downloads once and which need neither root nor installing. Tasks that "
        "are there are kept.",
    )
    parser.add_argument("out", type=pathlib.Path, metavar="OUT", help="folder for the task directories")
    parser.add_argument(
        "--task",
        nargs="+",
        action="extend",
        choices=list(TASKS),
        metavar="NAME",
        help=f"build only these: {', '.join(TASKS)} (default: all)",
    )
    parser.add_argument(
        "--sources",
        type=pathlib.Path,
        metavar="DIR",
        help="folder with the Debian packages, as .deb files or unpacked as DIR/PACKAGE, where apt is absent",
    )
    parser.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    failed = [name for name in TASKS if name in (args.task or TASKS) and not _build(name, args.out, args.sources)]
    return 1 if failed else 0


def _build(name: str, out: pathlib.Path, sources: pathlib.Path | None) -> bool:
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
