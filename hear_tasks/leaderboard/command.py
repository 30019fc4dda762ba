"""The command `hear-cacophony leaderboard`."""

from __future__ import annotations

import argparse
import pathlib
import shutil
import sys

from hear_cacophony.files.picture_file import SUFFIXES
from hear_cacophony.printable import on_one_line
from hear_tasks.leaderboard.plot import MAX_MODELS
from hear_tasks.leaderboard.write import IN_PLACE_OF_TEXT, Outputs, write_leaderboard


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `leaderboard` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "leaderboard",
        help="show the scores of models on HEAR tasks side by side",
        description="Show the scores that heareval's predictions left, of any number of models and tasks, side by "
        "side. A task that failed, or has no whole score, is named, and the exit status is then 1.",
    )
    parser.add_argument(
        "folders",
        nargs="*",
        type=pathlib.Path,
        metavar="EMBEDDINGS_DIR",
        help="folder of embeddings, which holds MODEL/TASK; or the folder of one model, which holds TASK",
    )
    formats = (("--markdown", "as a table of markdown"), ("--csv", "as the official leaderboard's CSV"))
    for option, what in formats:
        parser.add_argument(
            option,
            nargs="?",
            type=pathlib.Path,
            const=IN_PLACE_OF_TEXT,
            metavar="FILE",
            help=f"write it {what}, to FILE, or in place of the text where no FILE is given",
        )
    parser.add_argument(
        "--plot",
        type=pathlib.Path,
        metavar="FILE",
        help=f"draw a dot plot ({', '.join(SUFFIXES)}) of up to {MAX_MODELS} models",
    )
    parser.add_argument("--published", action="store_true", help="set each model beside all published rows")
    parser.add_argument(
        "--published-table", action="store_true", help="show the published table with the models' scores in it"
    )
    parser.add_argument(
        "--unofficial",
        action="store_true",
        help="let scores with reservations (another grid, other seeds, untrained weights ...) into the CSV, where the "
        "name of their model says which",
    )
    parser.add_argument(
        "--model-name",
        nargs=2,
        action="append",
        default=[],
        metavar=("FOLDER", "NAME"),
        help="call the model in FOLDER (MODEL above) NAME",
    )
    parser.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    _take_folders(args)
    whole = write_leaderboard(
        args.folders,
        Outputs(args.markdown, args.csv, args.plot),
        lambda text: print(text, end=""),
        lambda message: print(f"leaderboard: {on_one_line(message)}", file=sys.stderr),
        names={pathlib.Path(folder): name for folder, name in args.model_name},
        published=args.published,
        published_table=args.published_table,
        unofficial=args.unofficial,
        width=shutil.get_terminal_size().columns if sys.stdout.isatty() else None,
    )
    return 0 if whole else 1


def _take_folders(args: argparse.Namespace) -> None:
    """Give a folder behind --markdown or --csv, which is a file only if one is given, its place among the folders."""
    for option in ("markdown", "csv"):
        path = getattr(args, option)
        if path not in (None, IN_PLACE_OF_TEXT) and path.is_dir():
            args.folders.insert(0, path)
            setattr(args, option, IN_PLACE_OF_TEXT)
    if args.unofficial and args.csv is None:
        raise ValueError("--unofficial is for --csv: other tables show such scores, marked")
    if not args.folders:
        raise ValueError("expected EMBEDDINGS_DIR, which holds MODEL/TASK, got no folder")
