"""A web server on loopback that can break off, ignore ranges, and lie."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Page:
    """What the server has at one address, and how badly it serves it."""

    body: bytes
    etag: str = '"1"'
    modified: str = ""
    ranges: bool = True
    if_range: bool = True
    length: bool = True
    encoding: str = ""
    breaks: list[int] = field(default_factory=list)  # bytes of each answer, in turn, then all
    statuses: list[int] = field(default_factory=list)  # status of each answer, in turn, then 200


class Site:
    """Pages by path, and a log of (path, Range header) of what was asked for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pages: dict[str, Page] = {}
        self.log: list[tuple[str, str]] = []

    def put(self, path: str, body: bytes, **how: Any) -> str:
        """Serve `body` at `path`, with the attributes of Page in `how`; return the address."""
        self.pages[f"/{path}"] = Page(body, **how)
        return f"{self.url}/{path}"


@pytest.fixture(scope="session")
def _server() -> Iterator[ThreadingHTTPServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site: Site = self.server.site  # type: ignore[attr-defined]
            asked = self.headers.get("Range", "")
            site.log.append((self.path, asked))
            page = site.pages.get(self.path)
            status = 404 if page is None else page.statuses.pop(0) if page.statuses else 200
            if page is None or status != 200:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start, same = 0, self.headers.get("If-Range") in (None, page.etag, page.modified)
            if asked and page.ranges and (same or not page.if_range):
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
                if start >= len(page.body):
                    self.send_response(416)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                whole = len(page.body)
                self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
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
            pass  # a client that hung up

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def site(_server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Return an empty site; no proxy stands before it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    site = Site(f"http://127.0.0.1:{_server.server_address[1]}")
    _server.site = site  # type: ignore[attr-defined]
    return site
