"""The command `hear-cacophony demo-tasks`."""

from __future__ import annotations

import argparse
import pathlib

from hear_tasks.source_options import add_sources_option

NAMES = ("demo_vowel", "demo_pitch", "demo_tags", "demo_strokes", "demo_piano")


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
        choices=NAMES,
        metavar="NAME",
        help=f"build only these: {', '.join(NAMES)} (default: all)",
    )
    add_sources_option(parser)
    parser.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from hear_tasks.demo.tasks import TASKS, build_and_tell

    wanted = args.task or TASKS
    failed = [name for name in TASKS if name in wanted and not build_and_tell(name, args.out, args.sources)]
    return 1 if failed else 0
