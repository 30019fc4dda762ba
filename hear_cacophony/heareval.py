"""`python -m hear_cacophony.heareval`, a name that people have in scripts, runs `python -m hear_tasks.heareval`."""

from __future__ import annotations

import runpy

if __name__ == "__main__":
    runpy.run_module("hear_tasks.heareval", run_name="__main__", alter_sys=True)
