"""Check the boxes of MP4 and its relatives (m4a, mov, 3gp): whether they fit each other and the file.

Source: ISO/IEC 14496-12.
"""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from audiospec.audio.decoders.base import cut

#: Boxes that hold nothing but boxes.
_PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf", b"mvex", b"edts"}
#: Boxes that hold a table → where its count stands in the box, and the bytes of an entry.
_TABLES = {
    b"stts": (12, 8),
    b"ctts": (12, 8),
    b"stsc": (12, 12),
    b"stco": (12, 4),
    b"co64": (12, 8),
    b"stss": (12, 4),
}
#: Boxes without which samples are missing or misplaced.
_NEEDED = _PARENTS | set(_TABLES) | {b"mdat", b"stsz", b"mdhd", b"mvhd", b"tkhd", b"hdlr", b"elst", b"stsd"}
_NEEDED |= {b"trex", b"trun", b"tfhd", b"sgpd", b"sbgp"}
#: Further boxes that differ from one of those by a single bit.
_LOOK_ALIKE = {b"mfhd", b"mehd", b"stps", b"tref"}
#: Bytes of a table that are read.
_MOST_TABLE = 1 << 27


def check_boxes(file: BinaryIO, size: int) -> str:
    """Return what is wrong with the boxes of a file of `size` bytes; ``""`` if nothing is.

    A box or table that announces more than there is, a track whose tables disagree about its samples, and
    samples outside of the file are found.
    """
    return _Checker(file, size).run()


