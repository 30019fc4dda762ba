"""A server on this machine that plays Google Drive, the Hugging Face hub, and any other host."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import html
import http.server
import io
import json
import random
import re
import threading
import urllib.parse
from collections.abc import Callable

import huggingface_hub.constants
import requests.adapters

from hear_cacophony.download import transfers

FOLDER = "1lZHJuClyn4FK_Fhn92ylQqyAd40uJv0Y"
DRIVE_HOSTS = ("drive.google.com", "drive.usercontent.google.com")
QUOTA_PAGE = (
    b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head><body>\n"
    b'<p class="uc-error-caption">Sorry, you can&#39;t view or download this file at this time.</p>\n'
    b'<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently.</p>\n</body></html>'
)


PAGE = b"<!DOCTYPE html><html><body>Log in to go on</body></html>"


@dataclasses.dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer.

    Attributes:
        cut: bytes after which the connection is cut.
        status: the status in the place of the file.
        headers: beside it.
        content: in the place of the file, as a page of HTML if it is one; or beside the status.
        from_start: whether the header Range is not heard.
        length: how its length is told: "told", in "chunks", or by the end of the connection ("not").
        endless: whether it begins anew at its end, until the client hangs up.
        after: what it waits for; it answers with 404 where that does not happen.
    """

    cut: int | None = None
    status: int = 200
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    content: bytes | None = None
    from_start: bool = False
    length: str = "told"
    endless: bool = False
    after: threading.Event | None = None


