"""`python -m hear_tasks.reproduce`."""

from __future__ import annotations

import os
import sys

from hear_cacophony.files.cache_folder import cache_folder
from hear_tasks.reproduce.command import main


def use_caches() -> None:
    """Have libraries that would otherwise write elsewhere in the user's home keep to the cache folder."""
    os.environ.setdefault("KERAS_HOME", str(cache_folder("keras")))
    os.environ.setdefault("MPLCONFIGDIR", str(cache_folder("matplotlib")))


if __name__ == "__main__":
    use_caches()
    sys.exit(main())
