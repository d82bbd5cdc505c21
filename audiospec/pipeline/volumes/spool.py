"""Spool: the tracks of each volume while a manifest is divided, on disk if they are many."""

from __future__ import annotations

import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import IO, Any

from audiospec.annotations.annotation import Annotation
from audiospec.manifest import Track

#: Tracks that are kept in memory before they are written to a file.
MOST_KEPT = 20_000
#: Fields of a track that are texts.
_TEXTS = [field.name for field in fields(Track) if field.name not in ("annotations", "columns")]


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
                yield _track(json.loads(line))
        yield from self._kept.get(volume, ())

    def _write(self) -> None:
        """Write what is in memory to the file."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="audiospec-")  # noqa: SIM115 (see the class)
        for volume, tracks in self._kept.items():
            text = "\n".join(json.dumps(_values(track)) for track in tracks)
            start = self._file.seek(0, os.SEEK_END)
            size = self._file.write(zlib.compress(text.encode(), 1))
            self._blocks.setdefault(volume, []).append((start, size))
        self._kept.clear()
        self._count = 0


def _values(track: Track) -> list[Any]:
    """Return the texts of a track, and its annotations and columns if it has any."""
    texts = [getattr(track, name) for name in _TEXTS]
    if not (track.annotations or track.columns):
        return texts
    return [*texts, [asdict(one) for one in track.annotations], track.columns]


def _track(values: list[Any]) -> Track:
    """Return the track of what `_values` returned, read from JSON."""
    texts = dict(zip(_TEXTS, values, strict=False))
    if len(values) == len(_TEXTS):
        return Track(**texts)
    annotations, columns = values[len(_TEXTS) :]
    return Track(
        **texts,
        annotations=tuple(Annotation(**one) for one in annotations),
        columns=tuple((name, text) for name, text in columns),
    )
