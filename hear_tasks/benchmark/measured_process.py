"""A command that a small process starts, so that its memory can be told.

    python measured_process.py FILE COMMAND...

Linux counts into the peak of a process what the one that started it held, and a benchmark holds gigabytes.
FILE gets the figures as JSON; the exit status is the command's.
"""

from __future__ import annotations

import json
import pathlib
import resource
import subprocess
import sys
import time


def main() -> int:
    """Run the command of the arguments, and write what it took."""
    file, *command = sys.argv[1:]
    start = time.perf_counter()
    status = subprocess.run(command, check=False).returncode
    seconds = time.perf_counter() - start
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = {
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * 1024,
    }
    pathlib.Path(file).write_text(json.dumps(taken), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
