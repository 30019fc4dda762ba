"""Compiled functions are kept on disk, for each user, so that the next process need not compile them again."""

from __future__ import annotations

import contextlib
import pathlib
import warnings
import zlib

import jax

from hear_cacophony.files.atomic_write import write_json
from hear_cacophony.files.cache_folder import cache_folder, make_writable_folder
from hear_cacophony.files.json_file import read_json_object

MIN_COMPILE_SECONDS = 0.3
"""Functions that compile faster are not worth a file."""

_WHOLE_FILE = "whole.json"
"""Sizes of the entries that were found whole, by their names."""

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def enable() -> None:
    """Keep compiled functions in the user's cache folder, unless jax is configured otherwise.

    `JAX_COMPILATION_CACHE_DIR` names another folder; `JAX_ENABLE_COMPILATION_CACHE=false` keeps none. A
    folder that cannot be written to is done without, with a warning. Entries that a killed process has cut are removed.
    """
    configured = jax.config.values
    if configured["jax_compilation_cache_dir"] is not None or not configured["jax_enable_compilation_cache"]:
        return
    folder = cache_folder("compiled")
    try:
        make_writable_folder(folder)
        _remove_cut(folder)
    except PermissionError as error:
        warnings.warn(f"compiled functions are not kept: {error}, or JAX_COMPILATION_CACHE_DIR", stacklevel=3)
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", MIN_COMPILE_SECONDS)


def _remove_cut(folder: pathlib.Path) -> None:
    """Remove cut entries: jax writes them in place, and would compile anew, with a warning, in each process after that.

    An entry is read once; where another process is just writing it, that one is lost and no more.
    """
    noted: dict[str, int] = {}
    with contextlib.suppress(OSError, ValueError):
        noted = read_json_object(folder / _WHOLE_FILE)
    whole = {}
    for file in folder.glob("*-cache"):
        with contextlib.suppress(FileNotFoundError):  # of another process that does the same
            size = file.stat().st_size
            if noted.get(file.name) == size or _is_whole(file.read_bytes()):
                whole[file.name] = size
            else:
                file.unlink()
    if whole != noted:
        with contextlib.suppress(OSError):  # such as that of a full disk: they are read again
            write_json(folder / _WHOLE_FILE, whole)


def _is_whole(entry: bytes) -> bool:
    """Whether an entry can be decompressed; what only a library that is not here can tell counts as whole."""
    try:
        if entry.startswith(_ZSTD_MAGIC):
            import zstandard

            zstandard.ZstdDecompressor().decompress(entry)
        else:
            zlib.decompress(entry)
    except ModuleNotFoundError:
        return True
    except Exception:  # each library has its own
        return False
    return True
