"""Folders that are made whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os

import pytest

from hear_cacophony.files.build_folder import build_folder


def fill(folder) -> None:
    (folder / "file").write_text("text")


def test_a_folder_is_built_and_nothing_is_left_beside_it(tmp_path):
    build_folder(tmp_path / "new" / "target", fill)
    assert (tmp_path / "new" / "target" / "file").read_text() == "text"
    assert os.listdir(tmp_path / "new") == ["target"]


def test_what_fails_leaves_nothing(tmp_path):
    def fail(folder) -> None:
        fill(folder)
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        build_folder(tmp_path / "target", fail)
    assert os.listdir(tmp_path) == []


def test_the_first_of_two_stays(tmp_path):
    def while_another_does(folder) -> None:
        build_folder(tmp_path / "target", fill)
        (folder / "file").write_text("second")

    build_folder(tmp_path / "target", while_another_does)
    assert (tmp_path / "target" / "file").read_text() == "text"


def test_what_a_killed_process_has_left_is_removed(tmp_path):
    left = tmp_path / ".building-target-abc"
    left.mkdir()
    (left / "lock").touch()
    build_folder(tmp_path / "target", fill)
    assert os.listdir(tmp_path) == ["target"]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_without_locks_a_folder_is_built_and_others_work_is_left_alone(number, tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(number, os.strerror(number))))
    other = tmp_path / ".building-target-other"
    other.mkdir()
    build_folder(tmp_path / "target", fill)
    assert sorted(os.listdir(tmp_path)) == [other.name, "target"]
