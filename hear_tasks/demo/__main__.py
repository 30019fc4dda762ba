"""`python -m hear_tasks.demo`, the command behind `scripts/demo.sh`."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence

from hear_tasks.demo.command import NAMES
from hear_tasks.entry_point import Command, Parser, run
from hear_tasks.source_options import add_sources_option

DEFAULT_TASKS = ("demo_vowel", "demo_strokes")
"""A scene task and an event task."""


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = Parser(
        prog="demo.sh",
        allow_abbrev=False,
        description="The whole chain on real audio: tasks from Debian packages, doctor, hear-validator, embeddings, "
        "heareval's predictions, table and picture. It uses the published weights where they are found, and otherwise "
        "tiny untrained ones.",
    )
    parser.add_argument("out", type=pathlib.Path, metavar="OUT", help="folder for tasks, embeddings, logs and scores")
    parser.add_argument(
        "--all", action="store_true", help=f"all of {', '.join(NAMES)}, in place of {' and '.join(DEFAULT_TASKS)}"
    )
    parser.add_argument("--full", action="store_true", help="untrained weights of full size in place of tiny ones")
    parser.add_argument(
        "--text",
        action="store_true",
        help="instead: label, search and caption the tasks' recordings; the tokenizer is downloaded if need be",
    )
    add_sources_option(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration; 0 if every phase succeeded."""
    return run("demo", lambda command: _run(argv, command), whole_process=argv is None)


def _run(argv: Sequence[str] | None, command: Command) -> int:
    args = make_parser().parse_args(argv)
    command.farewell = "demo: interrupted; the same command goes on with what is finished"
    from hear_tasks.debian_packages import SourceError
    from hear_tasks.demo.chain import DemoError, run_demo
    from hear_tasks.demo.text_chain import run_words
    from hear_tasks.library_caches import use_cache_folder

    use_cache_folder()
    tasks = NAMES if args.all else DEFAULT_TASKS
    try:
        if args.text:
            run_words(args.out.resolve(), tasks, args.sources)
        else:
            run_demo(args.out.resolve(), tasks, args.sources, full=args.full)
    except (DemoError, SourceError) as error:
        command.say(f"demo: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
