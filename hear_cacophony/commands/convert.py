"""The command `hear-cacophony convert`."""

from __future__ import annotations

import argparse


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `convert` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "convert",
        help="write a checkpoint as .safetensors: its audio side, or all of it",
        description="Write the audio side of a checkpoint, or all of it, with its configuration: smaller, and quicker "
        "to load.",
    )
    parser.add_argument("source", metavar="IN", help="a published checkpoint")
    parser.add_argument("target", metavar="OUT.safetensors", help="the file to write, which must not exist")
    parser.add_argument(
        "--towers", choices=("audio", "all"), default="audio", help="all: the text side, too (default: audio)"
    )
    parser.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from hear_cacophony.checkpoint.write import convert_checkpoint

    checkpoint = convert_checkpoint(args.source, args.target, with_text=args.towers == "all")
    towers = "all towers" if checkpoint.text else "the audio side"
    print(f"{args.target}: stage {checkpoint.stage.number}, {checkpoint.stage.title}, {towers}")
    return 0
