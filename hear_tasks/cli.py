"""The `hear-cacophony` command: it gathers the commands of the library and those about HEAR.

The module of a command holds its arguments alone and imports what it needs when it runs, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Any

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
    for each in commands.choices.values():
        _take_options_between(each)
    args = parser.parse_args(argv)
    command.farewell = f"{args.command}: interrupted"
    if getattr(args, "goes_on", False):
        command.farewell += "; the same command goes on where this one was"
    return args.func(args)


def _take_options_between(parser: argparse.ArgumentParser) -> None:
    """Have options stand between positional arguments, too: `search TEXT --model M FOLDER`."""
    if parser._subparsers is not None:  # whose name is positional, and which options of their own follow
        return
    plain = parser.parse_known_args

    def parse(args: Any = None, namespace: Any = None) -> Any:
        parser.parse_known_args = plain  # type: ignore[method-assign]
        try:
            return parser.parse_known_intermixed_args(args, namespace)
        finally:
            parser.parse_known_args = parse  # type: ignore[method-assign]

    parser.parse_known_args = parse  # type: ignore[method-assign]


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from hear_cacophony import __version__

        print(f"hear-cacophony {__version__}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
