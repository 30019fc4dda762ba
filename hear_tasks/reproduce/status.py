"""Where a run is, from the files alone: `python -m hear_tasks.reproduce.status`."""

from __future__ import annotations

import argparse
import collections
import sys
from collections.abc import Sequence

from hear_cacophony.text_table import text_table
from hear_tasks.reproduce.jobs import make_jobs
from hear_tasks.reproduce.options import Phase, add_work_options, parse_options
from hear_tasks.reproduce.record import State, read_state
from hear_tasks.reproduce.run_job import summary

_PHASES = (Phase.EMBED, Phase.PREDICT)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the state of each job, and the cause where one failed; 1 if the input was at fault."""
    parser = argparse.ArgumentParser(prog="status", description="Where a run is, from its files alone.")
    add_work_options(parser)
    try:
        options = parse_options(parser.parse_args(argv))
    except (OSError, ValueError) as error:
        print(f"status: {error}", file=sys.stderr)
        return 1
    lines = [("model", "task", "embed", "predict")]
    causes = []
    counts = {phase: collections.Counter[State]() for phase in _PHASES}
    order = [model.name for model in options.models]
    for job in sorted(make_jobs(options), key=lambda each: (order.index(each.model.name), each.task.name)):
        states = {phase: read_state(job, phase) for phase in _PHASES}
        lines.append((job.model.name, job.task.name, states[Phase.EMBED][0], states[Phase.PREDICT][0]))
        for phase, (state, cause) in states.items():
            counts[phase][state] += 1
            if cause:
                causes.append(f"{job.title}: {phase} {state}: {summary(cause)}")
    print(*text_table(lines), sep="\n")
    for phase, counted in counts.items():
        print(f"{phase}: " + ", ".join(f"{counted[state]} {state}" for state in State if counted[state]))
    if causes:
        print(*causes, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
