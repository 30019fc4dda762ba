"""`python -m hear_tasks`: the `hear-cacophony` command."""

from __future__ import annotations

import sys

from hear_tasks.cli import main

if __name__ == "__main__":
    sys.exit(main())
