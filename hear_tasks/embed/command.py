"""The command `hear-cacophony embed`, and the same as a function."""

from __future__ import annotations

import argparse
import pathlib

from hear_cacophony.commands.model_options import add_engine_options, device_indices, engine_options
from hear_tasks.module_options import add_module_options, add_task_option, merge_options
from hear_tasks.task_folder import choose_tasks


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `embed` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "embed",
        help="embed HEAR tasks, for heareval's predictions",
        description="Embed HEAR tasks into the files that heareval's prediction runner reads. What is finished is "
        "kept; what was interrupted goes on where it was.",
    )
    add_module_options(parser)
    parser.add_argument("--tasks-dir", type=pathlib.Path, required=True, metavar="DIR", help="folder of HEAR tasks")
    parser.add_argument(
        "--embeddings-dir", type=pathlib.Path, required=True, metavar="OUT", help="where to write OUT/MODULE/TASK"
    )
    add_task_option(parser, "directories, names or leaderboard columns of tasks (default: all in DIR)")
    parser.add_argument("--clip-files", action="store_true", help="write the files of each clip, too, as heareval does")
    add_engine_options(parser, hop=True)
    parser.add_argument(
        "--batch-seconds",
        type=float,
        metavar="S",
        help="seconds of audio in a batch (default: by the devices' memory; plugins: 84 s at 16 kHz)",
    )
    parser.set_defaults(func=_run, goes_on=True)


def _run(args: argparse.Namespace) -> int:
    from hear_tasks.embed.hear_module import load_module
    from hear_tasks.embed.run import embed_tasks

    tasks = choose_tasks(args.tasks_dir, args.task)
    if args.batch_seconds is not None and not args.batch_seconds > 0:
        raise ValueError(f"--batch-seconds: expected a positive number, got {args.batch_seconds}")
    options = merge_options(args.module, args.model_options, engine_options(args))
    module = load_module(args.module, args.model, options, device_indices(args.devices), args.python)
    failed = embed_tasks(
        module, tasks, args.embeddings_dir, batch_seconds=args.batch_seconds, clip_files=args.clip_files
    )
    return 1 if failed else 0
