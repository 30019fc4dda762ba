"""Caches of libraries that would otherwise be written elsewhere in the user's home, or to the temporary folder."""

from __future__ import annotations

import os

from hear_cacophony.files.cache_folder import cache_folder

_FOLDERS = {
    "KERAS_HOME": "keras",
    "MPLCONFIGDIR": "matplotlib",
    "TORCHINDUCTOR_CACHE_DIR": "torch_inductor",
    "TRITON_CACHE_DIR": "triton",
}
"""Environment variables that libraries read, and folders in the cache folder."""


def use_cache_folder() -> None:
    """Have this process's libraries, and those of the processes that it starts, keep to the cache folder."""
    for variable, folder in _FOLDERS.items():
        os.environ.setdefault(variable, str(cache_folder(folder)))
