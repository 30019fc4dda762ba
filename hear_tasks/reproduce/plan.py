"""What is still to do, for scripts that submit it: `python -m hear_tasks.reproduce.plan`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from hear_tasks.reproduce.jobs import check_out, make_jobs
from hear_tasks.reproduce.options import Phase, add_work_options, parse_options
from hear_tasks.reproduce.record import read_state


def main(argv: Sequence[str] | None = None) -> int:
    """Print the name of the model, the task, the phase that comes next and its state, of each unfinished job.

    The lines are largest first, their parts separated by tabs. 1 if the input was at fault.
    """
    parser = argparse.ArgumentParser(prog="plan", description="What is still to do of a run, largest first.")
    add_work_options(parser)
    try:
        options = parse_options(parser.parse_args(argv))
        check_out(options)
    except (OSError, ValueError) as error:
        print(f"plan: {error}", file=sys.stderr)
        return 1
    for job in make_jobs(options):
        todo = [phase for phase in (Phase.EMBED, Phase.PREDICT) if not job.is_done(phase)]
        if todo:
            state, _ = read_state(job, todo[0])
            print(job.model.name, job.task.name, todo[0], state, sep="\t")
    return 0


if __name__ == "__main__":
    sys.exit(main())
