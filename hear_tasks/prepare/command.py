"""The command `hear-cacophony prepare`."""

from __future__ import annotations

import argparse
import pathlib
import sys


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `prepare` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "prepare",
        help="make the audio of HEAR tasks at 16 kHz or other rates from their 48 kHz tarballs or folders",
        description="Make the audio of HEAR tasks at the sample rates of models, beside the 48 kHz audio that they "
        "are published with, which is left as it is. Runs that were stopped go on where they were when started again.",
    )
    parser.add_argument(
        "sources",
        nargs="+",
        type=pathlib.Path,
        metavar="SOURCE",
        help="a task directory, a .tar.gz file, or a folder of either",
    )
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        metavar="DIR",
        help="folder for the task directories (default: tasks stay where they are, tarballs unpack beside themselves)",
    )
    parser.add_argument(
        "--rates",
        type=_rates,
        default=(16_000,),
        metavar="HZ,HZ",
        help="sample rates in Hz, of 16000, 22050, 32000, 44100 and 48000; each is made from the highest that a task "
        "has, which 48000 has to be (default: 16000)",
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: one for each core)")
    parser.set_defaults(func=_run, goes_on=True)


def _rates(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(rate) for rate in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected rates in Hz with commas between, got {text!r}") from None


def _run(args: argparse.Namespace) -> int:
    from concurrent.futures.process import BrokenProcessPool

    from hear_tasks.prepare.run import describe_task, prepare_tasks

    try:
        report = prepare_tasks(args.sources, args.out, args.rates, args.jobs)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        print(f"prepare: {error}", file=sys.stderr)
        return 1
    except BrokenProcessPool:
        print(
            "prepare: a process was killed from outside, most likely for want of memory; finished clips stay, "
            "so run the same command again, with fewer --jobs",
            file=sys.stderr,
        )
        return 1
    for task in report.tasks:
        print(describe_task(task))
    for message in report.errors:
        print(f"prepare: {message}", file=sys.stderr)
    return 1 if report.errors else 0
