"""The command behind `scripts/train_and_score.sh`."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence

from hear_tasks.entry_point import Command, Parser, run

_PARTS = 4


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = Parser(
        prog="train_and_score.sh",
        allow_abbrev=False,
        usage="%(prog)s OUT [options] -- STAGE --data SHARDS [options of hear-cacophony train]",
        description="Train a model, score it at some steps with embed and predict, and show the scores against the "
        "step, beside those of the log-mel baseline, as a table and a picture. The same command goes on where it was "
        "stopped, or with other steps.",
    )
    parser.add_argument("out", type=pathlib.Path, metavar="OUT", help="folder for the run, checkpoints and scores")
    parser.add_argument(
        "train", nargs="+", metavar="STAGE ...", help="arguments of `hear-cacophony train`, but for --out and --stop-at"
    )
    parser.add_argument(
        "--score-at", type=int, nargs="+", metavar="STEP",
        help="steps to score at; 0 is what training starts from (default: 0 and each quarter of all steps)",
    )  # fmt: skip
    parser.add_argument(
        "--tasks-dir", type=pathlib.Path, metavar="DIR",
        help="folder of HEAR tasks (default: the demo tasks, which are built)",
    )  # fmt: skip
    parser.add_argument("--task", nargs="+", metavar="NAME", help="only these of the folder (default: all)")
    parser.add_argument(
        "--grid-points", type=int, default=1, metavar="N",
        help="of heareval's grid for each score (default: 1; official scores need 8)",
    )  # fmt: skip
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the status of the part that did not succeed, if any."""
    return run("train_and_score", lambda command: _run(argv, command), whole_process=argv is None)


def _run(argv: Sequence[str] | None, command: Command) -> int:
    args = make_parser().parse_args(argv)
    command.farewell = "train_and_score: interrupted; the same command goes on where this one was"
    from hear_tasks.train_and_score.run import Plan, train_and_score

    steps = _steps(args)
    plan = Plan(args.out, tuple(args.train), steps, args.tasks_dir, tuple(args.task or ()), args.grid_points)
    return train_and_score(plan)


def _steps(args: argparse.Namespace) -> tuple[int, ...]:
    """The steps to score at, in order; training is told what it would be told by the command itself."""
    total = _check_training(args.train)
    wanted = args.score_at or [total * part // _PARTS for part in range(_PARTS + 1)]
    beyond = [step for step in wanted if not 0 <= step <= total]
    if beyond:
        raise ValueError(f"--score-at {beyond[0]}: expected a step from 0 to {total}, the --steps of training")
    if args.grid_points < 1:
        raise ValueError(f"--grid-points {args.grid_points}: expected at least 1")
    return tuple(sorted(set(wanted)))


def _check_training(arguments: Sequence[str]) -> int:
    """How many steps it takes; what it would refuse is told before anything is scored."""
    from hear_cacophony.commands import train

    parser = argparse.ArgumentParser(prog="train_and_score.sh ... --")
    train.add_parser(parser.add_subparsers())
    ours = pathlib.Path("OUT/run")
    stage, *others = arguments
    told = parser.parse_args(["train", stage, "--out", str(ours), *others])
    if told.out != ours or told.stop_at is not None:
        raise ValueError("expected training without --out and --stop-at, which follow from OUT and --score-at")
    return train.check_arguments(told)


if __name__ == "__main__":
    sys.exit(main())
