"""The command `hear-cacophony download`."""

from __future__ import annotations

import argparse
import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hear_cacophony.download.published_files import PublishedFiles


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `download` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "download",
        help="bring the published weights and the tokenizer",
        description="Bring the published weights (from Google Drive) and the tokenizer of stage 2 (from the Hugging "
        "Face hub). Files that are there and right are kept; what was interrupted goes on where it was.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--stage",
        choices=("1", "2", "all"),
        default="all",
        help="1, AudioMAE; 2, Cacophony and tokenizer (default: all)",
    )
    what.add_argument("--tokenizer-only", action="store_true", help="no weights")
    parser.add_argument(
        "--to",
        type=pathlib.Path,
        metavar="DIR",
        help="folder (default: that which HEAR_CACOPHONY_WEIGHTS names, or ~/.cache/hear_cacophony)",
    )
    parser.set_defaults(func=_run, goes_on=True)


def _run(args: argparse.Namespace) -> int:
    from hear_cacophony.checkpoint.find import default_folder
    from hear_cacophony.download.fetch import download

    download(_wanted(args), args.to or default_folder())
    return 0


def _wanted(args: argparse.Namespace) -> list[PublishedFiles]:
    from hear_cacophony.download.published_files import TokenizerFiles, stage_files
    from hear_cacophony.model.stages import STAGES

    if args.tokenizer_only:
        return [TokenizerFiles()]
    return stage_files([stage for stage in STAGES if args.stage in ("all", str(stage.number))])
