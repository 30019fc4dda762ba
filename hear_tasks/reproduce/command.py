"""The command behind `scripts/reproduce_leaderboard.sh`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from hear_tasks.reproduce.options import add_run_options, add_work_options, parse_options


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="reproduce_leaderboard.sh",
        allow_abbrev=False,
        description="From checkpoints and a folder of HEAR tasks to the leaderboard: doctor, embed, predict, "
        "leaderboard. The same command goes on where it was stopped.",
    )
    add_work_options(parser)
    add_run_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 1 if anything failed, 130 after a signal to end."""
    args = make_parser().parse_args(argv)
    try:
        from hear_tasks.reproduce.run import DoctorError, run
    except ModuleNotFoundError as error:
        print(f"reproduce: {error}: scripts/setup.sh installs all that a run needs", file=sys.stderr)
        return 1
    try:
        return run(parse_options(args))
    except (OSError, ValueError, DoctorError) as error:
        print(f"reproduce: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before there is anything to go on with
        print("reproduce: interrupted", file=sys.stderr)
        return 130