class _Checker:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size
        self.has_header = False
        self.track: dict[bytes, tuple[int, int]] = {}  # tables of the current track: their places and lengths

    def run(self) -> str:
        problem = self.boxes(0, self.size, top=True)
        if not problem and not self.has_header:
            return "truncated: the file has no header (moov): its recorder did not finish it"
        return problem

    def boxes(self, at: int, end: int, *, top: bool = False) -> str:
        """Check the boxes from `at` to `end`; return what is wrong."""
        while at + 8 <= end:
            self.file.seek(at)
            head = self.file.read(24)
            length, name, begin = int.from_bytes(head[:4]), head[4:8], at + 8
            if length == 1:
                length, begin = int.from_bytes(head[8:16]), at + 16
            elif length == 0:  # to the end
                if not any(head[:8]):
                    return ""  # zeros behind the last box
                length = end - at
            shown = name.decode("latin-1") if name.isalnum() else name.hex()
            self.has_header = self.has_header or name in (b"moov", b"moof")
            if length < begin - at:
                return f"damaged: the box {shown} has a wrong size"
            if at + length > end:
                if top:
                    return f"truncated: the box {shown} announces {length} bytes, {end - at} are there"
                return f"damaged: the box {shown} is larger than the one around it"
            problem = self.box(name, at, length, begin, head)
            if problem:
                return problem.replace("BOX", shown)
            at += length
        return ""

    def box(self, name: bytes, at: int, length: int, begin: int, head: bytes) -> str:
        """Check one box; return what is wrong, with ``BOX`` for its name."""
        if name not in _NEEDED and name not in _LOOK_ALIKE:
            code = int.from_bytes(name)
            if any((code ^ int.from_bytes(known)).bit_count() == 1 for known in _NEEDED):
                return "damaged: the name of the box BOX is wrong"
            return ""
        if name in _PARENTS:
            if name == b"trak":
                self.track = {}
            problem = self.boxes(begin, at + length)
            return problem or (self.tables() if name == b"trak" else "")
        self.track[name] = (at, length)
        entry = 0
        if name in _TABLES:
            place, entry = _TABLES[name]
            count = int.from_bytes(head[place : place + 4])
        elif name == b"stsz":
            place, entry, count = 16, 4, 0 if any(head[12:16]) else int.from_bytes(head[16:20])
        elif name == b"elst":
            place, entry, count = 12, 20 if head[8] else 12, int.from_bytes(head[12:16])
        if name in (b"elst", b"mvhd", b"tkhd", b"mdhd") and head[8] > 1:
            return "damaged: the box BOX has an unknown version"
        if entry and place + 4 + count * entry > length:
            return f"damaged: the table BOX announces {count} entries, more than it holds"
        return ""

    def table(self, name: bytes, skipped: int, kind: str, columns: int = 1) -> NDArray[Any] | None:
        """Return the entries of a table of the track (n, columns); None if it has none."""
        if name not in self.track:
            return None
        at, length = self.track[name]
        self.file.seek(at + skipped)
        count = int.from_bytes(self.file.read(4))
        width = np.dtype(kind).itemsize * columns
        if length > _MOST_TABLE or skipped + 4 + count * width > length:
            return None
        return np.frombuffer(self.file.read(count * width), kind).reshape(-1, columns).astype(np.int64)

    def tables(self) -> str:
        """Check the tables of a track of sound against each other; return what is wrong."""
        handler = self.track.get(b"hdlr")
        if handler is None or b"stsz" not in self.track:
            return ""
        self.file.seek(handler[0] + 16)
        if self.file.read(4) != b"soun":
            return ""
        self.file.seek(self.track[b"stsz"][0] + 12)
        same, count = int.from_bytes(self.file.read(4)), int.from_bytes(self.file.read(4))
        times = self.table(b"stts", 12, ">u4", 2)
        if times is not None and count and times[:, 0].sum() != count:
            return f"damaged: a track has {count} samples by one table, {times[:, 0].sum()} by another"
        if times is not None and b"mdhd" in self.track:
            self.file.seek(self.track[b"mdhd"][0] + 8)
            head = self.file.read(36)
            length = int.from_bytes(head[24:32] if head[0] else head[16:20])
            total = int((times[:, 0] * times[:, 1]).sum())
            # A length of zero, or of ones only, is none.
            if 0 < length < (1 << 32) - 1 and abs(total - length) > max(4096, length // 50):
                return f"damaged: a track has a length of {length} by its header, {total} by its table"
        runs = self.table(b"stsc", 12, ">u4", 3)
        chunks = self.table(b"stco", 12, ">u4")
        chunks = self.table(b"co64", 12, ">i8") if chunks is None else chunks
        sizes = None if same else self.table(b"stsz", 16, ">u4")
        if runs is None or chunks is None or sizes is None or not len(runs) or not len(chunks):
            return ""  # samples of one size are those of PCM, whose length needs no table
        firsts = np.append(runs[:, 0], len(chunks) + 1)
        if firsts[0] != 1 or (np.diff(firsts) < 0).any():
            return "damaged: the chunks of a track are out of order"
        per_chunk = np.repeat(runs[:, 1], np.diff(firsts))
        if per_chunk.sum() != count:
            return f"damaged: a track has {count} samples, its chunks hold {per_chunk.sum()}"
        ends = np.cumsum(sizes[:, 0])
        last = np.cumsum(per_chunk)
        held = np.diff(np.append(0, ends[last - 1] if count else last))
        chunk_ends = chunks[:, 0] + held
        if chunk_ends.max() > self.size:
            # A chunk may hold the whole track: look where each of its samples ends.
            begins = np.repeat(chunks[:, 0] - (ends[last - 1] - held), per_chunk)
            return self.cut(begins + ends <= self.size, times)
        following = chunks[1:, 0]
        if (np.diff(chunks[:, 0]) > 0).all() and (chunk_ends[:-1] > following).any():
            return "damaged: the chunks of a track overlap"
        return ""

    def cut(self, there: NDArray[np.bool_], times: NDArray[Any] | None) -> str:
        """Return the loss of a track of which only some samples (packets of sound) are in the file."""
        if times is None or b"mdhd" not in self.track:
            return f"truncated: a track announces {len(there)} packets; {there.sum()} of them are there"
        self.file.seek(self.track[b"mdhd"][0] + 8)
        head = self.file.read(36)
        scale = max(1, int.from_bytes(head[20:24] if head[0] else head[12:16]))
        durations = np.repeat(times[:, 1], times[:, 0]) / scale
        announced, left = durations.sum(), durations[there].sum()
        return cut(announced, left)
