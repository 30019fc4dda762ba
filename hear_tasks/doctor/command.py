"""The command `hear-cacophony doctor`."""

from __future__ import annotations

import argparse
import pathlib

from hear_tasks.module_options import add_module_options, add_task_option


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `doctor` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "doctor",
        help="check HEAR tasks, the environment and a checkpoint before a long run",
        description="Check HEAR tasks, what is installed, disk and memory, and a checkpoint before a long run. Nothing "
        "is written. The exit status is 1 if there is an error. Without tasks, only the environment is checked.",
    )
    parser.add_argument(
        "folders",
        nargs="*",
        type=pathlib.Path,
        metavar="TASKS_DIR",
        help="a folder of task directories, or one task directory; or what `download tasks` has brought",
    )
    add_task_option(parser, "check only these tasks; may be given again")
    parser.add_argument("--deep", action="store_true", help="read every sample of every clip, also of large tasks")
    parser.add_argument("--json", action="store_true", help="print one JSON object with every finding")
    add_module_options(
        parser,
        model="check this checkpoint, too; with --module what its load_model takes",
        module="check this HEAR module, and the audio at its sample rate (default: 16 kHz)",
    )
    parser.add_argument(
        "--embeddings-dir",
        type=pathlib.Path,
        default=pathlib.Path("embeddings"),
        metavar="DIR",
        help="where the embeddings will go (default: %(default)s)",
    )
    parser.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from hear_tasks.doctor.examination import examine
    from hear_tasks.doctor.model import ModuleRequest
    from hear_tasks.doctor.report import format_json, format_text

    if args.module is None and (args.model_options or args.python):
        raise ValueError("doctor: --model-options and --python are for a module; name it with --module")
    module = ModuleRequest(args.module, args.model, args.model_options, args.python) if args.module else None
    checkpoint = pathlib.Path(args.model) if args.model and (module is None or module.of_this_package) else None
    report = examine(
        args.folders,
        args.task,
        deep=args.deep,
        checkpoint=checkpoint,
        module=module,
        embeddings_dir=args.embeddings_dir,
    )
    print(format_json(report) if args.json else format_text(report))
    return 0 if report.ok else 1
