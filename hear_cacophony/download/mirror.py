"""A folder of the published files on a server or file system of one's own, in the place of their hosts."""

from __future__ import annotations

import dataclasses
import pathlib
import urllib.parse

from hear_cacophony.download.http import HttpSource, measure_url, read_end, read_url
from hear_cacophony.download.remote_file import (
    AbsentError,
    Advance,
    HostError,
    RemoteFile,
    Source,
    WrongFileError,
    part_of,
)


@dataclasses.dataclass(frozen=True)
class Mirror:
    """A folder that holds files under the names that they get here.

    Attributes:
        place: its URL, or its path.
    """

    place: str

    def __post_init__(self) -> None:
        split = urllib.parse.urlsplit(self.place)
        if split.scheme not in ("", "http", "https", "file"):
            raise ValueError(f"--mirror {self.place}: expected https://..., http://... or a folder")
        if self.folder is not None and not self.folder.is_dir():
            raise ValueError(f"--mirror {self.place}: no such folder")

    @property
    def folder(self) -> pathlib.Path | None:
        """The folder, where it is none of a server."""
        split = urllib.parse.urlsplit(self.place)
        if split.scheme in ("http", "https"):
            return None
        return pathlib.Path(urllib.parse.unquote(split.path) if split.scheme == "file" else self.place)

    def source(self, name: str) -> Source:
        """Where a file is."""
        if self.folder is not None:
            return FolderSource(self.folder / name)
        return HttpSource(self._url(name))

    def _url(self, name: str) -> str:
        return f"{self.place.rstrip('/')}/{urllib.parse.quote(name)}"

    def read(self, name: str) -> bytes | None:
        """A small file; None where the mirror does not have it.

        Raises:
            HostError: its server cannot be reached, or answers nothing that tells whether it has it.
            OSError: it cannot be read.
        """
        if self.folder is not None:
            path = self.folder / name
            return path.read_bytes() if path.is_file() else None
        try:
            return read_url(self._url(name))
        except AbsentError:
            return None

    def file(self, name: str, file: RemoteFile) -> RemoteFile:
        """A file from here, in the place of the same one from its own host.

        Args:
            name: its name here, below the mirror.
            file: as it is elsewhere.
        """
        return dataclasses.replace(file, source=self.source(name))


@dataclasses.dataclass(frozen=True)
class FolderSource:
    """A file in a folder of this machine, or of a file system that it sees."""

    path: pathlib.Path

    @property
    def host(self) -> str:
        return str(self.path.parent)

    def fetch(self, file: RemoteFile, target: pathlib.Path, advance: Advance) -> None:
        """See `Source.fetch`."""
        if not self.path.is_file():
            raise HostError(f"{self.path}: the mirror has no such file")
        size = self.path.stat().st_size
        if file.size not in (None, size):
            raise WrongFileError(f"{self.path}: expected {file.size:,} bytes, found {size:,}; another release?")
        part = part_of(target)
        with self.path.open("rb") as stream, part.open("wb") as written:
            while block := stream.read(1 << 20):
                written.write(block)
                advance(len(block))
        try:
            if file.checksum is not None:
                file.checksum.check(part)
        except WrongFileError as error:
            part.unlink()
            raise WrongFileError(str(error).replace(str(part), str(self.path))) from None
        part.replace(target)


def measure(source: Source) -> int | None:
    """Bytes of a file of a mirror; None where that cannot be told."""
    if isinstance(source, FolderSource):
        return source.path.stat().st_size if source.path.is_file() else None
    return measure_url(source.url) if isinstance(source, HttpSource) else None


def read_last(file: RemoteFile, size: int) -> bytes | None:
    """The last bytes of a file over HTTP, or of one in a folder; None where they cannot be had.

    Raises:
        OSError: it cannot be read.
    """
    if file.size is None or file.size < size:
        return None
    if isinstance(file.source, FolderSource):
        with file.source.path.open("rb") as stream:
            stream.seek(file.size - size)
            return stream.read(size)
    return read_end(file.source.url, file.size - size, size) if isinstance(file.source, HttpSource) else None
