"""`python -m hear_tasks.reproduce`."""

from __future__ import annotations

import os
import pathlib
import sys

from hear_tasks.reproduce.command import main


def use_caches() -> None:
    """Have libraries that would otherwise write elsewhere in the user's home keep to the cache folder."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "hear_cacophony"
    os.environ.setdefault("KERAS_HOME", str(cache / "keras"))
    os.environ.setdefault("MPLCONFIGDIR", str(cache / "matplotlib"))


if __name__ == "__main__":
    use_caches()
    sys.exit(main())
