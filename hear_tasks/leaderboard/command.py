"""The command `hear-cacophony leaderboard`."""

from __future__ import annotations

import argparse
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence

from hear_tasks.leaderboard import plot as leaderboard_plot
from hear_tasks.leaderboard import table as leaderboard
from hear_tasks.leaderboard.published import PublishedRow, published_rows
from hear_tasks.leaderboard.scores import Model, read_models

_STDOUT = pathlib.Path("-")


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
            const=_STDOUT,
            metavar="FILE",
            help=f"write it {what}, to FILE, or in place of the text where no FILE is given",
        )
    parser.add_argument(
        "--plot",
        type=pathlib.Path,
        metavar="FILE",
        help=f"draw a dot plot ({', '.join(leaderboard_plot.SUFFIXES)}) of up to {leaderboard_plot.MAX_MODELS} models",
    )
    parser.add_argument("--published", action="store_true", help="set the models beside the published rows")
    parser.add_argument(
        "--unofficial",
        action="store_true",
        help="let scores of another grid and of untrained weights into the CSV",
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
    try:
        return _report(args)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        print(f"leaderboard: {error}", file=sys.stderr)
        return 1


def _report(args: argparse.Namespace) -> int:
    _take_folders(args)
    _check_outputs(args)
    found = read_models(args.folders, {pathlib.Path(folder): name for folder, name in args.model_name})
    problems = [problem for model in found for problem in (*model.problems, *leaderboard.incomplete_columns(model))]
    for message in (*problems, *leaderboard.tasks_not_run(found)):
        _tell(message)
    models = [model for model in found if model.scores]
    if not models:
        raise ValueError("no task has a whole score, so there is nothing to show")
    if args.plot:
        leaderboard_plot.check_plot(args.plot, models)
    _write_tables(args, models)
    if args.plot:
        _replace(args.plot, lambda part: leaderboard_plot.plot_leaderboard(part, models, _published(args)))
    return 1 if problems else 0


def _take_folders(args: argparse.Namespace) -> None:
    """Give a folder behind --markdown or --csv, which is a file only if one is given, its place among the folders."""
    for option in ("markdown", "csv"):
        path = getattr(args, option)
        if path not in (None, _STDOUT) and path.is_dir():
            args.folders.insert(0, path)
            setattr(args, option, _STDOUT)
    if not args.folders:
        raise ValueError("expected EMBEDDINGS_DIR, which holds MODEL/TASK, got no folder")


def _check_outputs(args: argparse.Namespace) -> None:
    """Raise where an output cannot be written, before anything is read."""
    outputs = [path for path in (args.markdown, args.csv, args.plot) if path not in (None, _STDOUT)]
    if args.markdown == args.csv == _STDOUT:
        raise ValueError("--markdown and --csv cannot both take the place of the text; give one of them a FILE")
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise ValueError(f"expected a file for each output, got {', '.join(map(str, outputs))}")
    for path in outputs:
        if path.is_dir():
            raise IsADirectoryError(f"{path}: expected a file to write, got a folder")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"{path}: no folder {path.parent}")
    if args.plot:
        leaderboard_plot.check_plot(args.plot)


def _write_tables(args: argparse.Namespace, models: Sequence[Model]) -> None:
    if _STDOUT not in (args.markdown, args.csv):
        print(_text(models, _published(args)))
    if args.markdown:
        _write(args.markdown, _markdown(models, _published(args)) + "\n")
    if args.csv:
        _write(args.csv, leaderboard.format_csv(models, unofficial=args.unofficial))
        for message in leaderboard.left_out_of_csv(models, unofficial=args.unofficial):
            _tell(message)


def _text(models: Sequence[Model], published: Sequence[PublishedRow]) -> str:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    parts = [leaderboard.format_text(models, width)]
    if published:
        parts.append(leaderboard.format_comparisons(models, published, width))
    return "\n\n".join(parts)


def _markdown(models: Sequence[Model], published: Sequence[PublishedRow]) -> str:
    parts = [leaderboard.format_markdown(models)]
    if published:
        parts.append(leaderboard.format_markdown_comparisons(models, published))
    return "\n\n".join(parts)


def _published(args: argparse.Namespace) -> Sequence[PublishedRow]:
    return published_rows() if args.published else ()


def _write(path: pathlib.Path, text: str) -> None:
    if path == _STDOUT:
        print(text, end="")
    else:
        _replace(path, lambda part: part.write_text(text, encoding="utf-8"))


def _replace(path: pathlib.Path, write: Callable[[pathlib.Path], object]) -> None:
    """Write a file whole or not at all, and tell whether there was one before."""
    existed = path.exists()
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".leaderboard-") as folder:
        part = pathlib.Path(folder) / path.name
        write(part)
        part.replace(path)
    _tell(f"{path}: {'replaced' if existed else 'written'}")


def _tell(message: str) -> None:
    print(f"leaderboard: {message}", file=sys.stderr)
