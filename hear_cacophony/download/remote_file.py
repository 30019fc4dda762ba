"""A file on a host: where it is, how it is recognised, and what a transfer of it may end with."""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import pathlib
from collections.abc import Callable
from typing import Protocol

Advance = Callable[[int], None]
"""Takes how many more bytes have come (fewer, where some are asked for again); raises where the work is to end."""


class HostError(OSError):
    """A host cannot be reached, or does not give the file."""


class AbsentError(HostError):
    """A host answers that it does not have the file, or shows it to nobody."""


class PassingError(HostError):
    """A host does not give the file now: its connection was cut, or it asks for patience.

    Attributes:
        seconds: how long it asks to wait; None where it does not say.
    """

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class WrongFileError(ValueError):
    """A file is not the published one."""


_KINDS = {"md5": "MD5", "sha256": "SHA-256", "git": "git-blob"}


@dataclasses.dataclass(frozen=True)
class Checksum:
    """What a file is recognised by.

    Attributes:
        algorithm: "md5", "sha256", or "git", by which git names contents.
        digest: hexadecimal.
    """

    algorithm: str
    digest: str

    def __str__(self) -> str:
        return f"{_KINDS.get(self.algorithm, self.algorithm)} {self.digest}"

    def begin(self, size: int = 0) -> hashlib._Hash:
        """A hash of no bytes yet, of a file of this size, on which git's depends."""
        if self.algorithm == "git":
            return hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
        return hashlib.new(self.algorithm, usedforsecurity=False)

    def of(self, file: pathlib.Path) -> str:
        """The digest of a file."""
        size = file.stat().st_size
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, lambda: self.begin(size)).hexdigest()

    def check(self, file: pathlib.Path) -> None:
        """Raise WrongFileError where a file has another one."""
        found = self.of(file)
        cause = "it is a page of HTML" if found != self.digest and is_html(file) else ""
        self.compare(str(file), found, cause)

    def compare(self, what: str, found: str, cause: str = "") -> None:
        """Raise WrongFileError where what was found is another one."""
        if found != self.digest:
            kind, digest = str(self).split()
            raise WrongFileError(
                f"{what}: expected the {kind} {digest}, found {found}; {cause or 'is it cut, or another release?'}"
            )


class Source(Protocol):
    """How a file is fetched."""

    @property
    def host(self) -> str:
        """The host, for people."""

    def fetch(self, file: RemoteFile, target: pathlib.Path, advance: Advance) -> None:
        """Bring the file to `target`, beside which an earlier call may have left a part.

        Raises:
            PassingError: what came is kept, and the same call goes on.
            HostError: the host refuses.
            WrongFileError: what came is not the file; nothing is kept.
            OSError: it cannot be written.
        """


@dataclasses.dataclass(frozen=True)
class RemoteFile:
    """A file on a host.

    Attributes:
        name: its path below the folder that it is fetched to.
        source: how it is fetched.
        size: in bytes; None where the host does not tell beforehand.
        checksum: None where none is published.
        about: bytes that it had when it was last looked at, for estimates where `size` is None; 0 if nobody did.
    """

    name: str
    source: Source
    size: int | None = None
    checksum: Checksum | None = None
    about: int = 0

    @property
    def expected(self) -> int:
        """Bytes to make room for."""
        return self.about if self.size is None else self.size


def is_html(file: pathlib.Path) -> bool:
    """Whether a file is a web page, as hosts send in place of what they do not give."""
    with file.open("rb") as stream:
        return begins_html(stream.read(512))


def begins_html(head: bytes) -> bool:
    """Whether bytes are the beginning of a web page."""
    return head.lstrip().lower().startswith((b"<!doctype html", b"<html"))


def part_of(target: pathlib.Path) -> pathlib.Path:
    """Where what came of a file is kept until it is whole."""
    return target.with_name(f"{target.name}.part")


def version_note(part: pathlib.Path) -> pathlib.Path:
    """Where the name that a host gives to this very version of a file is noted, as long as a part is there."""
    return part.with_name(f"{part.name}.version")


def began(target: pathlib.Path) -> list[pathlib.Path]:
    """What is there of a file: itself where it is whole, or else its part; gdown gives parts names of its own."""
    return [target] if target.exists() else sorted(target.parent.glob(f"{glob.escape(target.name)}*.part"))


def parts(folder: pathlib.Path) -> list[pathlib.Path]:
    """Files, whole or begun, in a folder of transfers and below it, that a later call goes on with.

    huggingface_hub begins them in a folder of its own, with notes beside them.
    """
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.suffix not in (".lock", ".metadata", ".version") and file.stat().st_size > 0
        if file.name not in (".gitignore", "CACHEDIR.TAG")
    ]
