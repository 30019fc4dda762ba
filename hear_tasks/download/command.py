"""The command `hear-cacophony download`."""

from __future__ import annotations

import argparse
import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hear_cacophony.download.published_files import PublishedFiles

_WHAT = ("weights", "peers", "tasks", "datasets")
_FOLDERS = {"peers": "checkpoints", "tasks": "tarballs", "datasets": "datasets"}


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `download` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "download",
        help="bring the published weights and the tokenizer, other models', HEAR's tarballs, data sets",
        description="Bring the published weights and the tokenizer of stage 2 (weights, the default), the weights of "
        "the five models beside them in the published table (peers), the tarballs of HEAR's tasks (tasks), or the "
        "data sets of the evaluations (datasets). Names behind one of these choose among them: tasks esc50 FSD50K. "
        "Files that are there and right are kept; what was interrupted goes on where it was.",
    )
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"{', '.join(_WHAT)}, and names among them")
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument(
        "--stage",
        choices=("1", "2", "all"),
        default="all",
        help="of the weights: 1, AudioMAE; 2, Cacophony and tokenizer (default: all)",
    )
    weights.add_argument("--tokenizer-only", action="store_true", help="of the weights: the tokenizer alone")
    parser.add_argument(
        "--to",
        type=pathlib.Path,
        metavar="DIR",
        help="folder for all of it (default: of weights, that which HEAR_CACOPHONY_WEIGHTS names, or "
        "~/.cache/hear_cacophony; of others checkpoints, tarballs and datasets in the current one)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="tell files, sizes, hosts and licences, and bring nothing"
    )
    parser.add_argument(
        "--mirror", metavar="URL", help="a server's folder, or one of a file system, that has the same files"
    )
    parser.add_argument(
        "--rate",
        type=int,
        choices=(16_000, 22_050, 32_000, 44_100, 48_000),
        default=48_000,
        metavar="HZ",
        help="sample rate of the tasks; others than 48000 lie in buckets whose transfers you pay (default: 48000)",
    )
    parser.add_argument(
        "--billing-project", metavar="NAME", help="for --rate: the project that pays, by way of gcloud, or else aws"
    )
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="files to fetch at a time (default: 4)")
    parser.set_defaults(func=_run, goes_on=True)


def _run(args: argparse.Namespace) -> int:
    from hear_cacophony.download.dry_run import describe
    from hear_cacophony.download.fetch import DownloadError, download
    from hear_cacophony.download.mirror import Mirror
    from hear_cacophony.download.network import share_certificates

    share_certificates()
    if args.jobs < 1:
        raise ValueError(f"--jobs: expected 1 or more, got {args.jobs}")
    mirror = None if args.mirror is None else Mirror(args.mirror)
    wanted = _wanted(args)
    if args.dry_run:
        for folder, files in wanted.items():
            print(f"to {folder}:", *describe(files, folder, mirror), sep="\n")
        return 0
    failures = []
    for folder, files in wanted.items():
        try:
            download(files, folder, mirror=mirror, jobs=args.jobs)
        except (DownloadError, ValueError) as error:
            failures.append(str(error))
    if failures:
        raise DownloadError("\n".join(failures))
    return 0


def _wanted(args: argparse.Namespace) -> dict[pathlib.Path, list[PublishedFiles]]:
    """What is to be brought, by the folder that it goes to."""
    from hear_cacophony.checkpoint.find import default_folder

    wanted: dict[pathlib.Path, list[PublishedFiles]] = {}
    for what, names in _groups(args.what).items():
        usual = default_folder() if what == "weights" else pathlib.Path(_FOLDERS[what])
        wanted.setdefault(args.to or usual, []).extend(_choose(what, names, args))
    return wanted


def _groups(words: list[str]) -> dict[str, list[str]]:
    """The names behind each of the words that say what.

    Raises:
        ValueError: names without such a word before them.
    """
    groups: dict[str, list[str]] = {}
    names = None
    for word in words or _WHAT[:1]:
        if word in _WHAT:
            names = groups.setdefault(word, [])
        elif names is None:
            raise ValueError(f"expected {', '.join(_WHAT[:-1])} or {_WHAT[-1]}, got {word!r}; names come behind them")
        else:
            names.append(word)
    return groups


def _choose(what: str, names: list[str], args: argparse.Namespace) -> list[PublishedFiles]:
    """Of one kind, what its names stand for; all of it without any."""
    if what == "weights":
        return _weights(names, args)
    from hear_tasks.download import choose

    if what == "tasks":
        return choose.tasks(names, args.rate, args.billing_project)
    return choose.peers(names) if what == "peers" else choose.datasets(names)


def _weights(names: list[str], args: argparse.Namespace) -> list[PublishedFiles]:
    from hear_cacophony.download.published_files import TokenizerFiles, stage_files
    from hear_cacophony.model.stages import STAGES

    if names:
        raise ValueError(f"weights: expected no name behind it, got {names[0]!r}; --stage 1 and --stage 2 choose")
    if args.tokenizer_only:
        return [TokenizerFiles()]
    return stage_files([stage for stage in STAGES if args.stage in ("all", str(stage.number))])
