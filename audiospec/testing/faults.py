"""FaultProxy: a proxy in front of an S3 that breaks requests as networks and servers do, for tests.

It speaks over real sockets. Which requests fail follows from a seed, or is decided by a test's own function,
which can also stop or kill a process when it sends a certain request.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

#: What can happen to a request; a test's `decide` may also say another status, such as ``403`` or ``501``:
#: ``500``, ``503``: the server refuses it; nothing is done.
#: ``torn``: the connection breaks in the middle of the upload; nothing is done.
#: ``cut``: the connection breaks in the middle of the answer.
#: ``lost``: the request is carried out, and its answer is lost.
KINDS = ("500", "503", "torn", "cut", "lost")
_CONDITIONS = ("if-match", "if-none-match")
_CHUNK = 1 << 16


class Request(NamedTuple):
    """A request that reached the proxy.

    Attributes
    ----------
    number : int
        0, 1, … in the order of arrival.
    method : str
    bucket, key, query : str
        Unquoted.
    """

    number: int
    method: str
    bucket: str
    key: str
    query: str


class FaultProxy:
    """A proxy as a thread; a context manager.

    Parameters
    ----------
    upstream : str
        URL of the server behind it, such as ``"http://127.0.0.1:5000"``.
    rate : float, 0 to 1
        Share of the requests that fail.
    kinds : sequence of str
        What happens to them; see `KINDS`.
    seed : int
        The same seed breaks the same requests: the n-th with this method and key.
    latency : float
        Seconds that each request takes longer.
    conditions : bool
        False: If-Match and If-None-Match are left out, as by storages that ignore them.
    decide : function (Request) -> str or None, optional
        Called before a request is passed on; returns what happens to it, None for nothing. It decides
        instead of `rate`.
    answered : function (Request) -> None, optional
        Called after a request was carried out, before its answer is passed on.

    Attributes
    ----------
    url : str
    requests : list of Request
        So far.
    faults : list of (Request, str)
        Those that failed, and how.
    """

    def __init__(
        self,
        upstream: str,
        *,
        rate: float = 0.0,
        kinds: Sequence[str] = KINDS,
        seed: int = 0,
        latency: float = 0.0,
        conditions: bool = True,
        decide: Callable[[Request], str | None] | None = None,
        answered: Callable[[Request], None] | None = None,
    ) -> None:
        self.rate, self.kinds, self.seed, self.latency = rate, tuple(kinds), seed, latency
        self.conditions, self.decide, self.answered = conditions, decide, answered
        self.requests: list[Request] = []
        self.faults: list[tuple[Request, str]] = []
        self.upstream = urlsplit(upstream).netloc
        self._seen: Counter[tuple[str, str, str]] = Counter()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FaultProxy:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()

    def arrived(self, method: str, target: str) -> tuple[Request, str | None]:
        """Record a request; return it and what is to happen to it."""
        parts = urlsplit(target)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        with self._lock:
            request = Request(len(self.requests), method, bucket, key, parts.query)
            self.requests.append(request)
            case = (method, key, parts.query)
            self._seen[case] += 1
            chance = random.Random(f"{self.seed} {case} {self._seen[case]}")  # noqa: S311 # for a test
        if self.decide is not None:
            fault = self.decide(request)
        else:
            fault = chance.choice(self.kinds) if chance.random() < self.rate else None
        if fault is not None:
            with self._lock:
                self.faults.append((request, fault))
        return request, fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that has ended."""
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End all connections: clients keep idle ones for minutes, and each has a thread here."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that were killed."""


def _handler(proxy: FaultProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: object) -> None:
            """Write no log: `FaultProxy.requests` is one."""

        def _serve(self) -> None:
            request, fault = proxy.arrived(self.command, self.path)
            length = int(self.headers.get("Content-Length") or 0)
            time.sleep(proxy.latency)
            if fault == "torn":
                self._pass_on(self.rfile.read(length // 2), length)
                self._hang_up()
                return
            body = self.rfile.read(length)
            if len(body) < length:  # the client has been killed
                self._hang_up()
                return
            if fault is not None and fault.isdigit():
                self._refuse(int(fault))
                return
            status, headers, answer = self._pass_on(body, length)
            if proxy.answered is not None:
                proxy.answered(request)
            if fault == "lost" or (fault == "cut" and not answer):
                self._hang_up()
                return
            self._answer(status, headers, answer, len(answer) // 2 if fault == "cut" else len(answer))
            if fault == "cut":
                self._hang_up()

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _serve  # noqa: N815 # named by the base class

        def _pass_on(self, body: bytes, length: int) -> tuple[int, list[tuple[str, str]], bytes]:
            connection = http.client.HTTPConnection(proxy.upstream, timeout=60)
            try:
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if proxy.conditions or name.lower() not in _CONDITIONS:
                        connection.putheader(name, value)
                connection.endheaders()
                connection.send(body)
                if len(body) < length:
                    return 0, [], b""
                answer = connection.getresponse()
                return answer.status, answer.getheaders(), answer.read()
            finally:
                connection.close()

        def _refuse(self, status: int) -> None:
            code = {403: "AccessDenied", 501: "NotImplemented", 503: "SlowDown"}.get(status, "InternalError")
            body = f"<Error><Code>{code}</Code><Message>by the proxy</Message></Error>".encode()
            self._answer(status, [("Content-Length", str(len(body)))], body, len(body))

        def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, sent: int) -> None:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in ("connection", "transfer-encoding", "keep-alive"):
                    self.send_header(name, value)
            if not any(name.lower() == "content-length" for name, _ in headers) and status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                for start in range(0, sent, _CHUNK):
                    self.wfile.write(body[start : min(start + _CHUNK, sent)])
            self.wfile.flush()

        def _hang_up(self) -> None:
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    return Handler


@contextmanager
def proxy_process(upstream: str, **settings: Any) -> Iterator[str]:
    """Run a proxy as a process of its own, whose work does not hold this one's lock; yield its URL.

    Parameters
    ----------
    upstream : str
    **settings
        Of `FaultProxy`, but for functions.
    """
    command = [sys.executable, "-m", "audiospec.testing.faults", upstream, json.dumps(settings)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


if __name__ == "__main__":
    with FaultProxy(sys.argv[1], **json.loads(sys.argv[2])) as _proxy:
        print(_proxy.url, flush=True)
        sys.stdin.read()
