"""Processes that end with the one that started them, and are waited for as long as they take.

    python -m hear_tasks.child_process PID COMMAND ...

runs a command that ends with the process PID, however that ends. A process whose parent is killed goes on; it would
hold its job, and its card, with nobody to note what became of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence

PR_SET_PDEATHSIG = 1
"""Of Linux's prctl(2): the signal that a process gets when the thread that started it ends; it outlives exec."""

INTERPRETER = (sys.executable, "-P")
"""This interpreter, for what we start: a file such as queue.py in the current folder is not to be taken for a library.

Plugins may lie in that folder; what loads them looks there.
"""

TELL_SECONDS = 20.0
"""Time from one remark on a wait to the next."""


def end_with_parent(parent: int) -> None:
    """Have this process killed when `parent`, the process that started it, ends; end it if that was so before."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


@contextlib.contextmanager
def signals_kept_from_children(*numbers: signal.Signals) -> Iterator[None]:
    """Processes that are started here do not hear of these signals, which they block as this process does.

    For Ctrl-C, which a terminal sends them, too: this process ends them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def bound_command(command: Sequence[str]) -> list[str]:
    """A command that ends with the thread of this process that starts it."""
    return [*INTERPRETER, "-m", "hear_tasks.child_process", str(os.getpid()), *command]


def run_module(name: str, *arguments: str) -> int:
    """The exit status of `python -m NAME ARGUMENTS...`, which ends with this process and writes where this one does."""
    return subprocess.run(bound_command([*INTERPRETER, "-m", name, *arguments]), check=False).returncode


def wait_for(process: subprocess.Popen, what: str) -> int:
    """The exit status of a process. A shared file system may take minutes for what takes seconds elsewhere.

    Args:
        process: what to wait for; its output must not go to a pipe, which may fill.
        what: names it in a remark on standard error, now and then.
    """
    waited = 0.0
    while True:
        try:
            return process.wait(TELL_SECONDS)
        except subprocess.TimeoutExpired:
            waited += TELL_SECONDS
            print(f"waiting for {what}: {waited:g} s so far ...", file=sys.stderr, flush=True)


def main() -> None:
    """Take the place of this process by the command, unless the process PID has ended already."""
    parent, *command = sys.argv[1:]
    end_with_parent(int(parent))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
