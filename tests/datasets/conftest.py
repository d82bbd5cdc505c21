"""A web server on loopback that can interrupt answers, ignore ranges and send wrong headers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Page:
    """The content at one address of the server, and the faults with which it is served."""

    body: bytes
    etag: str = '"1"'
    modified: str = ""
    ranges: bool = True
    if_range: bool = True
    length: bool = True
    encoding: str = ""
    breaks: list[int] = field(default_factory=list)  # bytes of each answer in turn; after these, all bytes
    statuses: list[int] = field(default_factory=list)  # status of each answer in turn; after these, 200


class Site:
    """Pages by path, and a log of requests as (path, Range header)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pages: dict[str, Page] = {}
        self.log: list[tuple[str, str]] = []

    def put(self, path: str, body: bytes, **how: Any) -> str:
        """Serve `body` at `path` and return the address; `how` has further attributes of Page."""
        self.pages[f"/{path}"] = Page(body, **how)
        return f"{self.url}/{path}"


@pytest.fixture(scope="session")
def _server() -> Iterator[ThreadingHTTPServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site: Site = self.server.site  # type: ignore[attr-defined]
            requested = self.headers.get("Range", "")
            site.log.append((self.path, requested))
            page = site.pages.get(self.path)
            status = 404 if page is None else page.statuses.pop(0) if page.statuses else 200
            if page is None or status != 200:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start, unchanged = 0, self.headers.get("If-Range") in (None, page.etag, page.modified)
            if requested and page.ranges and (unchanged or not page.if_range):
                start = int(requested.removeprefix("bytes=").removesuffix("-"))
                if start >= len(page.body):
                    self.send_response(416)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                total = len(page.body)
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            else:
                self.send_response(200)
            rest = page.body[start:]
            for name, value in (
                ("ETag", page.etag),
                ("Last-Modified", page.modified),
                ("Content-Encoding", page.encoding),
                ("Content-Length", str(len(rest)) if page.length else ""),
            ):
                if value:
                    self.send_header(name, value)
            stop = page.breaks.pop(0) if page.breaks else len(rest)
            self.close_connection = not page.length or stop < len(rest)
            self.end_headers()
            self.wfile.write(rest[:stop])

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # the client closed the connection

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def site(_server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Return an empty site, which is reached without a proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    site = Site(f"http://127.0.0.1:{_server.server_address[1]}")
    _server.site = site  # type: ignore[attr-defined]
    return site
