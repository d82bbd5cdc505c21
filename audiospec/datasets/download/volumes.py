"""Read a split zip file, whose parts are ``x.z01``, ``x.z02`` … and ``x.zip``, as one."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from audiospec.files import open_plain

_VOLUME = re.compile(r"(.+)\.z(\d{2,3})", re.ASCII | re.IGNORECASE)
# The end of a zip file: signature, disks, entries, size and offset of the directory, length of the comment.
_END = struct.Struct("<4s4H2LH")
_MOST_COMMENT = 0xFFFF


def grouped(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the volumes of each archive: ``{"x.zip": ["x.z01", "x.z02"]}`` of the three names, in order.

    Raises
    ------
    ValueError
        A volume is missing, or the archive that volumes are of.
    """
    names = list(names)
    archives: dict[str, list[str]] = {name: [] for name in names if not _VOLUME.fullmatch(name)}
    volumes = {name: match for name in names if (match := _VOLUME.fullmatch(name))}
    for name, match in sorted(volumes.items(), key=lambda item: int(item[1][2])):
        archive = f"{match[1]}.zip"
        if archive not in archives:
            raise ValueError(f"there is no {archive} to {name}")
        archives[archive].append(name)
        if len(archives[archive]) != int(match[2]):
            raise ValueError(f"a volume before {name} is missing")
    return archives


class _Joined(io.RawIOBase):
    """Files one after the other, for reading."""

    def __init__(self, files: Sequence[io.BufferedReader]) -> None:
        self.files = files
        self.starts = [0]
        for file in files:
            self.starts.append(self.starts[-1] + file.seek(0, io.SEEK_END))
        self.place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.starts[-1]}[whence]
        if base + offset < 0:
            raise ValueError(f"negative place {base + offset}")
        self.place = base + offset
        return self.place

    def readinto(self, buffer: Any, /) -> int:
        for file, start, stop in zip(self.files, self.starts, self.starts[1:], strict=False):
            if start <= self.place < stop:
                file.seek(self.place - start)
                count = file.readinto(memoryview(buffer)[: stop - self.place])
                self.place += count
                return count
        return 0


@contextlib.contextmanager
def split_zip(volumes: Sequence[Path]) -> Iterator[zipfile.ZipFile]:
    """Open a split zip file for reading.

    Python's reader takes the place of a member to be from the beginning of all, where a split file counts it
    from that of the member's volume; so the places are corrected.

    Parameters
    ----------
    volumes : sequence of Path
        The parts in order; the last is the ``.zip``.

    Raises
    ------
    ValueError, zipfile.BadZipFile
        The files are not all the parts of one zip file.
    OSError
        A file cannot be read.
    """
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open_plain(volume)) for volume in volumes]
        joined = _Joined(files)
        disks, directory = _end(joined)
        if disks != len(volumes):
            raise ValueError(f"it has {disks} volumes; got {len(volumes)}")
        bundle = stack.enter_context(zipfile.ZipFile(io.BufferedReader(joined)))
        # What the reader has added to each place, as if something stood before the zip file.
        added = bundle.start_dir - directory
        for entry in bundle.infolist():
            if not entry.volume < disks:
                raise ValueError(f"a member is in volume {entry.volume + 1} of {disks}")
            entry.header_offset += joined.starts[entry.volume] - added
            if hasattr(entry, "_end_offset"):  # the end of its data, also computed from the wrong places
                entry._end_offset = None
        yield bundle


def _end(joined: _Joined) -> tuple[int, int]:
    """Return how many volumes a zip file says it has, and where in the last its directory begins."""
    size = joined.starts[-1]
    joined.seek(max(0, size - _END.size - _MOST_COMMENT))
    tail = joined.readall()
    place = tail.rfind(b"PK\5\6")
    if place < 0 or place + _END.size > len(tail):
        raise zipfile.BadZipFile("the last volume has no end of a zip file")
    _, disk, _, _, _, _, directory, _ = _END.unpack_from(tail, place)
    return disk + 1, directory
