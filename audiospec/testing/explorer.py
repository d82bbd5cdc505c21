"""A page of `audiospec explore` for tests: its server, and requests as its scripts send them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from audiospec.doctor.diagnosis import Diagnosis
from audiospec.explorer.run import Page, prepared
from audiospec.stores.base import open_store


@dataclass
class Reply:
    """A response of the server."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        assert self.headers["Content-Type"] == "application/json", (self.status, self.body)
        return json.loads(self.body)


class Client:
    """Sends requests to a page, as its scripts do."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.origin = page.address.rsplit("/", 2)[0]

    def get(self, path: str, **headers: str) -> Reply:
        """Get a path below the page's own."""
        return self.send(self.page.address + path, headers)

    def post(self, value: Any, **headers: str) -> Reply:
        """Post a decision about a label."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        given = {"Content-Type": "application/json", "Origin": self.origin, **headers}
        return self.send(f"{self.page.address}api/corrections", given, body)

    @staticmethod
    def send(address: str, headers: dict[str, str], body: bytes | None = None, method: str = "") -> Reply:
        """Send a request."""
        place = urlsplit(address)
        connection = HTTPConnection(place.hostname or "", place.port or 0)
        path = address[address.index(place.netloc) + len(place.netloc) :]
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, body, named)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()


@contextmanager
def serve(store: Path, **options: Any) -> Iterator[Client]:
    """Serve the page of a store during a block."""
    with prepared(store, port=0, **{"findings": no_findings(store), "who": "ann", **options}) as page:
        thread = threading.Thread(target=page.serve)
        thread.start()
        try:
            yield Client(page)
        finally:
            page.server.should_exit = True
            thread.join()


def no_findings(store: Path) -> Diagnosis:
    """Return the diagnosis of a healthy store."""
    return Diagnosis(str(store), len(open_store(store).tracks), (), {}, ())
