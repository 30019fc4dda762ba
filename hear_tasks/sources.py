"""Recordings from Debian packages, fetched and unpacked without root and without installing."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import subprocess
import tempfile


class SourceError(RuntimeError):
    """A package of recordings could not be had."""


@dataclasses.dataclass(frozen=True)
class Source:
    """An unpacked Debian package: its name, its version and the folder that stands for `/`."""

    package: str
    version: str
    folder: pathlib.Path


def find_source(package: str, sources: pathlib.Path | None = None) -> Source:
    """The unpacked files of a Debian package.

    Args:
        package: name of the package.
        sources: a folder that holds the unpacked package, or its .deb file, for machines
            without apt. Otherwise apt fetches the package, once, into the user's cache.

    Raises:
        SourceError: the package is not in `sources`, or apt is absent or fails; the message
            says what to do.
    """
    if sources is not None:
        return _given_source(package, sources)
    folder = _cache_folder() / package
    if not folder.is_dir():
        _fetch(package, folder)
    return Source(package, (folder / "VERSION").read_text().strip(), folder / "files")


def _cache_folder() -> pathlib.Path:
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(cache) / "hear_cacophony" / "sources"


def _given_source(package: str, sources: pathlib.Path) -> Source:
    if not sources.is_dir():
        raise SourceError(f"{sources}: no such folder; expected one with the unpacked Debian package {package}")
    archives = sorted(sources.glob(f"{package}_*.deb"))
    if archives:
        folder = _cache_folder() / archives[-1].stem
        if not folder.is_dir():
            _unpack(archives[-1], folder)
        return Source(package, (folder / "VERSION").read_text().strip(), folder / "files")
    for folder in (sources / package, sources):
        if (folder / "usr").is_dir():
            return Source(package, "unknown", folder)
    raise SourceError(
        f"{sources}: expected {package}_VERSION.deb, or the unpacked package with its folder usr/, found neither; "
        f"on a machine with apt: apt-get download {package} && dpkg-deb -x {package}_*.deb {sources}/{package}"
    )


def _fetch(package: str, target: pathlib.Path) -> None:
    if shutil.which("apt-get") is None:
        raise SourceError(
            f"apt-get is absent, so the Debian package {package} cannot be fetched here; give a folder with its .deb "
            "file or its unpacked files instead: --sources DIR"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        _unpack(_download(package, pathlib.Path(work)), target)


def _download(package: str, work: pathlib.Path) -> pathlib.Path:
    """The .deb file, with the machine's package lists or, where it has none, with lists of our own."""
    options = ["-o", "APT::Sandbox::User=root"]
    answer = _run(["apt-get", *options, "download", package], work)
    if answer.returncode:
        lists, cache = work / "lists", work / "cache"
        (lists / "partial").mkdir(parents=True)
        (cache / "archives" / "partial").mkdir(parents=True)
        options += ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={cache}", "-o", "Debug::NoLocking=1"]
        answer = _run(["apt-get", *options, "update"], work)
        if not answer.returncode:
            answer = _run(["apt-get", *options, "download", package], work)
    archives = list(work.glob(f"{package}_*.deb"))
    if answer.returncode or not archives:
        raise SourceError(
            f"apt-get could not fetch the Debian package {package}:\n{answer.stderr.strip()}\n"
            "Give a folder with its .deb file or its unpacked files instead: --sources DIR"
        )
    return archives[0]


def _unpack(archive: pathlib.Path, target: pathlib.Path) -> None:
    """Unpack beside the target first, so that half a package is never taken for a whole one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        part = pathlib.Path(work) / "part"
        part.mkdir()
        answer = _run(["dpkg-deb", "-x", str(archive), str(part / "files")], part)
        if answer.returncode:
            raise SourceError(f"{archive}: could not be unpacked: {answer.stderr.strip()}")
        version = _run(["dpkg-deb", "-f", str(archive), "Version"], part).stdout
        (part / "VERSION").write_text(version)
        part.rename(target)


def _run(command: list[str], folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
