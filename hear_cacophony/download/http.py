"""Files over HTTP: gone on with where they were cut, and recognised while their bytes arrive."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import urllib.parse
from collections.abc import Iterator
from typing import TYPE_CHECKING

import hear_cacophony
from hear_cacophony.download.answer import (
    check_encrypted,
    check_kind,
    host_of,
    html_message,
    length_of,
    reason_of,
    version_of,
)
from hear_cacophony.download.network import REQUESTS, check_way, refusal
from hear_cacophony.download.patience import PASSING, asked_seconds
from hear_cacophony.download.remote_file import (
    AbsentError,
    Advance,
    Checksum,
    HostError,
    PassingError,
    RemoteFile,
    WrongFileError,
    begins_html,
    part_of,
    version_note,
)

if TYPE_CHECKING:
    import requests

TIMEOUT_SECONDS = (20, 60)
"""Longest wait for a connection, and longest silence on it."""

_ABSENT = (403, 404, 410)
"""Statuses of what is not there; the first is that of buckets whose contents may not be listed."""

_BLOCK_BYTES = 1 << 18


@dataclasses.dataclass(frozen=True)
class HttpSource:
    """A file at a URL."""

    url: str

    @property
    def host(self) -> str:
        return host_of(self.url)

    def fetch(self, file: RemoteFile, target: pathlib.Path, advance: Advance) -> None:
        """See `Source.fetch`."""
        part = part_of(target)
        begun = _Begun(part, file.checksum, advance)
        if file.checksum is None and not begun.version:
            begun.restart()  # the beginning of another release would not be told from this one's
        earlier = begun.size
        if not begun.size or begun.size != file.size:
            with _asked(self.url, begun.size) as response:
                if response.status_code != 416:  # beside which stands a page, or nothing
                    check_kind(response, file)
                if not _goes_on(response, begun, file):
                    begun.restart(version_of(response))
                    earlier = 0
                begun.write(response, file)
        try:
            begun.check(self.host, file)
        except WrongFileError as error:
            begun.restart()
            if earlier:  # the beginning may be that of another release, or was lost with the power
                raise PassingError(str(error), 0) from None
            raise
        part.replace(target)
        begun.forget_version()


class _Begun:
    """What came of a file, with the hash of it.

    Attributes:
        size: in bytes.
        version: what the host has named it, so that no other is gone on with; "" if it has not.
    """

    def __init__(self, part: pathlib.Path, checksum: Checksum | None, advance: Advance) -> None:
        self._part, self._checksum, self._advance = part, checksum, advance
        self._hash = checksum.begin() if checksum else None
        self._note = version_note(part)
        self.version = self._note.read_text(encoding="utf-8") if self._note.exists() else ""
        self.size = 0
        if part.exists():
            with part.open("rb") as stream:
                while block := stream.read(_BLOCK_BYTES):
                    self._count(block)

    def _count(self, block: bytes) -> None:
        self.size += len(block)
        if self._hash is not None:
            self._hash.update(block)

    def restart(self, version: str = "") -> None:
        """Remove what came, and begin at the first byte, of a file that the host names so."""
        self._advance(-self.size)
        self.size = 0
        self._hash = self._checksum.begin() if self._checksum else None
        self._part.unlink(missing_ok=True)
        self.forget_version()
        if version and self._checksum is None:
            self._note.write_text(version, encoding="utf-8")
            self.version = version

    def forget_version(self) -> None:
        """Remove the note of what the host has named it."""
        self.version = ""
        self._note.unlink(missing_ok=True)

    def write(self, response: requests.Response, file: RemoteFile) -> None:
        """Add what comes, and no more than shows that it is too much."""
        with self._part.open("r+b" if self.size else "wb") as stream:
            stream.seek(self.size)
            stream.truncate()
            for block in _blocks(response):
                if self.size == 0 and begins_html(block[:512]):
                    raise HostError(html_message(response, file.name))
                stream.write(block)
                self._count(block)
                self._advance(len(block))
                if file.size is not None and self.size > file.size:
                    break

    def check(self, host: str, file: RemoteFile) -> None:
        """Raise WrongFileError where what came is not the file, PassingError where it is the beginning of it."""
        if not self.size and not file.size:
            raise WrongFileError(f"{host}: {file.name}: expected a file, got 0 bytes")
        if file.size is not None and self.size < file.size:
            told = f"{self.size:,} of {file.size:,} bytes came"
            raise PassingError(f"{host}: {file.name}: the connection was cut without a word ({told})")
        if file.size is not None and self.size != file.size:
            raise WrongFileError(f"{host}: {file.name}: expected {file.size:,} bytes, got more")
        if self._checksum is not None and self._hash is not None:
            self._checksum.compare(f"{host}: {file.name}", self._hash.hexdigest())


def read_url(url: str, most: int = 1 << 24) -> bytes:
    """A small document, such as a list of files.

    Raises:
        HostError: the host refuses, cannot be reached, or sends more than `most` bytes.
    """
    with _asked_once(url) as response:
        check_encrypted(response)
        content = b""
        for block in _blocks(response, unpack=True):
            content += block
            if len(content) > most:
                raise HostError(f"{host_of(url)}: expected a list of files, got more than {most:,} bytes")
        return content


def measure_url(url: str) -> int | None:
    """Bytes of the file at a URL, as its host tells; None where it does not.

    Raises:
        HostError: the host refuses.
    """
    with _asked_once(url) as response:
        return length_of(response)


def read_end(url: str, start: int, size: int) -> bytes | None:
    """The last `size` bytes of a file, from byte `start` on; None where the host gives no pieces of it.

    Raises:
        HostError: the host refuses, or cannot be reached.
    """
    with _asked_once(url, start) as response:
        content = response.raw.read(size + 1) if response.status_code == 206 else b""
    return content if len(content) == size else None


def _asked_once(url: str, start: int = 0) -> requests.Response:
    """As `_asked`, of a host that is not waited for where it cannot be reached."""
    try:
        return _asked(url, start)
    except PassingError as error:
        if isinstance(error.__cause__, OSError):
            raise HostError(str(error)) from error
        raise


def _asked(url: str, start: int) -> requests.Response:
    """The answer to a request for a file from byte `start` on, which is not read yet."""
    import requests

    try:
        check_way(url, REQUESTS)
    except ValueError as error:
        raise HostError(str(error)) from None
    headers = {"Accept-Encoding": "identity", "User-Agent": f"hear-cacophony/{hear_cacophony.__version__}"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response = requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS)
    except (requests.ConnectionError, requests.Timeout) as error:
        told = refusal(host_of(url), error, REQUESTS, url)
        if "CERTIFICATE_VERIFY_FAILED" in str(told):  # which no waiting mends
            raise told from error
        raise PassingError(str(told)) from error
    except (requests.RequestException, ValueError) as error:  # of which the latter is of a redirect to no URL
        raise refusal(host_of(url), error, REQUESTS, url) from error
    if response.status_code in (200, 206) or (response.status_code == 416 and start):
        return response
    answered = f"{host_of(response.url)}: {urllib.parse.urlsplit(url).path}: {response.status_code} {response.reason}"
    reason = reason_of(response)
    answered += f": {reason}" if reason else ""
    response.close()
    if response.status_code in PASSING:
        raise PassingError(answered, asked_seconds(response.headers))
    raise (AbsentError if response.status_code in _ABSENT else HostError)(answered)


def _goes_on(response: requests.Response, begun: _Begun, file: RemoteFile) -> bool:
    """Whether an answer holds what is missing; it holds the whole file otherwise.

    Raises:
        WrongFileError: the host has a file of another size.
        PassingError: it holds other bytes than those that were asked for; what there was is removed.
    """
    told = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    whole = int(told[2]) if told and told[2] != "*" else None
    if response.status_code == 200:
        whole = length_of(response)
    if file.size is not None and whole not in (None, file.size):
        begun.restart()
        raise WrongFileError(
            f"{host_of(response.url)}: {file.name}: expected {file.size:,} bytes, the host has {whole:,}; "
            "is it another release?"
        )
    if response.status_code == 200:
        return False
    is_same = file.checksum is not None or version_of(response) == begun.version
    if response.status_code == 206 and told and told[1] == str(begun.size) and is_same:
        return True
    if response.status_code == 416 and whole == begun.size:
        return True  # killed between the last byte and the name
    begun.restart()
    raise PassingError(f"{host_of(response.url)}: {file.name}: the host gives other bytes than were asked for", 0)


def _blocks(response: requests.Response, *, unpack: bool = False) -> Iterator[bytes]:
    """What arrives, as it arrives; up to the cut, where the connection is cut."""
    import urllib3

    if response.status_code == 416:
        return
    while True:
        try:
            block = response.raw.read1(_BLOCK_BYTES, decode_content=unpack)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise PassingError(f"{host_of(response.url)}: the connection was cut ({error})") from error
        if not block:
            return
        yield block
