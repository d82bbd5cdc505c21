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
from audiospec.files import read_json
from audiospec.text import too_little

if TYPE_CHECKING:
    import requests


CONNECT_SECONDS = 4.0
"""Longest wait for a connection to a host, including the look-up of its name."""
READ_SECONDS = 30.0
"""Longest wait for the next bytes."""
TRIES = 4
"""Interruptions in a row, each with little progress, after which a download fails."""
PAUSE_SECONDS = 1.0
"""Wait before the second try; it doubles with each further try."""
_PROGRESS_BYTES = 1 << 20  # a try that gains this much resets the count of interruptions
_BLOCK = 1 << 18
_MOST_VERSION = 1 << 20


class UnreachableError(DatasetError):
    """A host does not accept connections."""


def _reach(url: str) -> None:
    """Raise UnreachableError unless an address's host, or the proxy for it, answers soon.

    The time-out of requests applies to each address of a host separately, and not to the look-up of
    its name, so without a network a failure can take minutes.
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


class _InterruptedDownloadError(Exception):
    """A download ended early; another try may resume it."""


@dataclass(frozen=True, slots=True)
class _Version:
    """What a server states about a file, to recognise it later."""

    url: str
    etag: str
    modified: str
    length: int | None

    def same(self, other: _Version) -> bool:
        """Whether both are one file: at least one property is known of both, and all such agree."""
        pairs = [
            (self.etag, other.etag),
            (self.modified, other.modified),
            (self.length, other.length),
        ]
        comparable = [(a, b) for a, b in pairs if a and b]
        return bool(comparable) and all(a == b for a, b in comparable) and self.url == other.url


class ResumingDownloader:
    """A downloader for pooch that resumes an interrupted download.

    Parameters
    ----------
    part : Path
        File for the bytes received so far, with a ``.json`` beside it that identifies the file that
        they are a part of.
    length : int or None
        Length in bytes that the file must have, if known.
    progress : callable
        Called with the bytes so far and the total, or None if unknown.
    """

    def __init__(self, part: Path, length: int | None, progress: Progress) -> None:
        self.part = part
        self.version_file = part.with_name(part.name + ".json")
        self.length = length
        self.progress = progress

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Download `url` to `output_file`.

        Raises
        ------
        DatasetError
            The server refuses, or the download is interrupted too often; what was received is kept.
        OSError
            The file cannot be written.
        """
        if self._kept_version(url) is None:
            self._discard()
        _reach(url)
        failures = 0
        while True:
            before = self._kept_bytes()
            try:
                self._request(url)
                break
            except _InterruptedDownloadError as error:
                failures = 1 if self._kept_bytes() - before >= _PROGRESS_BYTES else failures + 1
                if failures == TRIES:
                    raise DatasetError(
                        f"interrupted {TRIES} times, the last time because {error} "
                        f"({self._kept_bytes()} bytes are kept: run it again to resume)"
                    ) from error
                time.sleep(PAUSE_SECONDS * 2 ** (failures - 1))
        os.replace(self.part, output_file)
        self.version_file.unlink(missing_ok=True)

    def _kept_bytes(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _kept_version(self, url: str) -> _Version | None:
        """Return the version that the kept part is of; None if of another address or unknown."""
        try:
            kept = _Version(**read_json(self.version_file, _MOST_VERSION))
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        texts = all(isinstance(text, str) for text in (kept.url, kept.etag, kept.modified))
        if not texts or not (kept.length is None or (type(kept.length) is int and kept.length >= 0)):
            return None
        return kept if kept.url == url and self._kept_bytes() and kept.same(kept) else None

    def _request(self, url: str) -> None:
        """Request the missing bytes, or the whole file, and write what the server sends."""
        import requests
        from urllib3.exceptions import HTTPError

        kept = self._kept_version(url)
        received = self._kept_bytes() if kept else 0
        if kept and received == kept.length:
            return
        headers = {"Accept-Encoding": "identity"}
        if kept:
            headers["Range"] = f"bytes={received}-"
            # A weak tag does not guarantee equal bytes, and servers do not accept it here.
            strong = kept.etag if not kept.etag.startswith("W/") else ""
            if validator := strong or kept.modified:
                headers["If-Range"] = validator
        try:
            with requests.get(
                url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)
            ) as response:
                self._write(url, response, kept, received)
        except (requests.ConnectionError, requests.Timeout, HTTPError) as error:
            permanent = (
                requests.exceptions.SSLError,
                requests.exceptions.ProxyError,
                requests.ConnectTimeout,
            )
            if isinstance(error, permanent):
                raise DatasetError(f"no connection ({type(error).__name__})") from error
            raise _InterruptedDownloadError(f"the connection failed ({type(error).__name__})") from error
        except requests.RequestException as error:
            raise DatasetError(f"no answer ({type(error).__name__})") from error

    def _write(self, url: str, response: requests.Response, kept: _Version | None, received: int) -> None:
        """Append a server's answer to the kept part, or write it from the beginning."""
        status = response.status_code
        if status == 206 and kept and received:
            start, total = _range(response)
            version = _version(url, response, total)
            if start != received or not version.same(kept):
                self._discard()
                raise _InterruptedDownloadError("the file has changed on the server")
        elif status == 200:
            received = 0
            version = _version(url, response, _integer(response.headers.get("Content-Length")))
            self._discard()
            self.version_file.write_text(json.dumps(asdict(version)), encoding="utf-8")
        elif status == 416:
            self._discard()
            raise _InterruptedDownloadError("the server does not have the rest of the file")
        elif status in (408, 429) or status >= 500:
            raise _InterruptedDownloadError(f"the server answered {status} {response.reason}")
        else:
            raise DatasetError(f"the server answered {status} {response.reason}")
        length = version.length or self.length
        if self.length and length != self.length:
            self._discard()
            raise DatasetError(f"expected {self.length} bytes; the server announces {length}")
        free = shutil.disk_usage(self.part.parent).free
        if length and free < length - received:
            raise OSError(errno.ENOSPC, f"the disk is too full: {too_little(length - received, free)}")
        with open(self.part, "ab") as file:
            self.progress(received, length)
            # Not decoded: some servers send a .tar.gz as a .tar with a content encoding.
            for block in response.raw.stream(_BLOCK, decode_content=False):
                file.write(block)
                received += len(block)
                self.progress(received, length)
        if length and received < length:
            raise _InterruptedDownloadError(f"only {received} of {length} bytes arrived")
        if length and received > length:
            self._discard()
            raise _InterruptedDownloadError(f"{received} bytes arrived, {length} were announced")

    def _discard(self) -> None:
        """Remove what was received, so that the next request starts from the beginning."""
        self.part.unlink(missing_ok=True)
        self.version_file.unlink(missing_ok=True)


def _version(url: str, response: requests.Response, length: int | None) -> _Version:
    headers = response.headers
    return _Version(url, headers.get("ETag", ""), headers.get("Last-Modified", ""), length)


def _range(response: requests.Response) -> tuple[int | None, int | None]:
    """Return the first byte and the total length that a partial answer states."""
    match = re.match(
        r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)", response.headers.get("Content-Range", "")
    )
    return (int(match[1]), _integer(match[2])) if match else (None, None)


def _integer(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,18}", text) else None
