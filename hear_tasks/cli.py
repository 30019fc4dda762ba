"""The `hear-cacophony` command: it gathers the commands of the library and those about HEAR.

The module of a command holds its arguments alone and imports what it needs when it runs, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import importlib
import pathlib
import sys
from collections.abc import Sequence

from hear_cacophony.files.full_disk import describe_full, is_full

COMMANDS = (
    "hear_cacophony.commands.info",
    "hear_cacophony.commands.convert",
    "hear_cacophony.commands.download",
    "hear_cacophony.commands.features",
    "hear_cacophony.commands.classify",
    "hear_cacophony.commands.caption",
    "hear_cacophony.commands.search",
    "hear_tasks.demo.command",
    "hear_tasks.prepare.command",
    "hear_tasks.doctor.command",
    "hear_tasks.embed.command",
    "hear_tasks.predict.command",
    "hear_tasks.leaderboard.command",
    "hear_tasks.evaluate.command",
)
"""The modules of the commands, in the order of `--help`."""

INTERRUPTED = 130
"""Exit status after Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 1 if its input was at fault, with the reason on standard error."""
    parser = argparse.ArgumentParser(
        prog="hear-cacophony", description="Checkpoints of AudioMAE and Cacophony, and HEAR tasks."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version of the package")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in COMMANDS:
        importlib.import_module(name).add_parser(commands)
    args = parser.parse_args(argv)
    try:
        return args.func(args)
    except ModuleNotFoundError as error:
        print(f"hear-cacophony: {_what_to_install(error)}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"hear-cacophony: {_describe(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("hear-cacophony: interrupted", file=sys.stderr)
        return INTERRUPTED


def _describe(error: OSError | ValueError) -> str:
    """The message of the error; where there was no room for a file, with the reason."""
    if not (isinstance(error, OSError) and is_full(error)):
        return str(error)
    file = pathlib.Path(error.filename) if error.filename else None
    told = describe_full(error, file.parent if file and file.parent.is_dir() else None)
    return f"{f'{file}: ' if file else ''}{told} and run the same command again"


def _what_to_install(error: ModuleNotFoundError) -> str:
    """The message of the error, which already says so where it was raised by this package."""
    if "pip install" in str(error):
        return str(error)
    return f"{error}; pip install 'hear_cacophony[hear,tasks]', or scripts/setup.sh, installs what all commands need"


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from hear_cacophony import __version__

        print(f"hear-cacophony {__version__}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
