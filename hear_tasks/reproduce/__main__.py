"""`python -m hear_tasks.reproduce`, the command behind `scripts/reproduce_leaderboard.sh`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from hear_tasks.entry_point import Command, Parser, run
from hear_tasks.library_caches import use_cache_folder


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    from hear_tasks.reproduce.options import add_run_options, add_work_options

    parser = Parser(
        prog="reproduce_leaderboard.sh",
        allow_abbrev=False,
        description="From checkpoints and a folder of HEAR tasks to the leaderboard: doctor, embed, predict, "
        "leaderboard. The same command goes on where it was stopped.",
    )
    add_work_options(parser)
    add_run_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 1 if anything failed, the status of a signal that has ended it."""
    return run("reproduce", lambda command: _run(argv, command), whole_process=argv is None)


def _run(argv: Sequence[str] | None, command: Command) -> int:
    args = make_parser().parse_args(argv)
    from hear_tasks.reproduce.options import parse_options
    from hear_tasks.reproduce.run import run as run_phases

    return run_phases(parse_options(args), command)


if __name__ == "__main__":
    use_cache_folder()
    sys.exit(main())
