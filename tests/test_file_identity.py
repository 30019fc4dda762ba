"""Files are told by their contents; a file is read again only where something about it has changed."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from hear_cacophony.files import file_identity
from hear_cacophony.files.file_identity import ContentDigests, FileState, content_digest


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """The names of the files that are read for their digests."""
    read: list[str] = []
    real = content_digest
    monkeypatch.setattr(
        file_identity, "content_digest", lambda path: (read.append(os.path.basename(path)), real(path))[1]
    )
    return read


def write(path, content: bytes, like=None):
    """A file, with the times of another one."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    if like is not None:
        os.utime(path, ns=(like.stat().st_atime_ns, like.stat().st_mtime_ns))
    return path


def test_equal_names_sizes_and_times_are_not_the_same_file(tmp_path, reads):
    here = write(tmp_path / "a" / "clip.wav", b"one")
    there = write(tmp_path / "b" / "clip.wav", b"two", like=here)
    digests = ContentDigests()
    assert digests.of(here) != digests.of(there)
    write(here, b"six", like=there)
    assert digests.of(here) == content_digest(here)
    write(tmp_path / "new", b"ten", like=here).replace(here)
    assert digests.of(here) == content_digest(here) != digests.of(there)
    assert reads == ["clip.wav"] * 4


def test_the_same_content_elsewhere_is_the_same(tmp_path):
    here = write(tmp_path / "a" / "clip.wav", b"one")
    shutil.copy(here, tmp_path / "copy")
    assert ContentDigests().of(here) == ContentDigests().of(tmp_path / "copy")


def test_a_file_is_read_once_for_all_spellings_and_processes(tmp_path, reads, monkeypatch):
    here = write(tmp_path / "a" / "clip.wav", b"one")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    monkeypatch.chdir(tmp_path)
    first = ContentDigests()
    found = {first.of(path) for path in (here, "a/clip.wav", "./a/../a/clip.wav", "link/clip.wav")}
    later = ContentDigests(json.loads(json.dumps(first.rows())))
    assert found == {later.of("link/clip.wav")}
    assert reads == ["clip.wav"]


@pytest.mark.parametrize("content", ["", "5", "[5]", '[["a", 1]]', '[["a", "b", 3, 4, 5, "digest"]]', '{"a": 1}'])
def test_kept_digests_that_are_damaged_are_taken_again(content, tmp_path):
    assert ContentDigests.kept_in(tmp_path / "kept").rows() == []
    (tmp_path / "kept").write_text(content)
    assert ContentDigests.kept_in(tmp_path / "kept").rows() == []


def test_times_that_are_not_the_systems_own_are_not_believed(tmp_path, reads, monkeypatch):
    """Those of a file in an image (squashfs, ISO 9660) are what its maker chose, and images are rebuilt."""
    here = write(tmp_path / "clip.wav", b"one")
    real = os.stat

    def stat_in_image(path, **more):
        found = real(path, **more)
        times = {"st_atime_ns": 0, "st_mtime_ns": 3_000_000_000, "st_ctime_ns": 3_000_000_000}
        return os.stat_result(found[:10], {"st_blocks": 0, **times})

    monkeypatch.setattr(os, "stat", stat_in_image)
    digests = ContentDigests()
    first = digests.of(here)
    here.write_bytes(b"two")
    assert digests.of(here) != first
    assert digests.known(FileState.of(here)) is None
    assert digests.rows() == []


def test_what_changes_while_it_is_read_is_not_believed(tmp_path, monkeypatch):
    here = write(tmp_path / "clip.wav", b"one")

    def read_and_change(path):
        digest = content_digest(path)
        write(here, b"two")
        return digest

    monkeypatch.setattr(file_identity, "content_digest", read_and_change)
    digests = ContentDigests()
    digests.of(here)
    assert digests.rows() == []
    assert FileState.of(here).holds()
    here.unlink()
    assert not FileState(str(here), 3, 0, 0, 0).holds()
