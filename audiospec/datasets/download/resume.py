"""A downloader for pooch that resumes after an interruption."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import socket
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from audiospec.datasets.download.remote import Progress
from audiospec.errors import DatasetError

if TYPE_CHECKING:
    import requests


CONNECT_SECONDS = 4.0
"""Longest wait for a host to take a connection, its name's look-up included."""
READ_SECONDS = 30.0
"""Longest wait for the next bytes."""
TRIES = 4
"""Times in a row that a download may break off with next to nothing gained before it fails."""
PAUSE_SECONDS = 1.0
"""Wait before the second try; doubled for each further one."""
_GAIN = 1 << 20  # bytes that make a try count as a success of sorts
_BLOCK = 1 << 18


class UnreachableError(DatasetError):
    """A host takes no connection."""


def _reach(url: str) -> None:
    """Raise UnreachableError unless an address's host, or the proxy for it, answers soon.

    The time-out of requests counts for each address of a host anew, and not at all for looking up
    its name, so without a network it can take minutes to say so.
    """
    import requests

    proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    if proxy:
        url = proxy if "://" in proxy else f"http://{proxy}"
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    failures: list[OSError] = []

    def connect() -> None:
        try:
            socket.create_connection((parts.hostname or "", port), CONNECT_SECONDS / 2).close()
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    if thread.is_alive():
        raise UnreachableError(f"{parts.hostname} does not answer within {CONNECT_SECONDS:.0f} s")
    if failures:
        raise UnreachableError(f"cannot reach {parts.hostname} ({failures[0].strerror or failures[0]})")


class _BrokenOffError(Exception):
    """A download ended early; another try may go on with it."""


@dataclass(frozen=True, slots=True)
class _Version:
    """What a server says of a file, to know it again."""

    url: str
    etag: str
    modified: str
    length: int | None

    def same(self, other: _Version) -> bool:
        """Whether nothing speaks against both being one file, and something speaks for it."""
        pairs = [
            (self.etag, other.etag),
            (self.modified, other.modified),
            (self.length, other.length),
        ]
        known = [(a, b) for a, b in pairs if a and b]
        return bool(known) and all(a == b for a, b in known) and self.url == other.url


class ResumingDownloader:
    """A downloader for pooch that goes on where an earlier one broke off.

    Parameters
    ----------
    part : Path
        File that what came so far is kept in, with a ``.json`` beside it that says what it is a
        part of.
    length : int or None
        Length in bytes that the file must have, if it is known.
    progress : callable
        Called with the bytes so far and in all, or None if not known.
    """

    def __init__(self, part: Path, length: int | None, progress: Progress) -> None:
        self.part = part
        self.note = part.with_name(part.name + ".json")
        self.length = length
        self.progress = progress

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Download `url` to `output_file`.

        Raises
        ------
        DatasetError
            The server refuses, or breaks off too often; what came is kept for another run.
        OSError
            The file cannot be written.
        """
        if self._kept(url) is None:
            self._forget()
        _reach(url)
        failures = 0
        while True:
            before = self._have()
            try:
                self._go_on(url)
                break
            except _BrokenOffError as error:
                failures = 1 if self._have() - before >= _GAIN else failures + 1
                if failures == TRIES:
                    raise DatasetError(
                        f"broke off {TRIES} times, in the end because {error} "
                        f"({self._have()} bytes are kept: run it again to go on)"
                    ) from error
                time.sleep(PAUSE_SECONDS * 2 ** (failures - 1))
        os.replace(self.part, output_file)
        self.note.unlink(missing_ok=True)

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _kept(self, url: str) -> _Version | None:
        """Return what the kept part is a part of; None if not of this address, or nobody can tell."""
        try:
            kept = _Version(**json.loads(self.note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return kept if kept.url == url and self._have() and kept.same(kept) else None

    def _go_on(self, url: str) -> None:
        """One request for what is missing, or for everything."""
        import requests
        from urllib3.exceptions import HTTPError

        kept = self._kept(url)
        have = self._have() if kept else 0
        if kept and have == kept.length:
            return
        headers = {"Accept-Encoding": "identity"}
        if kept:
            headers["Range"] = f"bytes={have}-"
            # A weak tag does not promise equal bytes, and servers do not take it here.
            strong = kept.etag if not kept.etag.startswith("W/") else ""
            if validator := strong or kept.modified:
                headers["If-Range"] = validator
        try:
            with requests.get(
                url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)
            ) as response:
                self._take(url, response, kept, have)
        except (requests.ConnectionError, requests.Timeout, HTTPError) as error:
            hopeless = (
                requests.exceptions.SSLError,
                requests.exceptions.ProxyError,
                requests.ConnectTimeout,
            )
            if isinstance(error, hopeless):
                raise DatasetError(f"no connection ({type(error).__name__})") from error
            raise _BrokenOffError(f"the connection failed ({type(error).__name__})") from error
        except requests.RequestException as error:
            raise DatasetError(f"no answer ({type(error).__name__})") from error

    def _take(self, url: str, response: requests.Response, kept: _Version | None, have: int) -> None:
        """Write what a server sends to the part, after what is there or from its beginning."""
        status = response.status_code
        if status == 206 and kept and have:
            start, total = _range(response)
            version = _version(url, response, total)
            if start != have or not version.same(kept):
                self._forget()
                raise _BrokenOffError("the file has changed on the server")
        elif status == 200:
            have = 0
            version = _version(url, response, _integer(response.headers.get("Content-Length")))
            self._forget()
            self.note.write_text(json.dumps(asdict(version)), encoding="utf-8")
        elif status == 416:
            self._forget()
            raise _BrokenOffError("the server has not the rest of the file")
        elif status in (408, 429) or status >= 500:
            raise _BrokenOffError(f"the server says {status} {response.reason}")
        else:
            raise DatasetError(f"the server says {status} {response.reason}")
        length = version.length or self.length
        if self.length and length != self.length:
            self._forget()
            raise DatasetError(f"it has {length} bytes, not {self.length}")
        if length and shutil.disk_usage(self.part.parent).free < length - have:
            raise OSError(errno.ENOSPC, f"{length - have} bytes more are needed, and the disk has less")
        with open(self.part, "ab") as file:
            self.progress(have, length)
            # As sent: some servers call a .tar.gz a .tar with a content encoding.
            for block in response.raw.stream(_BLOCK, decode_content=False):
                file.write(block)
                have += len(block)
                self.progress(have, length)
        if length and have < length:
            raise _BrokenOffError(f"only {have} of {length} bytes came")
        if length and have > length:
            self._forget()
            raise _BrokenOffError(f"{have} bytes came where {length} were announced")

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def _version(url: str, response: requests.Response, length: int | None) -> _Version:
    headers = response.headers
    return _Version(url, headers.get("ETag", ""), headers.get("Last-Modified", ""), length)


def _range(response: requests.Response) -> tuple[int | None, int | None]:
    """First byte and whole length that a partial answer speaks of."""
    match = re.match(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    return (int(match[1]), _integer(match[2])) if match else (None, None)


def _integer(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