class LoopbackHosts(http.server.ThreadingHTTPServer):
    """Plays both hosts.

    Attributes:
        drive: contents of the files in the published folder, by name.
        hub: contents of the files of roberta-base, by name.
        repositories: contents of the files of other repositories of the hub, by their names.
        listed: what is told of them, where that is something else.
        web: contents of the files of other hosts, by HOST/PATH.
        faults: of their coming answers, by HOST/PATH; the last one stays.
        cuts: for a name, after how many bytes of each coming answer the connection is cut.
        quota: names of Drive's files that too many have downloaded.
        requests: what was asked for: method, path, and the header Range.
        watch: called at each request.
        garble: makes of each answer, head and body, what is sent.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.drive: dict[str, bytes] = {}
        self.hub: dict[str, bytes] = {}
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.listed: dict[str, dict[str, bytes]] = {}
        self.web: dict[str, bytes] = {}
        self.faults: dict[str, list[Fault | None]] = {}
        self.cuts: dict[str, list[int]] = collections.defaultdict(list)
        self.quota: set[str] = set()
        self.requests: list[tuple[str, str, str | None]] = []
        self.watch: Callable[[], object] = lambda: None
        self.garble: Callable[[bytes], bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def add_record(self, number: int, files: dict[str, bytes], tell: dict[str, bytes] | None = None) -> None:
        """Add a record of Zenodo.

        Args:
            number: its number.
            files: what the host has, by name.
            tell: what its list tells of; the same unless given.
        """
        base = f"zenodo.org/api/records/{number}"
        listed = [
            {
                "key": name,
                "size": len(content),
                "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
                "links": {"self": f"https://{base}/files/{name}/content"},
            }
            for name, content in (files if tell is None else tell).items()
        ]
        self.web[base] = json.dumps({"id": number, "files": listed}).encode()
        self.web |= {f"{base}/files/{name}/content": content for name, content in files.items()}

    def ranges(self) -> list[str]:
        """The ranges that were asked for."""
        return [wanted for _, _, wanted in self.requests if wanted]

    def handle_error(self, *_: object) -> None:
        """Clients may hang up."""

    def __enter__(self) -> LoopbackHosts:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *error) -> None:
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: LoopbackHosts

    def handle_one_request(self) -> None:
        garble, connection = self.server.garble, self.wfile
        if garble is None:
            super().handle_one_request()
            return
        self.wfile = io.BytesIO()
        super().handle_one_request()
        answer, self.wfile = self.wfile.getvalue(), connection
        self.wfile.write(garble(answer))

    def do_GET(self) -> None:
        path, query = self._note()
        if path.startswith("/web/"):
            self._send_web_file(path.removeprefix("/web/"))
        elif path.startswith("/api/models/"):
            self._send_listed_repository(path)
        elif path == "/embeddedfolderview" and query == {"id": FOLDER}:
            self._send_page(self._listing())
        elif path == "/uc":  # a large file: Drive asks whether one wants it though it has looked for no virus in it
            name = self._drive_name(query["id"])
            self._send_page(QUOTA_PAGE if name in self.server.quota else _confirmation(query["id"]))
        elif path == "/download" and query.get("confirm") == "t":
            name = self._drive_name(query["id"])
            headers = {"Content-Disposition": f'attachment; filename="{name}"', "Accept-Ranges": "bytes"}
            self._send_file(name, self.server.drive[name], headers)
        else:
            self._send_hub_file(path)

    def do_HEAD(self) -> None:
        self._send_hub_file(self._note()[0])

    def _note(self) -> tuple[str, dict[str, str]]:
        self.server.requests.append((self.command, self.path, self.headers.get("Range")))
        self.server.watch()
        split = urllib.parse.urlsplit(self.path)
        return split.path, dict(urllib.parse.parse_qsl(split.query))

    def _listing(self) -> bytes:
        links = "".join(
            f'<a href="https://drive.google.com/file/d/{_file_id(name)}/view?usp=drive_web">{html.escape(name)}</a>'
            for name in self.server.drive
        )
        return f"<html><head><title>Checkpoints</title></head><body>{links}</body></html>".encode()

    def _drive_name(self, file_id: str) -> str:
        return next(name for name in self.server.drive if _file_id(name) == file_id)

    def _send_hub_file(self, path: str) -> None:
        repository, _, place = path.removeprefix("/").partition("/resolve/")
        name = place.partition("/")[2]
        files = self.server.hub if repository == "roberta-base" else self.server.repositories.get(repository, {})
        if name not in files:
            self.send_error(404)
            return
        self._send_file(name, files[name], {"X-Repo-Commit": "0" * 40, "Accept-Ranges": "bytes"})

    def _send_listed_repository(self, path: str) -> None:
        repository = path.removeprefix("/api/models/").partition("/revision/")[0]
        files = self.server.listed.get(repository) or self.server.repositories.get(repository, {})
        siblings = [
            {
                "rfilename": name,
                "size": len(content),
                "blobId": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(),
                "lfs": None
                if name.endswith(".json")
                else {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 100},
            }
            for name, content in files.items()
        ]
        page = json.dumps({"id": repository, "sha": "0" * 40, "siblings": siblings}).encode()
        self._send_page(page, "application/json")

    def _send_web_file(self, place: str) -> None:
        place = urllib.parse.unquote(place)
        coming = self.server.faults.get(place, [None])
        fault = (coming.pop(0) if len(coming) > 1 else coming[0]) or Fault()
        if fault.after is not None and not fault.after.wait(10):
            fault = Fault(status=404)
        if fault.status != 200 or place not in self.server.web:
            self.send_response(fault.status if fault.status != 200 else 404)
            for key, value in {"Content-Length": str(len(fault.content or b"")), **fault.headers}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(fault.content or b"")
            return
        content = self.server.web[place] if fault.content is None else fault.content
        if fault.from_start:
            del self.headers["Range"]
        if content.startswith(b"<"):
            self._send_page(content)
            return
        self.server.cuts[place] = [] if fault.cut is None else [fault.cut]
        self._send_file(place, content, fault.headers, fault)

    def _send_page(self, page: bytes, kind: str = "text/html; charset=utf-8") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def _send_file(self, name: str, content: bytes, headers: dict[str, str], fault: Fault = Fault()) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        if start >= len(content) > 0:
            self.send_response(416)
            for key, value in {"Content-Type": "text/html", "Content-Range": f"bytes */{len(content)}"}.items():
                if key not in fault.headers:
                    self.send_header(key, value)
            self.end_headers()
            return
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Type", "application/octet-stream")
        if fault.length == "told":
            self.send_header("Content-Length", str(len(content) - start))
        elif fault.length == "chunks":
            self.send_header("Transfer-Encoding", "chunked")
        if "/" not in name:  # of a file of the hub, which goes by it
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            cuts = self.server.cuts[name]
            if fault.length == "chunks":
                self.wfile.write(f"{len(content) - start:x}\r\n".encode())
            self.wfile.write(content[start : start + cuts.pop(0)] if cuts else content[start:])
            while fault.endless:
                self.wfile.write(b"\r\n%x\r\n%s" % (len(content), content) if fault.length == "chunks" else content)
            if fault.length == "chunks" and fault.cut is None:
                self.wfile.write(b"\r\n0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


def garbled(answer: bytes, chance: random.Random) -> bytes:
    """An answer with one fault of any kind, or whole."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *fields = head.split(b"\r\n")
    untold = [field for field in fields if not field.startswith(b"Content-Length")]
    fault = chance.randrange(20)
    if fault == 0:
        return answer[: chance.randrange(len(answer) + 1)]
    if fault == 1:
        status = b"HTTP/1.0 %d What" % chance.choice((200, 204, 206, 302, 401, 403, 404, 416, 429, 500, 503, 999))
    elif fault == 2 and fields:
        fields.pop(chance.randrange(len(fields)))
    elif fault == 3:
        fields = [*untold, b"Content-Length: %d" % chance.choice((0, 1, 5, 10**9))]
    elif fault == 4 and len(body) > 10_000:  # a tarball: of small files nothing would tell
        place = chance.randrange(len(body))
        body = body[:place] + bytes([body[place] ^ 1 << chance.randrange(8)]) + body[place + 1 :]
    elif fault == 5:
        fields, body = untold, PAGE
    elif fault == 6:
        fields = [re.sub(rb"bytes \d+", b"bytes 3", field) for field in fields]
    elif fault == 7:
        return b""
    elif fault == 8:
        fields.append(b"Content-Encoding: gzip")
    elif fault == 9:
        fields, body = untold, body + body[:100]
    return b"\r\n".join([status, *fields]) + b"\r\n\r\n" + body


