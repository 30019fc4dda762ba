"""The command `hear-cacophony embed`, and the same as a function."""

from __future__ import annotations

import argparse
import pathlib
import signal
import sys
from typing import TYPE_CHECKING, Any

from hear_tasks.task_folder import choose_tasks

if TYPE_CHECKING:
    pass

INTERRUPTED = 130
"""Exit status after Ctrl-C or a request to terminate."""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `embed` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "embed",
        help="embed HEAR tasks, for heareval's predictions",
        description="Embed HEAR tasks into the files that heareval's prediction runner reads. What is finished is "
        "kept; what was interrupted goes on where it was.",
    )
    parser.add_argument("--model", default="", metavar="FILE", help="as load_model takes it: a checkpoint, or random")
    parser.add_argument("--module", help="HEAR module of this package (default: that of the checkpoint's stage)")
    parser.add_argument("--tasks-dir", type=pathlib.Path, required=True, metavar="DIR", help="folder of HEAR tasks")
    parser.add_argument(
        "--embeddings-dir", type=pathlib.Path, required=True, metavar="OUT", help="where to write OUT/MODULE/TASK"
    )
    parser.add_argument(
        "--task",
        action="append",
        default=[],
        metavar="NAME",
        help="directory, name or leaderboard column of a task; may be repeated (default: all in DIR)",
    )
    parser.add_argument("--clip-files", action="store_true", help="write the files of each clip, too, as heareval does")
    model = parser.add_argument_group("options of the model, which name the folder MODULE")
    model.add_argument("--protocol", choices=("hear", "published"), help="published pads as the published evaluation")
    model.add_argument(
        "--hop", type=int, metavar="MS", help="between timestamp embeddings: 40 (default) or 160, 80, 20, 10"
    )
    model.add_argument(
        "--window", type=float, metavar="SECONDS", help="longer clips are cut into windows (default: 30)"
    )
    model.add_argument("--precision", choices=("float32", "bfloat16"), help="of matrix products (default: float32)")
    hardware = parser.add_argument_group("hardware")
    hardware.add_argument("--devices", metavar="I,J", help="indices of the devices to use (default: all)")
    hardware.add_argument(
        "--batch-seconds", type=float, metavar="S", help="seconds of audio in a batch (default: by the devices' memory)"
    )
    parser.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return embed(args)
    except KeyboardInterrupt:
        print("embed: interrupted; the same command goes on where this one was", file=sys.stderr)
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def embed(args: argparse.Namespace) -> int:
    """Embed the tasks that the arguments ask for; 1 if a task failed."""
    from hear_tasks.embed.models import load_module
    from hear_tasks.embed.run import embed_tasks

    tasks = choose_tasks(args.tasks_dir, args.task)
    if args.batch_seconds is not None and not args.batch_seconds > 0:
        raise ValueError(f"--batch-seconds: expected a positive number, got {args.batch_seconds}")
    module = load_module(args.module, args.model, _options(args), _devices(args.devices))
    failed = embed_tasks(
        module, tasks, args.embeddings_dir, batch_seconds=args.batch_seconds, clip_files=args.clip_files
    )
    return 1 if failed else 0


def _options(args: argparse.Namespace) -> dict[str, Any]:
    given = {
        "protocol": args.protocol,
        "timestamp_hop_ms": args.hop,
        "window_seconds": args.window,
        "precision": args.precision,
    }
    return {name: value for name, value in given.items() if value is not None}


def _devices(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--devices: expected indices such as 0,1, got {text!r}") from None
