"""Location: where a file or a folder is, on a disk of this machine or in a bucket.

A location is a `pathlib.Path` or a `Url`. Text becomes a location before it becomes anything else, because
``Path("s3://bucket/x")`` is the folder ``s3:/bucket/x`` of this machine.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias
from urllib.parse import quote, unquote

from audiospec.errors import StorageError, nearest

#: Schemes of the buckets that can be used: Amazon S3 and those that speak its language, Google Cloud Storage,
#: Azure Blob Storage; web servers can be read.
SCHEMES = ("s3", "gs", "az", "https", "http")
#: Those of web servers, which are only read. Text quotes their addresses (%20), but not the keys of buckets.
WEB = ("https", "http")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://([^/]*)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, order=True)
class Url:
    """A place in a bucket. It has the parts of a `pathlib.PurePosixPath`, but is no path of this machine.

    Attributes
    ----------
    scheme : str
        One of `SCHEMES`.
    bucket : str
        Name of the bucket or container; host and port of a web server.
    key : str
        What follows, without a slash at either end; ``""`` for the whole bucket.
    """

    scheme: str
    bucket: str
    key: str = ""

    def __str__(self) -> str:
        key = quote(self.key) if self.scheme in WEB else self.key
        return f"{self.scheme}://{self.bucket}/{key}" if key else f"{self.scheme}://{self.bucket}"

    def __truediv__(self, other: str) -> Url:
        """Return a place below this one; ``..`` leads up, as in a path."""
        parts = [part for part in self.key.split("/") if part]
        for part in str(other).split("/"):
            if part == ".." and parts:
                parts.pop()
            elif part not in ("", ".", ".."):
                parts.append(part)
        return Url(self.scheme, self.bucket, "/".join(parts))

    @property
    def name(self) -> str:
        """Last part of the key; the bucket's name if there is none."""
        return self.key.rpartition("/")[2] or self.bucket

    @property
    def suffix(self) -> str:
        """Suffix of the name, such as ``".zarr"``; ``""`` if it has none."""
        return PurePosixPath(self.name).suffix if self.key else ""

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return self.name.removesuffix(self.suffix)

    @property
    def parent(self) -> Url:
        """The place above; a bucket is its own."""
        return Url(self.scheme, self.bucket, self.key.rpartition("/")[0])

    def with_name(self, name: str) -> Url:
        """Return the place beside this one that has another name."""
        return self.parent / name


Location: TypeAlias = Path | Url


def location(text: str | os.PathLike[str] | Url) -> Location:
    """Return the location that a text or a path stands for.

    Parameters
    ----------
    text : str, path or Url
        A path, or a URL such as ``"s3://bucket/music.zarr"``.

    Raises
    ------
    StorageError
        It is a URL of another scheme than `SCHEMES`, or names no bucket; or it is a path that was a URL.
    """
    if isinstance(text, Url):
        return text
    if isinstance(text, Path):
        if text.parts[:1] and text.parts[0].removesuffix(":") in SCHEMES and text.parts[0].endswith(":"):
            raise StorageError(f"expected a path of this machine; got {text}", "a bucket cannot be used here")
        return text
    match = _URL.fullmatch(os.fspath(text))
    if match is None:
        return Path(text)
    scheme, bucket, key = match[1].lower(), match[2], match[3]
    if scheme == "file":
        return Path(f"/{bucket}{key}" if bucket and bucket != "localhost" else key)
    if scheme not in SCHEMES:
        raise StorageError(
            f"cannot use {os.fspath(text)!r}: expected a path, or a URL of {', '.join(SCHEMES)}"
            f"{nearest(scheme, SCHEMES)}"
        )
    if not bucket:
        raise StorageError(f"{os.fspath(text)!r} names no bucket", f"write {scheme}://BUCKET/NAME")
    return Url(scheme, bucket) / (unquote(key) if scheme in WEB else key)


def absolute(place: Location) -> Location:
    """Return a location that other processes understand, wherever they run. Links are not resolved."""
    return place.absolute() if isinstance(place, Path) else place


def local(place: Location, what: str, hint: str = "give a path of this machine") -> Path:
    """Return a location that has to be a path of this machine.

    Parameters
    ----------
    place : Location
    what : str
        What is kept there, at the beginning of a message, such as ``"a run"``.
    hint : str
        What to do about it.

    Raises
    ------
    StorageError
        It is in a bucket.
    """
    if isinstance(place, Path):
        return place
    raise StorageError(f"{what} needs a disk; got {place}", hint)
