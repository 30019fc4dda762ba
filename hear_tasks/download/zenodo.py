"""Records of Zenodo: which files they hold, as Zenodo's API tells."""

from __future__ import annotations

import dataclasses
import pathlib
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any

from hear_cacophony.download.http import HttpSource, read_url
from hear_cacophony.download.mirror import Mirror, measure
from hear_cacophony.download.remote_file import Checksum, HostError, RemoteFile
from hear_cacophony.files.atomic_write import write_json
from hear_cacophony.files.json_file import parse_json

HOST = "zenodo.org"


@dataclasses.dataclass
class Record:
    """A record of Zenodo, which is asked once.

    Attributes:
        number: of the record; where it has several versions, that of the first stands for the latest.
    """

    number: int
    _listed: Mapping[str, RemoteFile] | None = None

    @property
    def page(self) -> str:
        """Where people find it."""
        return f"https://{HOST}/records/{self.number}"

    @property
    def list_file(self) -> str:
        """Name of the copy of its list that is kept beside its files."""
        return f"zenodo-{self.number}.json"

    def file(self, name: str, folder: pathlib.Path, mirror: Mirror | None) -> RemoteFile:
        """A file of the record.

        Args:
            name: its name.
            folder: where its files go, with a copy of the list that an earlier call has kept.
            mirror: has the files, and perhaps a copy of the list.

        Raises:
            HostError: Zenodo cannot be reached, or the record holds no such file.
        """
        if mirror is not None:
            return self._mirrored(name, folder, mirror)
        listed = self.known(folder)
        if name not in listed:
            listed = self._listed = self._ask()
        if name not in listed:
            found = ", ".join(sorted(listed)) or "nothing"
            raise HostError(f"{HOST}: expected {name} in record {self.number}, found {found}")
        return listed[name]

    def known(self, folder: pathlib.Path) -> Mapping[str, RemoteFile]:
        """What is known of its files without asking for it; {} where nothing is.

        Raises:
            HostError: the copy of its list in `folder` is none.
        """
        if self._listed is None:
            self._listed = self._kept(folder) or None
        return self._listed or {}

    def keep_list(self, folder: pathlib.Path) -> None:
        """Keep a copy of the list in an existing folder, so that the next call has to ask nobody.

        What is kept already stays, as files that are there are recognised by it.
        """
        kept = self._kept(folder)
        if self._listed is not None and not self._listed.keys() <= kept.keys():
            self._write({**self._listed, **kept}, folder)

    def forget(self, names: Iterable[str], folder: pathlib.Path) -> None:
        """Have the next call ask for these files anew: what is kept of them may be wrong, or of an earlier release."""
        kept = self._kept(folder)
        if not kept.keys().isdisjoint(names):
            self._write({name: file for name, file in kept.items() if name not in names}, folder)

    def _kept(self, folder: pathlib.Path) -> Mapping[str, RemoteFile]:
        """The copy of the list in a folder; {} where there is none."""
        kept = folder / self.list_file
        if not kept.is_file():
            return {}
        try:
            return _parse(kept.read_bytes(), str(kept))
        except HostError as error:
            raise HostError(f"{error}; remove that file, and run this again") from error

    def _write(self, listed: Mapping[str, RemoteFile], folder: pathlib.Path) -> None:
        files = [
            {
                "key": file.name,
                "size": file.size,
                "checksum": f"{file.checksum.algorithm}:{file.checksum.digest}" if file.checksum else None,
                "links": {"self": file.source.url},
            }
            for file in listed.values()
            if isinstance(file.source, HttpSource)
        ]
        write_json(folder / self.list_file, {"id": self.number, "files": files})

    def _ask(self) -> Mapping[str, RemoteFile]:
        url = f"https://{HOST}/api/records/{self.number}"
        return _parse(read_url(url), url)

    def _mirrored(self, name: str, folder: pathlib.Path, mirror: Mirror) -> RemoteFile:
        """A file from a mirror; recognised by the list that is there, or by nothing but itself."""
        listed, content = self.known(folder), None
        if name not in listed:
            content = mirror.read(self.list_file)
            told = {} if content is None else _parse(content, f"{mirror.place}: {self.list_file}")
            listed = {**told, **listed}
            self._listed = listed or None
        if name in listed:
            return mirror.file(name, listed[name])
        if content is not None:
            raise HostError(f"{mirror.place}: {self.list_file} there has no {name}")
        source = mirror.source(name)
        return RemoteFile(name, source, measure(source))


def _parse(content: bytes, where: str) -> dict[str, RemoteFile]:
    """The files that a record lists, by their names.

    Raises:
        HostError: it is no record.
    """
    try:
        files = parse_json(content)["files"]
        return {file["key"]: _file(file, where) for file in files}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise HostError(f"{where}: expected a record of Zenodo as JSON, could not read it ({error!r})") from error


def _file(listed: Mapping[str, Any], where: str) -> RemoteFile:
    links = listed.get("links") or {}
    url = links.get("content") or links.get("self") or f"{where}/files/{urllib.parse.quote(listed['key'])}/content"
    algorithm, _, digest = (listed.get("checksum") or "").rpartition(":")
    checksum = Checksum(algorithm or "md5", digest.lower()) if digest else None
    return RemoteFile(listed["key"], HttpSource(url), int(listed["size"]), checksum)
