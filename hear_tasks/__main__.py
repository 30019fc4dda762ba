"""`python -m hear_tasks`: the `hear-cacophony` command, with as little as can be before it.

Until the command listens to signals, Ctrl-C ends the process as the system does: Python would tell where it was.
"""

import signal
import sys

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not so where it is ignored
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> int:
    """Run the command that the arguments of the process name; its exit status."""
    from hear_tasks.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
