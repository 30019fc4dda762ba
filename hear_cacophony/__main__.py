"""`python -m hear_cacophony`: the `hear-cacophony` command, which is put together where HEAR's tasks are."""

from __future__ import annotations

import runpy

if __name__ == "__main__":
    runpy.run_module("hear_tasks", run_name="__main__", alter_sys=True)
