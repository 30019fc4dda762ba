"""Errors of writes for which there is no room, made by the system wherever it makes them without root."""

from __future__ import annotations

import errno
import os
import pathlib
import resource
import shutil

import numpy as np
import pytest

from hear_cacophony.files import full_disk
from hear_cacophony.files.atomic_write import write_bytes
from hear_cacophony.files.full_disk import describe_full, is_full
from hear_tasks.embed import results


def write_error(file: str | pathlib.Path, size: int = 1 << 20) -> OSError:
    with pytest.raises(OSError, match="space left") as caught, open(file, "wb", buffering=0) as stream:
        stream.write(bytes(size))
    return caught.value


@pytest.fixture
def usage(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 0, 73_000_000))


def test_a_full_disk(tmp_path, usage):
    error = write_error("/dev/full")
    assert is_full(error)
    assert describe_full(error, tmp_path) == "no room (No space left on device): 73.0 MB are free; make room"
    told = describe_full(error, tmp_path, "it needs 2.0 MB", 1_000_000)
    assert told == "no room (No space left on device): it needs 2.0 MB, 1.0 MB are free; make room"
    assert describe_full(error, None) == "no room (No space left on device); make room"


@pytest.fixture
def small_files():
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_cannot_be_written_is_named(tmp_path, small_files):
    with pytest.raises(OSError, match="large") as caught:
        write_bytes(tmp_path / "new/out.npz", bytes(5_000))
    assert caught.value.filename == str(tmp_path / "new/out.npz")
    with pytest.raises(OSError, match="large") as caught:
        results._save(tmp_path / "clip.npy", np.zeros(5_000))
    assert is_full(caught.value)


@pytest.mark.parametrize("limit", [4096, 65_537])
def test_a_limit_on_the_size_of_files_is_no_full_disk(tmp_path, usage, limit):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        (tmp_path / "file").write_bytes(bytes(limit))
        told = describe_full(OSError(errno.EFBIG, ""), tmp_path, "it needs 2.0 MB")
        with pytest.raises(OSError, match="large") as error, (tmp_path / "file").open("ab", buffering=0) as stream:
            stream.write(b"0")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert is_full(error.value)
    assert told == (
        f"file too large (File too large): it needs 2.0 MB; this process may write {limit:,} bytes into a file "
        "(ulimit -f); raise that limit"
    )
    without = describe_full(error.value, tmp_path)
    assert "FAT ends at 4 GB); choose another folder" in without
    assert "free" not in without


def test_a_disk_without_inodes_and_a_quota(tmp_path, usage, monkeypatch):
    assert "73.0 MB are free; delete some of your files" in describe_full(OSError(errno.EDQUOT, ""), tmp_path)
    none = os.statvfs_result((4096, 4096, 9, 9, 9, 500, 0, 0, 0, 255))
    monkeypatch.setattr(full_disk.os, "statvfs", lambda _: none)
    told = describe_full(OSError(errno.ENOSPC, ""), tmp_path)
    assert told.endswith("no file can be added, however small (df -i); delete some files")
    # A file system that counts no files, such as Btrfs, says 0 of 0.
    monkeypatch.setattr(full_disk.os, "statvfs", lambda _: os.statvfs_result((4096, 4096, 9, 9, 9, 0, 0, 0, 0, 255)))
    assert "73.0 MB are free" in describe_full(OSError(errno.ENOSPC, ""), tmp_path)


@pytest.mark.parametrize("error", [OSError(errno.EACCES, ""), OSError("disk"), ValueError(), KeyboardInterrupt(), None])
def test_other_errors(error):
    assert not is_full(error)
