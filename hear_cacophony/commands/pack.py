"""The command `hear-cacophony pack`."""

from __future__ import annotations

import argparse
import pathlib
import sys

from hear_cacophony.commands.sound_options import add_errors_option
from hear_cacophony.printable import on_one_line

_MOST_NAMED = 20


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `pack` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "pack",
        help="decode sounds once, into a few large files, for training",
        description="Decode sounds to 16 kHz, in parallel, into a few large files, which training reads. What was "
        "interrupted goes on where it was. Sounds that cannot be read, are shorter than 160 ms, or go far beyond full "
        "scale are left out and listed; the exit status is 1 only where nothing is left.",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="SOUNDS",
        help="audio files, folders of them, .txt lists, .csv or .jsonl tables (file, caption or captions, synthetic), "
        "or WebDataset .tar files",
    )
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="SHARDS", help="a folder to write")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="threads that decode (default: the processors that it may use)"
    )
    add_errors_option(parser)
    parser.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from hear_cacophony.training import require_extra

    require_extra()
    from hear_cacophony.sounds.faults import check_errors_file, write_errors
    from hear_cacophony.training.pack import pack
    from hear_cacophony.training.shards import describe
    from hear_cacophony.training.sources import find_sources

    if args.workers is not None and args.workers < 1:
        raise ValueError(f"--workers {args.workers}: expected at least 1")
    check_errors_file(args.errors)
    packed = pack(find_sources(args.paths), args.out, args.workers, tell=_say, wait=True)
    write_errors({name: why.removeprefix(f"{name}: ") for name, why in packed.left_out.items()}, args.errors)
    for why in list(packed.left_out.values())[:_MOST_NAMED]:
        print(f"left out: {on_one_line(why)}", file=sys.stderr)
    more = len(packed.left_out) - _MOST_NAMED
    if more > 0:
        print(f"left out: {more} more, all named in {args.out}/clips-*.json", file=sys.stderr)
    print(f"{args.out}: {', '.join(f'{number} {word}' for word, number in describe(packed.clips))}")
    if packed.left_out:
        print(f"{args.out}: {len(packed.left_out)} sounds were left out")
    if not packed.clips:
        raise ValueError(f"{args.out}: no sound could be packed")
    return 0


def _say(message: str) -> None:
    print(f"pack: {on_one_line(message)}", file=sys.stderr, flush=True)
