"""Recordings from Debian packages, fetched and unpacked without root and without installing."""

from __future__ import annotations

import dataclasses
import gzip
import pathlib
import re
import shutil
import subprocess
import tempfile

from hear_cacophony.files.build_folder import build_folder
from hear_cacophony.files.cache_folder import cache_folder


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
        sources: for machines without apt, the package's .deb file, or a folder that holds it
            or the unpacked package. Otherwise apt fetches the package, once, into the user's
            cache.

    Raises:
        SourceError: the package is not in `sources`, or apt is absent or fails; the message
            says what to do.
    """
    if sources is not None:
        return _given_source(package, sources.resolve())
    folder = cache_folder("sources") / package
    if not folder.is_dir():
        build_folder(folder, lambda part: _fetch(package, part))
    return _cached_source(package, folder)


def _cached_source(package: str, folder: pathlib.Path) -> Source:
    return Source(package, (folder / "VERSION").read_text().strip(), folder / "files")


def _given_source(package: str, sources: pathlib.Path) -> Source:
    if not sources.exists():
        raise SourceError(f"{sources}: no such folder or file; expected one with the Debian package {package}")
    archives = [sources] if sources.is_file() else sorted(sources.glob(f"{package}_*.deb"))
    if len(archives) > 1:
        names = ", ".join(archive.name for archive in archives)
        raise SourceError(f"{sources}: expected one {package}_VERSION.deb, found {names}; name the file to use")
    if archives:
        return _source_in_archive(package, archives[0])
    for folder in (sources / package, sources):
        if (folder / "usr").is_dir():
            return Source(package, _version_in_changelog(package, folder), folder)
    raise SourceError(
        f"{sources}: expected {package}_VERSION.deb, or the unpacked package with its folder usr/, found neither; "
        f"on a machine with apt: apt-get download {package} && dpkg-deb -x {package}_*.deb {sources}/{package}"
    )


def _source_in_archive(package: str, archive: pathlib.Path) -> Source:
    found, version = (_field(archive, name) for name in ("Package", "Version"))
    if found != package:
        raise SourceError(f"{archive}: expected the Debian package {package}, this is {found}")
    folder = cache_folder("sources") / f"{package}_{version}"
    if not folder.is_dir():
        build_folder(folder, lambda part: _unpack(archive, part))
    return _cached_source(package, folder)


def _version_in_changelog(package: str, folder: pathlib.Path) -> str:
    """The version of an unpacked package, from the first line of its changelog: "name (version) ..."."""
    changelog = folder / "usr" / "share" / "doc" / package / "changelog.Debian.gz"
    try:
        with gzip.open(changelog, "rt", encoding="utf-8", errors="replace") as file:
            match = re.match(r"\S+ \(([^)]+)\)", file.readline())
    except (OSError, EOFError):
        match = None
    return match[1] if match else "unknown"


def _fetch(package: str, target: pathlib.Path) -> None:
    if shutil.which("apt-get") is None:
        raise SourceError(
            f"apt-get is absent, so the Debian package {package} cannot be fetched here; give its .deb file, or a "
            "folder with its unpacked files, instead: --sources DIR"
        )
    with tempfile.TemporaryDirectory(dir=target) as work:
        archive = _download(package, pathlib.Path(work))
        _unpack(archive, target)


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
            "Give its .deb file, or a folder with its unpacked files, instead: --sources DIR"
        )
    return archives[0]


def _unpack(archive: pathlib.Path, target: pathlib.Path) -> None:
    """Unpack into `target`/files, with the version in `target`/VERSION."""
    _dpkg_deb(archive, "-x", archive, target / "files")
    (target / "VERSION").write_text(_field(archive, "Version") + "\n")


def _field(archive: pathlib.Path, name: str) -> str:
    """A field of the package's description."""
    return _dpkg_deb(archive, "-f", archive, name).strip()


def _dpkg_deb(archive: pathlib.Path, *arguments: str | pathlib.Path) -> str:
    if shutil.which("dpkg-deb") is None:
        raise SourceError(
            f"{archive}: dpkg-deb is absent, so it cannot be unpacked here; unpack it yourself "
            f"(ar x {archive.name}; tar -xf data.tar.*) and give that folder: --sources DIR"
        )
    answer = _run(["dpkg-deb", *map(str, arguments)], archive.parent)
    if answer.returncode:
        raise SourceError(f"{archive}: could not be unpacked: {answer.stderr.strip()}")
    return answer.stdout


def _run(command: list[str], folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
