"""Compiled functions are kept on disk, for each user, so that the next process need not compile them again."""

from __future__ import annotations

import warnings

import jax

from hear_cacophony.files.cache_folder import cache_folder, make_writable_folder

MIN_COMPILE_SECONDS = 0.3
"""Functions that compile faster are not worth a file."""


def enable() -> None:
    """Keep compiled functions in the user's cache folder, unless jax is configured otherwise.

    `JAX_COMPILATION_CACHE_DIR` names another folder; `JAX_ENABLE_COMPILATION_CACHE=false` keeps none. A
    folder that cannot be written to is done without, with a warning.
    """
    configured = jax.config.values
    if configured["jax_compilation_cache_dir"] is not None or not configured["jax_enable_compilation_cache"]:
        return
    folder = cache_folder("compiled")
    try:
        make_writable_folder(folder)
    except PermissionError as error:
        warnings.warn(f"compiled functions are not kept: {error}, or JAX_COMPILATION_CACHE_DIR", stacklevel=3)
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", MIN_COMPILE_SECONDS)
