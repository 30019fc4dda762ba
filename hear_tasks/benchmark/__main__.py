"""`python -m hear_tasks.benchmark`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from hear_tasks.entry_point import run


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; 1 if the arguments were at fault."""
    return run("benchmark", lambda _: _measure(argv), whole_process=argv is None)


def _measure(argv: Sequence[str] | None) -> int:
    from hear_tasks.benchmark.run import measure_and_tell

    measure_and_tell(argv)
    return 0


if __name__ == "__main__":
    sys.exit(main())
