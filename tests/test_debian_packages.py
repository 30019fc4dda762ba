from __future__ import annotations

import fcntl
import gzip
import pathlib
import shutil
import subprocess

import pytest

from hear_cacophony.files.build_folder import build_folder
from hear_tasks import debian_packages as sources
from hear_tasks.debian_packages import Source, SourceError, find_source


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
@pytest.mark.parametrize("given", [".", "some-sounds_1.2_all.deb"])
def test_a_relative_path_and_the_deb_file_itself(given, tmp_path, monkeypatch):
    make_deb(tmp_path)
    monkeypatch.chdir(tmp_path)
    source = find_source("some-sounds", pathlib.Path(given))
    assert (source.folder / "usr" / "share" / "sound.txt").read_text() == "ding"


@needs_dpkg
def test_another_package_and_two_versions_are_refused(tmp_path):
    deb = make_deb(tmp_path)
    with pytest.raises(SourceError, match="expected the Debian package other-sounds, this is some-sounds"):
        find_source("other-sounds", deb)
    make_deb(tmp_path, version="1.10")
    with pytest.raises(
        SourceError, match=r"found some-sounds_1\.10_all\.deb, some-sounds_1\.2_all\.deb; name the file"
    ):
        find_source("some-sounds", tmp_path)


def test_a_deb_file_without_dpkg_says_how_to_unpack_it(tmp_path, monkeypatch):
    (tmp_path / "some-sounds_1_all.deb").write_bytes(b"")
    monkeypatch.setattr(sources.shutil, "which", lambda name: None)
    with pytest.raises(SourceError, match=r"dpkg-deb is absent.*ar x some-sounds_1_all\.deb; tar -xf"):
        find_source("some-sounds", tmp_path)


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


@pytest.mark.parametrize(
    ("changelog", "version"),
    [(gzip.compress(b"some-sounds (4:1.2-3) unstable; urgency=low\n", mtime=0), "4:1.2-3"), (b"not gzip", "unknown")],
)
def test_the_version_of_an_unpacked_package(changelog, version, tmp_path):
    folder = tmp_path / "usr" / "share" / "doc" / "some-sounds"
    folder.mkdir(parents=True)
    (folder / "changelog.Debian.gz").write_bytes(changelog)
    assert find_source("some-sounds", tmp_path) == Source("some-sounds", version, tmp_path)


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


def test_what_a_killed_process_left_is_removed_and_a_living_one_is_left_alone(tmp_path):
    for name in ("killed", "living", "other"):
        task = "other" if name == "other" else "sounds"
        (tmp_path / f".building-{task}-{name}" / "sounds").mkdir(parents=True)
    with (tmp_path / ".building-sounds-living" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        build_folder(tmp_path / "sounds", lambda part: (part / "a").touch())
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        ".building-other-other",
        ".building-sounds-living",
        "sounds",
    ]


def test_of_two_processes_the_first_to_finish_stays(tmp_path):
    target = tmp_path / "sounds"

    def build(part):
        build_folder(target, lambda first: (first / "first").touch())
        (part / "second").touch()

    build_folder(target, build)
    assert [file.name for file in target.iterdir()] == ["first"]
    assert list(tmp_path.iterdir()) == [target]
