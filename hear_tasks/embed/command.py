"""The command `hear-cacophony embed`, and the same as a function."""

from __future__ import annotations

import argparse
import pathlib
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hear_tasks.registry import find_tasks

if TYPE_CHECKING:
    from hear_tasks.embed.models import HearModule

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


def choose_tasks(folder: pathlib.Path, names: Sequence[str] = ()) -> list[pathlib.Path]:
    """Task directories in `folder`.

    Args:
        folder: folder of HEAR tasks.
        names: directories in it, or names or columns of HEAR tasks; all that are there unless given.

    Raises:
        FileNotFoundError: there is no such folder, or no task in it.
        ValueError: a name is that of no task there; the message lists near matches.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; expected one of HEAR tasks")
    there = sorted(each for each in folder.iterdir() if (each / "task_metadata.json").is_file())
    if not there:
        raise FileNotFoundError(f"{folder}: expected HEAR tasks, TASK/task_metadata.json, found none")
    if not names:
        return there
    wanted = {path for name in names for path in _matches(name, there)}
    return [path for path in there if path in wanted]


def _matches(name: str, there: Sequence[pathlib.Path]) -> list[pathlib.Path]:
    exact = [path for path in there if name in (path.name, path.name.partition("-")[0])]
    if exact:
        return exact
    listed = ", ".join(path.name for path in there)
    try:
        directories = {task.directory for task in find_tasks(name)}
    except ValueError as error:
        raise ValueError(f"{error}; there are {listed}") from None
    found = [path for path in there if path.name in directories]
    if not found:
        raise ValueError(f"{' or '.join(sorted(directories))} is not there; there are {listed}")
    return found


def embed_tasks(
    module: HearModule,
    tasks: Sequence[pathlib.Path],
    embeddings_dir: pathlib.Path,
    *,
    batch_seconds: float | None = None,
    clip_files: bool = False,
    tell: Callable[[str], None] = lambda message: print(f"embed: {message}", file=sys.stderr, flush=True),
) -> dict[str, str]:
    """Embed tasks; one that fails does not stop the others.

    Args:
        module: what to embed with.
        tasks: HEAR task directories.
        embeddings_dir: the embeddings go to MODULE/TASK in it, named as heareval does.
        batch_seconds: seconds of audio in a batch; by the devices' memory unless given.
        clip_files: whether to write the files of each clip, too.
        tell: takes remarks.

    Returns:
        What was wrong with each task that failed, by its name.

    Raises:
        ValueError: the folder holds embeddings of another model or of other options.
    """
    from hear_tasks.embed.engine import embed_task
    from hear_tasks.embed.models import claim_folder
    from hear_tasks.embed.task import TaskError
    from hear_tasks.embed.work_folder import BusyError, is_finished

    folder = embeddings_dir / module.folder_name
    _tell_of_strangers(folder, tasks, tell)
    claim_folder(folder, module.identity)
    failed: dict[str, str] = {}
    busy: list[pathlib.Path] = []

    def try_task(task: pathlib.Path, wait: bool) -> None:
        target = folder / task.name
        try:
            did = not is_finished(target) and embed_task(
                module.for_task(task.name),
                task,
                target,
                identity=module.identity,
                batch_seconds=batch_seconds,
                clip_files=clip_files,
                wait=wait,
                tell=tell,
            )
        except BusyError:
            busy.append(task)
        except (TaskError, OSError) as error:
            failed[task.name] = str(error)
            tell(f"{task.name}: FAILED: {error}")
        else:
            tell(f"{task.name}: {'done' if did else 'was done already'}")

    for task in tasks:
        try_task(task, wait=False)
    for task in list(busy):
        tell(f"{task.name}: another process is embedding it; waiting for that")
        try_task(task, wait=True)
    if failed:
        tell(f"{len(failed)} of {len(tasks)} tasks failed: {', '.join(failed)}")
    return failed


def _tell_of_strangers(folder: pathlib.Path, tasks: Sequence[pathlib.Path], tell: Callable[[str], None]) -> None:
    """Say so where embeddings are there that another program has made, which are kept."""
    from hear_tasks.embed.models import WEIGHTS_FILE
    from hear_tasks.embed.work_folder import is_done

    done = [task.name for task in tasks if is_done(folder / task.name)]
    if done and not (folder / WEIGHTS_FILE).exists():
        tell(f"{folder}: {', '.join(done)}: embedded by another program, with weights that are not recorded; kept")
