"""`python -m hear_tasks`: the `hear-cacophony` command, with as little as can be before it."""

import sys

from hear_tasks import leave_ctrl_c_to_system

leave_ctrl_c_to_system()


def main() -> int:
    """Run the command that the arguments of the process name; its exit status."""
    from hear_tasks.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
