"""A server on this machine that plays Google Drive and the Hugging Face hub."""

from __future__ import annotations

import collections
import hashlib
import html
import http.server
import re
import threading
import urllib.parse

FOLDER = "1lZHJuClyn4FK_Fhn92ylQqyAd40uJv0Y"
DRIVE_HOSTS = ("drive.google.com", "drive.usercontent.google.com")
QUOTA_PAGE = (
    b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head><body>\n"
    b'<p class="uc-error-caption">Sorry, you can&#39;t view or download this file at this time.</p>\n'
    b'<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently.</p>\n</body></html>'
)


class LoopbackHosts(http.server.ThreadingHTTPServer):
    """Plays both hosts.

    Attributes:
        drive: contents of the files in the published folder, by name.
        hub: contents of the files of roberta-base, by name.
        cuts: for a name, after how many bytes of each coming answer the connection is cut.
        quota: names of Drive's files that too many have downloaded.
        requests: what was asked for: method, path, and the header Range.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.drive: dict[str, bytes] = {}
        self.hub: dict[str, bytes] = {}
        self.cuts: dict[str, list[int]] = collections.defaultdict(list)
        self.quota: set[str] = set()
        self.requests: list[tuple[str, str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

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

    def do_GET(self) -> None:
        path, query = self._note()
        if path == "/embeddedfolderview" and query == {"id": FOLDER}:
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
        name = path.removeprefix("/roberta-base/resolve/main/")
        if name not in self.server.hub:
            self.send_error(404)
            return
        self._send_file(name, self.server.hub[name], {"X-Repo-Commit": "0" * 40, "Accept-Ranges": "bytes"})

    def _send_page(self, page: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def _send_file(self, name: str, content: bytes, headers: dict[str, str]) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        if start >= len(content) > 0:
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            cuts = self.server.cuts[name]
            self.wfile.write(content[start : start + cuts.pop(0)] if cuts else content[start:])

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


def _file_id(name: str) -> str:
    return re.sub(r"\W", "-", name).ljust(33, "x")


def _confirmation(file_id: str) -> bytes:
    fields = {"id": file_id, "export": "download", "confirm": "t", "uuid": "0-0"}
    inputs = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in fields.items())
    form = (
        f'<form id="download-form" action="https://drive.usercontent.google.com/download" method="get">{inputs}</form>'
    )
    return f"<!DOCTYPE html><html><head><title>Virus scan warning</title></head>\n<body>{form}</body></html>".encode()
