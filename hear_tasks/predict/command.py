"""The arguments of `hear-cacophony predict`."""

from __future__ import annotations

import argparse
import importlib
import pathlib

from hear_tasks.task_folder import find_embedded


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `predict` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "predict",
        help="train and score predictors on embeddings of HEAR tasks, with heareval's scores",
        description="Train and score predictors on embeddings: the scores of heareval's prediction runner, in its "
        "files, in less time. What is finished is kept; what was interrupted goes on where it was.",
    )
    parser.add_argument(
        "tasks",
        nargs="+",
        type=pathlib.Path,
        metavar="EMBEDDINGS/MODULE[/TASK]",
        help="embeddings of a task, or of all tasks of a module; files beside them are left out",
    )
    parser.add_argument(
        "--grid", default="default", metavar="NAME", help="grid of hyperparameters: default, fast or faster"
    )
    parser.add_argument(
        "--grid-points", type=int, default=8, metavar="N", help="points of it to try (default: 8, as the leaderboard)"
    )
    parser.add_argument(
        "--seeds",
        default="heareval",
        metavar="KIND",
        help="heareval: its random numbers, and so its scores (the default); independent: each training has a seed of "
        "its own, and several share their computations; such scores are marked, and no official ones",
    )
    hardware = parser.add_argument_group("hardware")
    hardware.add_argument("--gpus", metavar="[I,J]", help='GPUs to use, as heareval takes them: "[0]" (default: all)')
    hardware.add_argument(
        "--jobs", type=int, metavar="N", help="tasks at once (default: as many as there are cores, or GPUs)"
    )
    hardware.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="CPU threads of each task, which the last digits of losses depend on (default: OMP_NUM_THREADS, or the "
        "cores divided among the tasks at once)",
    )
    parser.set_defaults(func=_run, goes_on=True)


def _run(args: argparse.Namespace) -> int:
    from hear_tasks.predict import fork_server

    tasks = find_embedded(args.tasks)
    if len(tasks) > 1 and args.jobs != 1:
        fork_server.start()
    with fork_server.signals_held_back():
        importlib.import_module("hear_tasks.predict.preload")
    from hear_tasks.predict import predict_tasks

    failed = predict_tasks(
        tasks,
        grid=args.grid,
        grid_points=args.grid_points,
        seeds=args.seeds,
        gpus=args.gpus,
        jobs=args.jobs,
        threads=args.threads,
    )
    return 1 if failed else 0