def _file_id(name: str) -> str:
    return re.sub(r"\W", "-", name).ljust(33, "x")


def _confirmation(file_id: str) -> bytes:
    fields = {"id": file_id, "export": "download", "confirm": "t", "uuid": "0-0"}
    inputs = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in fields.items())
    form = (
        f'<form id="download-form" action="https://drive.usercontent.google.com/download" method="get">{inputs}</form>'
    )
    return f"<!DOCTYPE html><html><head><title>Virus scan warning</title></head>\n<body>{form}</body></html>".encode()


def forget_network(monkeypatch) -> None:
    """Forget the proxies and certificates of this machine."""
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    certificates = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    for variable in (*proxies, *map(str.lower, proxies), *certificates):
        monkeypatch.delenv(variable, raising=False)


def lead_to(url: str, monkeypatch) -> list[float]:
    """Make requests, gdown and huggingface_hub, as they are, talk to the server at `url`, and wait for nothing.

    Returns:
        The seconds that transfers would have waited.
    """
    send = requests.adapters.HTTPAdapter.send

    def send_to_server(self, request, **options):
        asked = urllib.parse.urlsplit(request.url)
        place = asked if asked.hostname in DRIVE_HOSTS else asked._replace(path=f"/web/{asked.netloc}{asked.path}")
        request.url = url + urllib.parse.urlunsplit(place._replace(scheme="", netloc=""))
        response = send(self, request, **options)
        response.url = urllib.parse.urlunsplit(asked)
        return response

    waited: list[float] = []
    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send_to_server)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
    monkeypatch.setattr(
        huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr("random.uniform", lambda low, high: 0)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr(transfers, "pause", lambda stop, seconds: waited.append(seconds))
    return waited
