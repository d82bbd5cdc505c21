"""Spool: the tracks of each volume while a manifest is divided, on disk if they are many."""

from __future__ import annotations

import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import astuple
from typing import IO

from audiospec.manifest import Track

#: Tracks that are kept in memory before they are written to a file.
MOST_KEPT = 20_000


class Spool:
    """Tracks by volume, each in the order in which they were added.

    Parameters
    ----------
    most : int
        Tracks that are kept in memory; more are written to a temporary file, which goes with this object.
    """

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._kept: dict[int, list[Track]] = {}
        self._count = 0
        #: Volume → where its blocks are in the file, and their bytes.
        self._blocks: dict[int, list[tuple[int, int]]] = {}
        self._file: IO[bytes] | None = None

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, volume: int, track: Track) -> None:
        """Add a track of a volume."""
        self._kept.setdefault(volume, []).append(track)
        self._count += 1
        if self._count > self._most:
            self._write()

    def tracks(self, volume: int) -> Iterator[Track]:
        """Yield the tracks of a volume."""
        for start, size in self._blocks.get(volume, ()):
            assert self._file is not None
            self._file.seek(start)
            for line in zlib.decompress(self._file.read(size)).splitlines():
                id, path, label, group, fold, cluster = json.loads(line)
                yield Track(id=id, path=path, label=label, group=group, fold=fold, cluster=cluster)
        yield from self._kept.get(volume, ())

    def _write(self) -> None:
        """Write what is in memory to the file."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="audiospec-")  # noqa: SIM115 (see the class)
        for volume, tracks in self._kept.items():
            text = "\n".join(json.dumps(astuple(track)) for track in tracks)
            start = self._file.seek(0, os.SEEK_END)
            size = self._file.write(zlib.compress(text.encode(), 1))
            self._blocks.setdefault(volume, []).append((start, size))
        self._kept.clear()
        self._count = 0
