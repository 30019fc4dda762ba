"""The way to the hosts as environment variables have it: proxies, and the certificates that are trusted.

They are checked before anything is fetched, as libraries fail over them without naming the variable.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import os
import pathlib
import re
import ssl
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from hear_cacophony.download.remote_file import HostError
from hear_cacophony.files.file_identity import FileState


@dataclasses.dataclass(frozen=True)
class Client:
    """A library that fetches.

    Attributes:
        certificates: variables that name what it trusts; the first that is set counts.
        schemes: forms of proxies that it knows.
        socks: what it imports for SOCKS proxies.
        takes_all: whether it looks at every proxy that is set, and not at the one for the host alone.
    """

    certificates: tuple[str, ...]
    schemes: tuple[str, ...]
    socks: str
    takes_all: bool


_SCHEMES = ("http", "https", "socks5", "socks5h")
REQUESTS = Client(("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), (*_SCHEMES, "socks4", "socks4a"), "socks", False)
HTTPX = Client(("SSL_CERT_FILE", "SSL_CERT_DIR"), _SCHEMES, "socksio", True)

_SHARED: dict[str, str] = {}
"""Variables that `share_certificates` has set, and those whose values they have."""


def check_way(url: str, client: Client) -> None:
    """Check what environment variables say of the way to the host of `url`.

    Raises:
        ValueError: the client cannot use it; the message names the variable and what to do.
    """
    _check_certificates(client)
    proxies = urllib.request.getproxies()
    if client.takes_all and "*" not in map(str.strip, proxies.get("no", "").split(",")):
        used = [scheme for scheme in ("http", "https", "all") if proxies.get(scheme)]
    else:
        used = _used_for(url)
    for scheme in used:
        _check_proxy(_variable(scheme), proxies[scheme], client)


def share_certificates() -> None:
    """Have each library trust what variables of the other one name, where its own are not set.

    What is not there is left to the library whose variable it is, which then names that one.
    """
    for client, other in ((REQUESTS, HTTPX), (HTTPX, REQUESTS)):
        if any(os.environ.get(name) for name in client.certificates):
            continue
        theirs = next((name for name in other.certificates if os.environ.get(name)), "")
        named = os.environ.get(theirs, "")
        if named and pathlib.Path(named).exists():
            is_folder = client is HTTPX and pathlib.Path(named).is_dir()
            ours = "SSL_CERT_DIR" if is_folder else client.certificates[0]
            os.environ[ours] = named
            _SHARED[ours] = theirs


def check_mirror(variable: str) -> None:
    """Raise ValueError where a variable is to name another host, and does not."""
    url = os.environ.get(variable)
    split = None if url is None else _split(url)
    if url is not None and (split is None or split.scheme not in ("http", "https")):
        raise ValueError(
            f"{variable}={url}: expected the URL of a host, https://...; correct the variable, or unset it"
        )


def describe_way(url: str) -> str:
    """Which proxy leads to the host of `url`, for people; "" where none does."""
    proxies = urllib.request.getproxies()
    return "".join(f" (by way of {_variable(scheme)}={_shown(proxies[scheme])})" for scheme in _used_for(url))


def refusal(host: str, error: Exception, client: Client, url: str | None = None) -> HostError:
    """What a host, or the way to it, has refused.

    Args:
        host: its name, or its URL.
        error: of the library that asked.
        client: that library.
        url: what was asked for; `host` unless given.
    """
    said = " ".join(str(_innermost(error)).split())
    cause = f" ({' '.join(str(error.__cause__).split())})" if error.__cause__ is not None else ""
    told = f"{host.removeprefix('https://')}: {said}{cause}{describe_way(url or host)}"
    if "CERTIFICATE_VERIFY_FAILED" in told:
        told += f"; a proxy that opens connections? its certificate goes, as PEM, into {client.certificates[0]}"
    return HostError(told)


def _innermost(error: Exception) -> object:
    """Of an error of requests the reason alone, without the pool and its retries."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return error if reason is None else re.sub(r"^\w+\([^)]*\): ", "", str(reason))


def _used_for(url: str) -> list[str]:
    split = urllib.parse.urlsplit(url)
    proxies = urllib.request.getproxies()
    if urllib.request.proxy_bypass(split.hostname or ""):
        return []
    return [scheme for scheme in (split.scheme, "all") if proxies.get(scheme)][:1]


def _variable(scheme: str) -> str:
    name = f"{scheme}_proxy"
    return name if os.environ.get(name) else name.upper()


def _shown(proxy: str) -> str:
    """A proxy without the password that may be in it, whatever signs that has."""
    return re.sub(r"^([\w+.-]*:?//)?.*@", r"\1***@", proxy, flags=re.DOTALL)


def _check_proxy(variable: str, proxy: str, client: Client) -> None:
    told = f"{variable}={_shown(proxy)}"
    split = _split(proxy if "://" in proxy else f"http://{proxy}")
    if split is None:
        raise ValueError(f"{told}: expected a proxy as http://HOST:PORT; correct the variable, or unset it")
    if split.scheme not in client.schemes:
        meant = f"; most likely it is socks5://{split.netloc.rpartition('@')[2]}" if split.scheme == "socks" else ""
        raise ValueError(f"{told}: expected a proxy of {', '.join(client.schemes)}, got {split.scheme}{meant}")
    if split.scheme.startswith("socks") and importlib.util.find_spec(client.socks) is None:
        raise ValueError(f"{told}: a SOCKS proxy needs {client.socks}: pip install 'hear_cacophony[download]'")


def _split(url: str) -> urllib.parse.SplitResult | None:
    """The parts of a URL; None where it is none with a host."""
    try:
        split = urllib.parse.urlsplit(url)
        whole = split.hostname and split.port != 0 and not re.search(r"\s", url)
    except ValueError:
        return None
    return split if whole else None


def _check_certificates(client: Client) -> None:
    """Raise ValueError where the variable that counts leads to no certificates."""
    variable = next((name for name in client.certificates if os.environ.get(name)), None)
    if variable is None:
        return
    path = pathlib.Path(os.environ[variable])
    kinds = {"SSL_CERT_FILE": "file", "SSL_CERT_DIR": "folder"}
    problem = ""
    if not path.exists():
        problem = f"no such {kinds.get(variable, 'file or folder')}"
    elif path.is_dir() and kinds.get(variable) == "file":
        problem = "expected a file of certificates, this is a folder"
    elif path.is_file() and kinds.get(variable) == "folder":
        problem = "expected a folder of certificates, this is a file"
    elif path.is_file():
        problem = _problem_of_certificates(FileState.of(path))
    if problem:
        theirs = _SHARED.get(variable, variable)
        told = theirs if os.environ.get(theirs) == os.environ[variable] else variable
        raise ValueError(f"{told}={path}: {problem}; correct the variable, or unset it")


@functools.lru_cache
def _problem_of_certificates(file: FileState) -> str:
    """Why a file cannot be used; reading those of a system takes longer than most answers of a host."""
    try:
        ssl.create_default_context(cafile=file.place)
    except OSError as error:  # of which ssl.SSLError is one
        return f"expected certificates as PEM, cannot be read ({error.strerror or error})"
    return ""


def told_as_refusal(check: Callable[..., None], *given: Any) -> None:
    """Raise what a check objects to as that of a host that cannot be reached."""
    try:
        check(*given)
    except ValueError as error:
        raise HostError(str(error)) from None
