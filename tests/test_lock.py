"""Locks, and file systems that have none."""

from __future__ import annotations

import errno
import fcntl
import os

import pytest

from hear_cacophony.files import lock as lock_module
from hear_cacophony.files.lock import BusyError, has_locks, is_held, lock_file


@pytest.fixture
def no_locks(monkeypatch, request):
    """A file system that answers each lock with an error."""

    def refuse(*_):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(lock_module, "_warned", set())


def test_a_lock_is_held_until_its_file_is_closed(tmp_path):
    path = tmp_path / "lock"
    assert not is_held(path)
    with path.open("w") as first:
        assert lock_file(first.fileno(), path)
        assert is_held(path)
        with path.open("w") as second, pytest.raises(BusyError, match="another process works on it"):
            lock_file(second.fileno(), path)
    assert not is_held(path)


@pytest.mark.parametrize("no_locks", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF], indirect=True)
def test_without_locks_work_goes_on_with_one_remark_that_names_the_folder(tmp_path, no_locks):
    told = []
    for _ in range(3):
        with (tmp_path / "lock").open("w") as file:
            assert not lock_file(file.fileno(), tmp_path / "lock", told.append)
    assert len(told) == 1
    assert str(tmp_path) in told[0]
    assert "its file system has no locks" in told[0]
    assert not is_held(tmp_path / "lock")
    assert not has_locks(tmp_path)


@pytest.mark.parametrize("no_locks", [errno.EIO], indirect=True)
def test_other_errors_are_not_taken_for_that(tmp_path, no_locks):
    with (tmp_path / "lock").open("w") as file, pytest.raises(OSError, match="Input/output error"):
        lock_file(file.fileno(), tmp_path / "lock")


def test_a_folder_with_locks_has_them(tmp_path):
    assert has_locks(tmp_path)
    assert os.listdir(tmp_path) == []
