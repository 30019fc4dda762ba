"""The `hear-cacophony` command: it gathers the commands of the library and those about HEAR.

The module of a command holds its arguments alone and imports what it needs when it runs, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from hear_tasks.entry_point import Command, Parser, run

COMMANDS = {
    "info": "hear_cacophony.commands.info",
    "convert": "hear_cacophony.commands.convert",
    "download": "hear_tasks.download.command",
    "features": "hear_cacophony.commands.features",
    "classify": "hear_cacophony.commands.classify",
    "caption": "hear_cacophony.commands.caption",
    "search": "hear_cacophony.commands.search",
    "reconstruct": "hear_cacophony.commands.reconstruct",
    "pack": "hear_cacophony.commands.pack",
    "train": "hear_cacophony.commands.train",
    "map": "hear_tasks.map.command",
    "demo-tasks": "hear_tasks.demo.command",
    "prepare": "hear_tasks.prepare.command",
    "doctor": "hear_tasks.doctor.command",
    "embed": "hear_tasks.embed.command",
    "predict": "hear_tasks.predict.command",
    "leaderboard": "hear_tasks.leaderboard.command",
    "report": "hear_tasks.report.command",
    "evaluate": "hear_tasks.evaluate.command",
}
"""The module of each command, in the order of `--help`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 1 if its input was at fault, with the reason on standard error."""
    return run("hear-cacophony", lambda command: _run(argv, command), whole_process=argv is None)


def _run(argv: Sequence[str] | None, command: Command) -> int:
    parser = Parser(prog="hear-cacophony", description="Checkpoints of AudioMAE and Cacophony, and HEAR tasks.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version of the package")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    given = sys.argv[1:] if argv is None else argv
    asked = given[:1] if given and given[0] in COMMANDS else COMMANDS  # all of them take as long as what some do
    for name in asked:
        importlib.import_module(COMMANDS[name]).add_parser(commands)
    for each in commands.choices.values():
        _take_any_order(each)
    args = parser.parse_args(argv)
    command.farewell = f"{args.command}: interrupted"
    if getattr(args, "goes_on", False):
        command.farewell += "; the same command goes on where this one was"
    return args.func(args)


def _take_any_order(parser: argparse.ArgumentParser) -> None:
    """Have options stand between positional arguments, and before them, too.

    That is in `search TEXT --model M FOLDER`, and in `search --duplicates FOLDER`, where a number may be.
    """
    if parser._subparsers is not None:  # whose name is positional, and which options of their own follow
        return
    numbers = [action for action in parser._actions if action.nargs == argparse.OPTIONAL and action.type is float]
    defaults = {option: str(action.const) for action in numbers for option in action.option_strings}
    plain = parser.parse_known_args

    def parse(args: Any = None, namespace: Any = None) -> Any:
        parser.parse_known_args = plain  # type: ignore[method-assign]
        try:
            return parser.parse_known_intermixed_args(_with_numbers(args, defaults), namespace)
        finally:
            parser.parse_known_args = parse  # type: ignore[method-assign]

    parser.parse_known_args = parse  # type: ignore[method-assign]


def _with_numbers(args: Sequence[str], defaults: Mapping[str, str]) -> list[str]:
    """The arguments, with its default behind each option that may have a number and stands before something else."""
    found = []
    for arg, following in itertools.zip_longest(args, args[1:], fillvalue="-"):
        is_bare = arg in defaults and not following.startswith("-") and not _is_number(following)
        found.append(f"{arg}={defaults[arg]}" if is_bare else arg)
    return found


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from hear_cacophony import __version__

        print(f"hear-cacophony {__version__}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
