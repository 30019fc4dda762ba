"""The command behind `scripts/train_small.sh`."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence

from hear_tasks.entry_point import Command, Parser, run
from hear_tasks.source_options import add_sources_option


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = Parser(
        prog="train_small.sh",
        allow_abbrev=False,
        description="Train a small stage 1 on recordings from Debian packages: music and effects of games, and voices "
        "in five languages, 4 GB of packages with 38 hours. It is scored four times on the way, on the demo tasks "
        "and on two probes from packages that it never sees. The same command goes on where it was stopped.",
    )
    parser.add_argument(
        "out", type=pathlib.Path, metavar="OUT", help="folder for all of it, 6 GB; as much goes into the cache"
    )
    parser.add_argument("--steps", type=int, default=16_000, help="of training (default: 16000)")
    add_sources_option(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the status of the part that did not succeed, if any."""
    return run("train_small", lambda command: _run(argv, command), whole_process=argv is None)


def _run(argv: Sequence[str] | None, command: Command) -> int:
    args = make_parser().parse_args(argv)
    command.farewell = "train_small: interrupted; the same command goes on where this one was"
    from hear_tasks.debian_packages import SourceError
    from hear_tasks.train_small.run import SCORES, train_small

    if args.steps < SCORES:
        raise ValueError(f"--steps {args.steps}: expected at least {SCORES}")
    try:
        return train_small(args.out, args.sources, args.steps)
    except SourceError as error:
        command.say(f"train_small: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
