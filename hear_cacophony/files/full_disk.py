"""Files that cannot be written for want of room: a full disk, a quota, a limit on the size of files."""

from __future__ import annotations

import errno
import os
import pathlib
import resource
import shutil

_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_full(error: BaseException | None) -> bool:
    """Whether an error is that of a write for which there is no room."""
    return isinstance(error, OSError) and error.errno in _ERRORS


def describe_full(error: OSError, folder: pathlib.Path | None, needs: str = "", free: int | None = None) -> str:
    """Why there was no room, and what to do about it.

    Args:
        error: one that `is_full`.
        folder: an existing folder of the disk that was written to, None where that is not known.
        needs: what was to be written and how much that is, such as "its audio needs about 2.0 MB".
        free: bytes that were free before; what is free now unless given.
    """
    if error.errno == errno.EFBIG:
        return f"{_told('file too large', error, needs)}; {_remedy_for_size()}"
    if error.errno == errno.ENOSPC and folder is not None and _has_no_inodes(folder):
        return f"{_told('no room', error, needs, 'no file can be added, however small (df -i)')}; delete some files"
    if free is None and folder is not None:
        free = shutil.disk_usage(folder).free
    told = _told("no room", error, needs, "" if free is None else f"{free / 1e6:.1f} MB are free")
    return f"{told}; {'delete some of your files' if error.errno == errno.EDQUOT else 'make room'}"


def _told(what: str, error: OSError, *details: str) -> str:
    return ": ".join(filter(None, (f"{what} ({os.strerror(error.errno or 0)})", ", ".join(filter(None, details)))))


def _remedy_for_size() -> str:
    """What limits the size of a file: the process, or the file system, which does not tell its limit."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit == resource.RLIM_INFINITY:
        return "its file system takes no file of that size (FAT ends at 4 GB); choose another folder"
    return f"this process may write {limit:,} bytes into a file (ulimit -f); raise that limit"


def _has_no_inodes(folder: pathlib.Path) -> bool:
    """Whether the file system counts its files, as not all do, and has none left."""
    status = os.statvfs(folder)
    return status.f_files > 0 and status.f_favail == 0
