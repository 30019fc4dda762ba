"""Where a run is, from the files alone: `python -m hear_tasks.reproduce.status`."""

from __future__ import annotations

import argparse
import collections
import sys
from collections.abc import Sequence

from hear_tasks.reproduce.jobs import make_elements
from hear_tasks.reproduce.options import Step, add_work_options, parse_options
from hear_tasks.reproduce.record import State, read_state
from hear_tasks.reproduce.run_job import summary

_STEPS = (Step.EMBED, Step.PREDICT)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the state of each element, and the cause where one failed; 1 if the input was at fault."""
    parser = argparse.ArgumentParser(prog="status", description="Where a run is, from its files alone.")
    add_work_options(parser)
    try:
        options = parse_options(parser.parse_args(argv))
    except (OSError, ValueError) as error:
        print(f"status: {error}", file=sys.stderr)
        return 1
    lines = [("stage", "task", "embed", "predict")]
    causes = []
    counts = {step: collections.Counter[State]() for step in _STEPS}
    for element in sorted(make_elements(options), key=lambda each: (each.stage.number, each.task.name)):
        states = {step: read_state(element, step) for step in _STEPS}
        lines.append((element.stage.name, element.task.name, states[Step.EMBED][0], states[Step.PREDICT][0]))
        for step, (state, cause) in states.items():
            counts[step][state] += 1
            if cause:
                causes.append(f"{element.title}: {step} {state}: {summary(cause)}")
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    for step, counted in counts.items():
        print(f"{step}: " + ", ".join(f"{counted[state]} {state}" for state in State if counted[state]))
    if causes:
        print(*causes, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
