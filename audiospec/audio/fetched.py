"""Audio in buckets: an object is fetched into memory, and decoded there as a file of a disk would be.

Decoders read a few bytes here and there, which would be a request each. One request for the whole object
takes a fifth of the time.
"""

from __future__ import annotations

import os
import sys
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any, NamedTuple

import xxhash

from audiospec.audio.source import SourceFile, changed
from audiospec.digests import version_bits
from audiospec.errors import AudioError
from audiospec.files import disk_full_errors
from audiospec.storage.base import ConflictError, Folder
from audiospec.storage.location import Location, Url, location
from audiospec.storage.opening import open_folder

#: Largest object in bytes that is fetched into memory; a larger one is fetched into a temporary file.
MOST_IN_MEMORY = 256 << 20
#: Bytes of one request: smaller objects are one, and no more than this is held besides the object itself.
PIECE_BYTES = 16 << 20


class AudioFile(NamedTuple):
    """An audio file, and the version that is to be read.

    Attributes
    ----------
    place : Location
    version : str
        Version of an object (`Entry.version`); ``""`` for a file of a disk, and for any version.
    size : int
        Bytes of an object; -1 if it is not known, and for a file of a disk.
    """

    place: Location
    version: str = ""
    size: int = -1

    def length(self) -> int:
        """Return its bytes as far as they are known; 0 if they are not."""
        if isinstance(self.place, Path):
            with suppress(OSError):
                return self.place.stat().st_size
        return max(0, self.size)

    def to_json(self) -> list[Any]:
        """Return the fields as a JSON list."""
        return [str(self.place), self.version, self.size]

    @classmethod
    def from_json(cls, value: list[Any]) -> AudioFile:
        """Read what `to_json` returned."""
        return cls(location(value[0]), *value[1:])


class FetchedFile(SourceFile):
    """An object's bytes in memory, or in a temporary file. They are freed by `close`, or with this object.

    Parameters
    ----------
    name : str
        The object's name: FFmpeg looks at its suffix.
    size : int
    version : str

    Attributes
    ----------
    size : int
        Bytes.
    modified : int
        See `version_bits`.
    """

    def __init__(self, name: str, size: int, version: str) -> None:
        self.name, self.size, self.modified = name, size, version_bits(version)
        self._hash = xxhash.xxh3_128()
        self._written = 0
        self._descriptor, self._path = _room(size)
        self._close = weakref.finalize(self, _free, self._descriptor, self._path)

    def append(self, data: bytes | memoryview) -> None:
        """Add the next bytes.

        Raises
        ------
        DiskFullError
            There is no room for them.
        """
        self._hash.update(data)
        with disk_full_errors(Path(tempfile.gettempdir())):
            view = memoryview(data)
            while view:
                count = os.pwrite(self._descriptor, view, self._written)
                self._written += count
                view = view[count:]

    def open(self) -> BufferedReader:
        """Open the bytes for reading, with a position of their own.

        Raises
        ------
        AudioError
            There are none.
        """
        if self.size == 0:
            raise AudioError("empty: the file has 0 bytes")
        # The descriptor's path: opening that makes another descriptor, with a position of its own.
        file = FileIO(self._path or f"/proc/self/fd/{self._descriptor}")
        file.name = self.name
        return BufferedReader(file)

    def content_hash(self) -> str:
        """Return the XXH3-128 of the bytes, which was computed as they came."""
        return self._hash.hexdigest()

    def close(self) -> None:
        """Free the memory."""
        self._close()


def _room(size: int) -> tuple[int, str]:
    """Return the descriptor of an empty file, and its path where only that can be opened again."""
    if size <= MOST_IN_MEMORY and sys.platform == "linux":
        return os.memfd_create("audiospec"), ""
    descriptor, path = tempfile.mkstemp(prefix="audiospec-")
    if sys.platform == "linux":  # nothing is left behind, however this process ends
        os.unlink(path)
        path = ""
    return descriptor, path


def _free(descriptor: int, path: str) -> None:
    os.close(descriptor)
    if path:
        with suppress(OSError):
            os.unlink(path)


def open_source(file: AudioFile) -> SourceFile:
    """Return an audio file as it is now: of a disk, or fetched from a bucket into memory.

    Raises
    ------
    AudioError
        The file cannot be read, or there is another version of the object by now.
    StorageError
        The bucket does not answer, or refuses.
    DiskFullError
        There is no room for a large object.
    """
    if isinstance(file.place, Path):
        return SourceFile(file.place)
    return _fetched(file.place, file)


def _fetched(url: Url, file: AudioFile) -> FetchedFile:
    folder = open_folder(url.parent)
    if file.size < 0 or not file.version:
        with read_errors():
            entry = folder.entry(url.name)
        if entry is None:
            raise missing()
        file = AudioFile(url, file.version or entry.version, entry.size)
    fetched = FetchedFile(url.name, file.size, file.version)
    try:
        start = 0
        while start < file.size:
            piece = read_range(folder, url.name, start, min(PIECE_BYTES, file.size - start), file.version)
            fetched.append(piece)
            start += len(piece)
    except BaseException:
        fetched.close()
        raise
    return fetched


def read_range(folder: Folder, key: str, start: int, length: int, version: str) -> bytes | memoryview:
    """Return bytes of one version of an object.

    Raises
    ------
    AudioError
        The object is gone, or there is another version.
    StorageError
        The bucket does not answer, or refuses.
    """
    with read_errors():
        data = folder.read_version(key, version, start, length)
    if len(data) != length:
        raise changed()
    return data


def missing() -> AudioError:
    """Return the error for an object that does not exist, in the words of a disk."""
    return AudioError("not readable: No such file or directory")


@contextmanager
def read_errors() -> Iterator[None]:
    """Turn what is about one object into an AudioError; what is about its bucket stays a StorageError."""
    try:
        yield
    except FileNotFoundError as error:
        raise missing() from error
    except ConflictError as error:
        raise changed() from error
