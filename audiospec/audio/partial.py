"""Probe objects by their ends: most headers need no more, and what a decoder misses is noticed.

A decoder reads an object of which only some parts are here. If it asks for any other byte, what it makes of
the object is not believed: those bytes are fetched too, or the whole object, and it begins again. So the
answer is always that for a file of a disk, whatever the format.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Sequence
from io import BufferedReader, RawIOBase
from typing import Any, TypeVar

from audiospec.audio.ahead import FetchedAhead
from audiospec.audio.fetched import AudioFile, read_range
from audiospec.audio.source import SourceFile
from audiospec.digests import version_bits
from audiospec.errors import AudioError
from audiospec.storage.location import Url
from audiospec.storage.opening import open_folder

#: Bytes of an object's beginning and end that are fetched first: a block that decoders look at, and a tag.
END_BYTES = (64 << 10) + 4096
#: Bytes that are fetched for a missed one.
RANGE_BYTES = 64 << 10
#: Most parts that are fetched after one try, and most bytes of one part. What a decoder asks for after it has
#: missed that many is not looked at: it has lost its way among the zeros.
MOST_PARTS, MOST_BYTES = 8, 256 << 10
#: Times that a decoder begins again before the whole object is fetched: behind a picture, FLAC needs three.
MOST_ROUNDS = 4
#: Bytes that a reader takes at a time.
_BUFFER = 1024
#: Suffixes of formats whose every frame is looked at.
_WALKED = frozenset(
    (".mp3", ".mp2", ".mp1", ".mpga", ".ogg", ".oga", ".opus", ".spx", ".aac", ".ac3", ".eac3")
)

T = TypeVar("T")


class PartialFile(SourceFile):
    """An object of which only some parts are here; the others are zeros.

    Parameters
    ----------
    file : AudioFile
        In a bucket; its size is known.

    Attributes
    ----------
    missed : list of (int, int)
        Parts that readers have asked for, in order, and that are not here: first byte, and the one behind the
        last. It ends with the first that is too large.
    """

    def __init__(self, file: AudioFile) -> None:
        self.file = file
        self.size, self.modified = file.size, version_bits(file.version)
        self.missed: list[tuple[int, int]] = []
        self._starts: list[int] = []
        self._parts: list[bytes | memoryview] = []

    def add(self, start: int, data: bytes | memoryview) -> None:
        """Add a part, which overlaps no other."""
        number = bisect_right(self._starts, start)
        self._starts.insert(number, start)
        self._parts.insert(number, data)

    def open(self) -> BufferedReader:
        """Open it for reading, with a position of its own; it has no descriptor."""
        if self.size == 0:
            raise AudioError("empty: the file has 0 bytes")
        return BufferedReader(_Reader(self), _BUFFER)

    def read(self, start: int, stop: int) -> bytes:
        """Return bytes; those that are not here are zeros, and noted as `missed`."""
        found = bytearray(stop - start)
        at = start
        number = max(0, bisect_right(self._starts, start) - 1)
        for first, part in zip(self._starts[number:], self._parts[number:], strict=True):
            begin, end = max(at, first), min(stop, first + len(part))
            if begin >= end:
                continue
            if begin > at:
                self._miss(at, begin)
            found[begin - start : end - start] = part[begin - first : end - first]
            at = end
        if at < stop:
            self._miss(at, stop)
        return bytes(found)

    def _miss(self, start: int, stop: int) -> None:
        if len(self.missed) == MOST_PARTS or (self.missed and _is_large(self.missed[-1])):
            return
        if self.missed and self.missed[-1][1] == start:
            self.missed[-1] = self.missed[-1][0], stop
        else:
            self.missed.append((start, stop))

    def wanted(self) -> list[tuple[int, int]]:
        """Return the ranges to fetch for what was missed, as first byte and length, and forget that.

        None are wanted if the first is too large: then it takes the whole object.
        """
        ranges: list[tuple[int, int]] = []
        for start, stop in sorted(part for part in self.missed if not _is_large(part)):
            start, stop = self._gap(start, max(stop, start + RANGE_BYTES))
            if ranges and start <= ranges[-1][1]:
                ranges[-1] = ranges[-1][0], max(stop, ranges[-1][1])
            else:
                ranges.append((start, stop))
        self.missed.clear()
        return [(start, stop - start) for start, stop in ranges]

    def _gap(self, start: int, stop: int) -> tuple[int, int]:
        """Return the part of a range that begins at a missed byte and is not here."""
        number = bisect_right(self._starts, start)
        return start, min([stop, self.size, *self._starts[number : number + 1]])


def _is_large(part: tuple[int, int]) -> bool:
    return part[1] - part[0] > MOST_BYTES


class _Reader(RawIOBase):
    """Reads a partial file."""

    def __init__(self, source: PartialFile) -> None:
        super().__init__()
        self._source, self._at = source, 0
        self.name = source.file.place.name  # FFmpeg looks at its suffix

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        target = offset + (0, self._at, self._source.size)[whence]
        if target < 0:
            raise OSError(22, os.strerror(22))  # as a file of a disk
        self._at = target
        return target

    def readinto(self, buffer: Any, /) -> int:
        stop = min(self._source.size, self._at + len(buffer))
        data = self._source.read(self._at, stop) if stop > self._at else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def for_each_object(
    files: Sequence[AudioFile], use: Callable[[SourceFile], T], *, whole: bool = False
) -> list[T | AudioError]:
    """Call a function for each of some objects, with as few of their bytes as it needs.

    Parameters
    ----------
    files : sequence of AudioFile
        Objects whose sizes and versions are known.
    use : callable
        It may be called several times for one object, and must not depend on other calls.
    whole : bool
        Whether to fetch whole objects at once.

    Returns
    -------
    list
        For each, in order, what the function returned for the bytes of the whole object, or its AudioError.

    Raises
    ------
    StorageError
        A bucket does not answer, or refuses.
    """
    results: dict[int, T | AudioError] = {}
    partial = {
        number: PartialFile(file)
        for number, file in enumerate(files)
        if not whole and file.place.suffix.lower() not in _WALKED
    }
    wanted = [(number, *part) for number, source in partial.items() for part in _ends(source.size)]
    for _ in range(MOST_ROUNDS):
        for (number, start, _), data in zip(wanted, _read(files, wanted), strict=True):
            if isinstance(data, AudioError):
                results[number] = data
                partial.pop(number, None)
            elif number in partial:
                partial[number].add(start, data)
        wanted = []
        for number, source in list(partial.items()):
            result = _result(source, use)
            if not source.missed:
                results[number] = result
            parts = source.wanted()
            wanted += [(number, *part) for part in parts]
            if not parts:
                del partial[number]
        if not wanted:
            break
    left = [number for number in range(len(files)) if number not in results]
    fetched = FetchedAhead(files[number] for number in left)
    try:
        for number in left:
            try:
                with fetched.next() as whole_file:
                    results[number] = _result(whole_file, use)
            except AudioError as error:
                results[number] = error
    finally:
        fetched.close()
    return [results[number] for number in range(len(files))]


def _result(source: SourceFile, use: Callable[[SourceFile], T]) -> T | AudioError:
    try:
        return use(source)
    except AudioError as error:
        return error


def _ends(size: int) -> list[tuple[int, int]]:
    """Return the ranges of an object that are fetched first: first byte and length."""
    if size <= 2 * END_BYTES:
        return [(0, size)] if size else []
    return [(0, END_BYTES), (size - END_BYTES, END_BYTES)]


def _read(
    files: Sequence[AudioFile], wanted: Sequence[tuple[int, int, int]]
) -> list[bytes | memoryview | AudioError]:
    """Read ranges of objects, many at a time: number of the object, first byte, length."""
    if not wanted:
        return []

    def read(range: tuple[int, int, int]) -> bytes | memoryview | AudioError:
        number, start, length = range
        place = files[number].place
        assert isinstance(place, Url)
        try:
            return read_range(open_folder(place.parent), place.name, start, length, files[number].version)
        except AudioError as error:
            return error

    return [*open_folder(files[wanted[0][0]].place.parent).map(read, wanted)]
