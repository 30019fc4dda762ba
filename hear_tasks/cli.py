"""The `hear-cacophony` command: it gathers the commands of the library and those about HEAR.

The module of a command holds its arguments alone and imports what it needs when it runs, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from hear_tasks.entry_point import Command, run

COMMANDS = (
    "hear_cacophony.commands.info",
    "hear_cacophony.commands.convert",
    "hear_tasks.download.command",
    "hear_cacophony.commands.features",
    "hear_cacophony.commands.classify",
    "hear_cacophony.commands.caption",
    "hear_cacophony.commands.search",
    "hear_cacophony.commands.reconstruct",
    "hear_cacophony.commands.pack",
    "hear_cacophony.commands.train",
    "hear_tasks.map.command",
    "hear_tasks.demo.command",
    "hear_tasks.prepare.command",
    "hear_tasks.doctor.command",
    "hear_tasks.embed.command",
    "hear_tasks.predict.command",
    "hear_tasks.leaderboard.command",
    "hear_tasks.report.command",
    "hear_tasks.evaluate.command",
)
"""The modules of the commands, in the order of `--help`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 1 if its input was at fault, with the reason on standard error."""
    return run("hear-cacophony", lambda command: _run(argv, command), whole_process=argv is None)


def _run(argv: Sequence[str] | None, command: Command) -> int:
    parser = argparse.ArgumentParser(
        prog="hear-cacophony", description="Checkpoints of AudioMAE and Cacophony, and HEAR tasks."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version of the package")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for name in COMMANDS:
        importlib.import_module(name).add_parser(commands)
    args = parser.parse_args(argv)
    command.farewell = f"{args.command}: interrupted"
    if getattr(args, "goes_on", False):
        command.farewell += "; the same command goes on where this one was"
    return args.func(args)


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from hear_cacophony import __version__

        print(f"hear-cacophony {__version__}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
