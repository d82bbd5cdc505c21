"""A bucket in the memory of another process: enough of S3 for audiospec, at almost no processor time.

moto needs as much processor time for an object as audiospec needs to compute it, and would be what a
benchmark measures. This server keeps the bytes that it gets, and waits for the same time before each answer.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

from audiospec.storage.location import Url
from audiospec.testing.buckets import environment

#: Most keys in one answer of a list.
_PAGE = 1000
_QUOTES = {"&quot;": '"', "&apos;": "'"}


@dataclass(frozen=True, slots=True)
class _Object:
    content: bytes
    tag: str
    modified: float


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    objects: ClassVar[dict[str, _Object]] = {}
    counts: ClassVar[Counter[str]] = Counter()
    lock: ClassVar[threading.Lock] = threading.Lock()
    latency: ClassVar[float] = 0.0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def log_message(self, format: str, *args: object) -> None:
        """Write no log."""

    def _begin(self, kind: str) -> str:
        """Count a request, wait, and return its key."""
        _Server.counts[kind] += 1
        time.sleep(_Server.latency)
        return unquote(urlsplit(self.path).path).lstrip("/")

    def do_PUT(self) -> None:
        source = self.headers.get("x-amz-copy-source")
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        key = self._begin("COPY" if source else "PUT")
        with _Server.lock:
            old = _Server.objects.get(key)
            expected, new_only = self.headers.get("If-Match"), self.headers.get("If-None-Match") == "*"
            if (new_only and old) or (expected and (old is None or expected.strip('"') != old.tag)):
                self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
                return
            if source:
                copied = _Server.objects.get(unquote(source).lstrip("/"))
                if copied is None:
                    self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
                    return
                content = copied.content
            _Server.counts["version"] += 1
            tag = f"{_Server.counts['version']:032x}"
            _Server.objects[key] = _Object(content, tag, time.time())
        body = f"<CopyObjectResult><ETag>{tag}</ETag></CopyObjectResult>".encode() if source else b""
        self._answer(200, body, {"ETag": f'"{tag}"'})

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if "list-type" in query:
            self._list({name: values[0] for name, values in query.items()})
            return
        found = _Server.objects.get(self._begin("GET"))
        if found is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        expected = self.headers.get("If-Match")
        if expected and expected.strip('"') != found.tag:
            self._answer(412)
            return
        size, wanted = len(found.content), self.headers.get("Range")
        headers = {"ETag": f'"{found.tag}"', "Last-Modified": formatdate(found.modified, usegmt=True)}
        if wanted is None:
            self._answer(200, found.content, headers)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start = int(first) if first else max(0, size - int(last))
        if start >= size:
            self._answer(416, b"<Error><Code>InvalidRange</Code></Error>")
            return
        stop = min(size, int(last) + 1) if first and last else size
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        self._answer(206, memoryview(found.content)[start:stop], headers)

    def do_HEAD(self) -> None:
        found = _Server.objects.get(self._begin("HEAD"))
        if found is None:
            self._answer(404, b"", bodiless=True)
            return
        modified = formatdate(found.modified, usegmt=True)
        tag = f'"{found.tag}"'
        self._answer(200, found.content, {"ETag": tag, "Last-Modified": modified}, bodiless=True)

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        bucket = self._begin("DELETE").rstrip("/")
        keys = [part.partition("</Key>")[0] for part in content.split("<Key>")[1:]]
        for key in keys:
            _Server.objects.pop(f"{bucket}/{unescape(key, _QUOTES)}", None)
        deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self._answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())

    def _list(self, query: dict[str, str]) -> None:
        bucket = self._begin("LIST").rstrip("/")
        begins = f"{bucket}/{query.get('prefix', '')}"
        after = f"{bucket}/{query.get('continuation-token') or query.get('start-after', '')}"
        with _Server.lock:
            keys = sorted(key for key in _Server.objects if key.startswith(begins) and key > after)
            page = [(key.removeprefix(f"{bucket}/"), _Server.objects[key]) for key in keys[:_PAGE]]
        more = len(keys) > _PAGE
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><ETag>{each.tag}</ETag><Size>{len(each.content)}</Size>"
            f"<LastModified>{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(each.modified))}</LastModified>"
            "</Contents>"
            for key, each in page
        )
        token = f"<NextContinuationToken>{escape(page[-1][0])}</NextContinuationToken>" if more else ""
        self._answer(
            200,
            f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{entries}"
            "</ListBucketResult>".encode(),
        )

    def _answer(
        self,
        status: int,
        body: bytes | memoryview = b"",
        headers: Mapping[str, str] = MappingProxyType({}),
        bodiless: bool = False,
    ) -> None:
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if not bodiless:
            self.wfile.write(body)
        self.wfile.flush()


class _Control(BaseHTTPRequestHandler):
    """Answers on another port: how many requests there were; then they are counted anew."""

    def log_message(self, format: str, *args: object) -> None:
        """Write no log."""

    def do_GET(self) -> None:
        counts = dict(_Server.counts)
        _Server.counts.clear()
        _Server.counts["version"] = counts.get("version", 0)
        body = json.dumps({kind: count for kind, count in counts.items() if kind != "version"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@dataclass(frozen=True)
class Bucket:
    """A bucket, and the number of requests that it got.

    Attributes
    ----------
    url : Url
    """

    url: Url
    control: str

    def counts(self) -> dict[str, int]:
        """Return PUT, COPY, GET, HEAD, LIST and DELETE → requests since the last call."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.control) as answer:
            counts: dict[str, Any] = json.load(answer)
        return counts


@contextmanager
def bucket_in_memory(latency: float) -> Iterator[Bucket]:
    """Start a server with an empty bucket, and set the environment that leads to it during a block.

    Parameters
    ----------
    latency : float
        Seconds before each answer.
    """
    command = [sys.executable, "-m", "audiospec.benchmarks.bucket", str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        port, control = process.stdout.readline().split()
        try:
            with environment(f"http://127.0.0.1:{port}"):
                yield Bucket(Url("s3", "memory"), f"http://127.0.0.1:{control}")
        finally:
            process.stdin.close()


def main() -> None:
    """Serve until standard input is closed."""
    _Server.latency = float(sys.argv[1])
    servers = [_Server(("127.0.0.1", 0), _Handler), ThreadingHTTPServer(("127.0.0.1", 0), _Control)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(*(server.server_address[1] for server in servers), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
