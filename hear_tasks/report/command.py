"""The command `hear-cacophony report`."""

from __future__ import annotations

import argparse
import pathlib


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `report` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "report",
        help="write pages that show and play why scores are what they are",
        description="Write a folder of pages about the scores of predictions or of evaluations, which open in a "
        "browser from the file system: scores, labels, confusions, and the clips, the most wrong ones first, each to "
        "be seen and heard. What is not there is told; where a score is not whole, the exit status is 1.",
    )
    parser.add_argument(
        "folders",
        nargs="+",
        type=pathlib.Path,
        metavar="EMBEDDINGS_DIR",
        help="folder of embeddings, which holds MODEL/TASK; or the folder of one model, which holds TASK; or what "
        "evaluate has written, such as evaluations/",
    )
    parser.add_argument(
        "--tasks-dir", type=pathlib.Path, metavar="DIR", help="folder of the HEAR tasks, for their audio"
    )
    parser.add_argument(
        "--out", type=pathlib.Path, required=True, metavar="REPORT", help="a new folder, or that of an earlier report"
    )
    parser.add_argument(
        "--audio",
        default="link",
        metavar="KIND",
        help="link: pages play the files where they are (the default); copy: small copies go with the pages, of the "
        "clips that have a spectrogram, so that the folder can be sent",
    )
    parser.add_argument(
        "--pictures",
        type=int,
        default=20,
        metavar="N",
        help="spectrograms of the N most wrong clips of each model and task (default: 20)",
    )
    parser.add_argument("--published", action="store_true", help="show published scores, too")
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
    from hear_tasks.report.evaluations import holds_evaluations, write_evaluations
    from hear_tasks.report.run import write_report
    from hear_tasks.report.settings import Settings

    settings = Settings(args.tasks_dir, args.audio, args.pictures, args.published)
    evaluated = [folder for folder in args.folders if holds_evaluations(folder)]
    if evaluated and len(evaluated) < len(args.folders):
        raise ValueError(f"{evaluated[0]}: evaluations; give them a report of their own, apart from embeddings")
    if evaluated:
        return 0 if write_evaluations(args.folders, args.out, settings) else 1
    names = {pathlib.Path(folder): name for folder, name in args.model_name}
    return 0 if write_report(args.folders, args.out, settings, names) else 1
