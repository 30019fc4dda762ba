"""Where a run is, from the files alone: `python -m hear_tasks.reproduce.status`."""

from __future__ import annotations

import argparse
import collections
import sys
from collections.abc import Sequence

from hear_cacophony.text_table import text_table
from hear_tasks.entry_point import Parser, run
from hear_tasks.reproduce.jobs import Job, check_out, make_jobs
from hear_tasks.reproduce.options import Options, Phase, add_run_options, add_work_options, parse_options
from hear_tasks.reproduce.record import State, read_state
from hear_tasks.reproduce.room import list_tarballs, plan_tasks
from hear_tasks.reproduce.run_job import summary

_DESCRIPTION = "Where a run is, from its files alone: the state of each job, and the cause where one failed."


def main(argv: Sequence[str] | None = None) -> int:
    """Print the state of each job, or what is still to do, for scripts that submit it; 1 if the input was at fault."""
    return run("status", lambda _: _run(argv), whole_process=argv is None)


def _run(argv: Sequence[str] | None) -> int:
    parser = Parser(prog="status", description=_DESCRIPTION)
    parser.add_argument(
        "--to-do",
        action="store_true",
        help="for scripts: a line for each unfinished job, the largest first, or as their tasks are fetched: model, "
        "task, next phase and its state, with tabs between",
    )
    add_work_options(parser)
    add_run_options(unasked := argparse.ArgumentParser())  # of which no state depends
    args = parser.parse_args(argv, unasked.parse_args([]))
    options = parse_options(args)
    jobs = make_jobs(options)
    if args.to_do:
        check_out(options)
        _print_to_do(jobs if options.fetching is None else _as_fetched(options, jobs))
        return 0
    order = [model.name for model in options.models]
    _print_states(sorted(jobs, key=lambda each: (order.index(each.model.name), each.task.name)))
    return 0


def _as_fetched(options: Options, jobs: Sequence[Job]) -> list[Job]:
    """Jobs in the order in which their tasks are fetched; what all of it takes is told."""
    try:
        sizes = list_tarballs(options)
    except OSError as error:
        print(f"{error}; what the disk holds is reckoned by the benchmark's lengths", file=sys.stderr)
        sizes = {}
    ordered, room = plan_tasks(options, sizes)
    print(*room.lines(), sep="\n", file=sys.stderr)
    place = {task: number for number, task in enumerate(ordered)}
    return sorted(jobs, key=lambda job: place[job.task])


def _print_to_do(jobs: Sequence[Job]) -> None:
    for job in jobs:
        phase = next((each for each in (Phase.EMBED, Phase.PREDICT) if not job.is_done(each)), None)
        if phase:
            print(job.model.name, job.task.name, phase, read_state(job, phase)[0], sep="\t")


def _print_states(jobs: Sequence[Job]) -> None:
    lines: list[tuple[str, ...]] = [("model", "task", "embed", "predict")]
    causes = []
    counts = {phase: collections.Counter[State]() for phase in (Phase.EMBED, Phase.PREDICT)}
    for job in jobs:
        states = {phase: read_state(job, phase) for phase in counts}
        lines.append((job.model.name, job.task.name, *(state for state, _ in states.values())))
        for phase, (state, cause) in states.items():
            counts[phase][state] += 1
            if cause:
                causes.append(f"{job.title}: {phase} {state}: {summary(cause)}")
    print(*text_table(lines), sep="\n")
    for phase, counted in counts.items():
        print(f"{phase}: " + ", ".join(f"{counted[state]} {state}" for state in State if counted[state]))
    for line in causes:
        print(line)


if __name__ == "__main__":
    sys.exit(main())
