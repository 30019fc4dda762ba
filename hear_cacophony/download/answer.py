"""What an answer over HTTP is: by its headers, and by what a host says beside a status of failure."""

from __future__ import annotations

import contextlib
import urllib.parse
from typing import TYPE_CHECKING

from hear_cacophony.download.remote_file import HostError, RemoteFile
from hear_cacophony.files.json_file import parse_json

if TYPE_CHECKING:
    import requests

_MOST_SAID_BYTES = 2000
_MOST_SAID = 200
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def host_of(url: str) -> str:
    """The host of a URL, for people."""
    return urllib.parse.urlsplit(url).netloc.rpartition("@")[2]


def check_kind(response: requests.Response, file: RemoteFile) -> None:
    """Raise HostError where an answer cannot be the bytes of a file."""
    if file.checksum is None:
        check_encrypted(response)
    if _kind(response) == "text/html" and not file.name.endswith((".html", ".htm")):
        raise HostError(html_message(response, file.name))
    packed = response.headers.get("Content-Encoding", "identity").strip().lower()
    is_its_own = packed in ("gzip", "x-gzip") and file.name.endswith(("gz", ".tgz"))  # as many hosts tell of those
    if packed not in ("", "identity") and not is_its_own:
        told = f"expected {file.name} as it is, the host, or a proxy on the way, packs it as {packed}"
        raise HostError(f"{host_of(response.url)}: {told}")


def check_encrypted(response: requests.Response) -> None:
    """Raise HostError where a host that was asked by https leads to one by http, in whose place anybody can answer."""
    urls = [each.url for each in (*response.history, response)]
    for url in urls:
        split = urllib.parse.urlsplit(url)
        if urls[0].startswith("https:") and split.scheme == "http" and split.hostname not in _THIS_MACHINE:
            raise HostError(
                f"{host_of(urls[0])}: leads to {url}, without encryption, and no checksum tells what comes from there; "
                "does a proxy on the way ask for a login? Open it in a browser"
            )


def version_of(response: requests.Response) -> str:
    """What the host names this very version of a file; "" where it does not."""
    return response.headers.get("ETag") or response.headers.get("Last-Modified") or ""


def length_of(response: requests.Response) -> int | None:
    """Bytes that are to come, as the host tells; None where it does not."""
    told = response.headers.get("Content-Length", "")
    return int(told) if told.isdecimal() else None


def html_message(response: requests.Response, name: str) -> str:
    """What to say where a page came in the place of a file."""
    return (
        f"{host_of(response.url)}: expected {name}, got a page of HTML; does it, or a proxy on the way, ask for a "
        "login or for consent?"
    )


def reason_of(response: requests.Response) -> str:
    """What a host says beside a status of failure, in one line; "" where it says nothing, or sends a page."""
    import urllib3

    if _kind(response) not in ("text/plain", "application/json"):
        return ""
    said = b""
    with contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
        said = response.raw.read(_MOST_SAID_BYTES, decode_content=True)
    text = said.decode("utf-8", "replace")
    with contextlib.suppress(ValueError, TypeError, KeyError):
        text = str(parse_json(text)["message"])
    return " ".join(text.split())[:_MOST_SAID]


def _kind(response: requests.Response) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
