from __future__ import annotations

import shutil
import subprocess

import pytest

from hear_tasks import sources
from hear_tasks.sources import SourceError, find_source


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hear_cacophony" / "sources"


def make_deb(folder, version="1.2"):
    tree = folder / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr" / "share").mkdir(parents=True)
    (tree / "usr" / "share" / "sound.txt").write_text("ding")
    control = f"Package: some-sounds\nVersion: {version}\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n"
    (tree / "DEBIAN" / "control").write_text(control)
    deb = folder / f"some-sounds_{version}_all.deb"
    subprocess.run(["dpkg-deb", "-b", str(tree), str(deb)], check=True, capture_output=True)
    shutil.rmtree(tree)
    return deb


needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="packing a .deb file needs dpkg-deb")


@needs_dpkg
def test_a_deb_file_in_the_given_folder(tmp_path):
    make_deb(tmp_path)
    source = find_source("some-sounds", tmp_path)
    assert source.version == "1.2"
    assert (source.folder / "usr" / "share" / "sound.txt").read_text() == "ding"


@needs_dpkg
def test_a_damaged_deb_file_leaves_nothing_behind(tmp_path, cache):
    deb = make_deb(tmp_path)
    deb.write_bytes(deb.read_bytes()[:-50])
    with pytest.raises(SourceError, match="could not be unpacked"):
        find_source("some-sounds", tmp_path)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("below", [".", "some-sounds"])
def test_an_unpacked_package(below, tmp_path):
    (tmp_path / below / "usr").mkdir(parents=True)
    assert find_source("some-sounds", tmp_path).folder == tmp_path / below


def test_a_folder_without_the_package_says_how_to_get_it(tmp_path):
    with pytest.raises(SourceError, match=r"apt-get download some-sounds && dpkg-deb -x"):
        find_source("some-sounds", tmp_path)
    with pytest.raises(SourceError, match="no such folder"):
        find_source("some-sounds", tmp_path / "gone")


def test_without_apt_a_folder_is_asked_for(monkeypatch):
    monkeypatch.setattr(sources.shutil, "which", lambda name: None)
    with pytest.raises(SourceError, match=r"apt-get is absent.*--sources DIR"):
        find_source("some-sounds")


@needs_dpkg
@pytest.mark.parametrize("has_lists", [True, False])
def test_apt_fetches_once_with_its_lists_or_with_our_own(has_lists, tmp_path, monkeypatch):
    """A stand-in for apt-get, which knows packages only after `update` where it has no lists."""
    deb = make_deb(tmp_path)
    calls = tmp_path / "calls"
    known = "true" if has_lists else f"grep -q ' update$' {calls}"
    (tmp_path / "bin").mkdir()
    apt = tmp_path / "bin" / "apt-get"
    apt.write_text(
        f'#!/bin/sh\necho "$@" >> {calls}\n'
        f'case "$*" in *download*) {known} && cp {deb} . || {{ echo "E: no package" >&2; exit 100; }};; esac\n'
    )
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{apt.parent}:{shutil.os.environ['PATH']}")
    for _ in range(2):
        assert find_source("some-sounds").version == "1.2"
    lines = calls.read_text().splitlines()
    assert len(lines) == (1 if has_lists else 3)
    assert has_lists or "Dir::State::Lists=" in lines[1]


def test_failure_of_apt_is_told(tmp_path, monkeypatch, cache):
    apt = tmp_path / "apt-get"
    apt.write_text('#!/bin/sh\necho "E: Could not resolve the mirror" >&2\nexit 100\n')
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{shutil.os.environ['PATH']}")
    with pytest.raises(SourceError, match=r"(?s)Could not resolve the mirror.*--sources DIR"):
        find_source("some-sounds")
    assert list(cache.iterdir()) == []
