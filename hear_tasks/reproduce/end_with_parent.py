"""Runs a command that ends with the process that started it, however that ends.

    python -m hear_tasks.reproduce.end_with_parent PID COMMAND ...

A process whose parent is killed goes on; it would hold its job, and its card, with nobody to note what became of it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Of Linux's prctl(2): the signal that a process gets when the thread that started it ends; it outlives exec."""


def main() -> None:
    """Take the place of this process by the command, unless the process PID has ended already."""
    parent, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == int(parent):
        os.execv(command[0], command)


if __name__ == "__main__":
    main()
