"""`python -m hear_tasks.reproduce`."""

from __future__ import annotations

import sys

from hear_tasks.library_caches import use_cache_folder
from hear_tasks.reproduce.command import main

if __name__ == "__main__":
    use_cache_folder()
    sys.exit(main())
