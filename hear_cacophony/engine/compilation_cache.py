"""Compiled programs are kept on disk, for each user, so that the next process need not compile them again."""

from __future__ import annotations

import os
import pathlib

import jax

MIN_COMPILE_SECONDS = 0.3
"""Programs that compile faster are not worth a file."""


def enable() -> None:
    """Keep compiled programs in the user's cache folder, unless jax is configured otherwise.

    `JAX_COMPILATION_CACHE_DIR` names another folder; `JAX_ENABLE_COMPILATION_CACHE=false` keeps none. A
    folder that cannot be made is done without.
    """
    configured = jax.config.values
    if configured["jax_compilation_cache_dir"] is not None or not configured["jax_enable_compilation_cache"]:
        return
    folder = _folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", MIN_COMPILE_SECONDS)


def _folder() -> pathlib.Path:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(cache) / "hear_cacophony" / "compiled"
