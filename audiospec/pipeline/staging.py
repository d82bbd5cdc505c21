"""Staged shards: the finished shards of unfinished views, in the work folder of a store.

The work folder is beside the store (``gtzan.zarr.work``) and is removed once nothing is left to finish. A
shard is staged as two files, named by the digest of what it contains: first the rows, then the commit, which
describes them. A shard without a commit does not exist, so a killed run leaves no shard that is half written.

Several tasks may compute rows of one shard. Each stages its rows as a fragment: a staged shard like any
other, which is named after its shard and removed once that is staged.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.digests import checksum
from audiospec.errors import StoreError
from audiospec.files import write_bytes
from audiospec.stores.shards.format import is_compressed, map_shard, write_shard
from audiospec.stores.shards.packed import PackedShard


@dataclass(frozen=True, slots=True)
class DecodeResult:
    """The result of decoding a track to its end.

    Attributes
    ----------
    id : str
        Id of the track.
    hash : str
        Content hash.
    frames, sample_rate, channels : int
        Samples in each channel, Hz, channels. From the header if there is a problem; 0 if that is unreadable.
    problem : str
        Why the track cannot be used; ``""`` if it can.
    size, modified : int
        Bytes, and modification time in ns, of the file that was read.
    note : str
        What is odd about a track that has rows nevertheless; see `Recording`.
    """

    id: str
    hash: str
    frames: int
    sample_rate: int
    channels: int
    problem: str
    size: int
    modified: int
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object: an empty note is left out, as by older versions."""
        values = _values(self)
        if not self.note:
            del values["note"]
        return values

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> DecodeResult:
        """Read what `to_json` returned."""
        return cls(**value)


@dataclass(frozen=True, slots=True)
class StagedRow:
    """One row of a staged shard.

    Attributes
    ----------
    track : str
        Id of the track.
    start, samples : int
        First sample, and samples of audio, at the spec's rate. `samples` is 0 if the track has no audio
        there; such a row never gets into a view.
    source : int
        First 64 bits of the content hash of the file.
    checksum : int
        CRC-32C of the bytes of the row.
    """

    track: str
    start: int
    samples: int
    source: int
    checksum: int


def fragment(shard: str, first: int, last: int) -> str:
    """Return the digest of a fragment: the rows of a shard that one task computes, from `first` to `last`."""
    return f"{shard}-{first}-{last}"


def is_fragment(digest: str, shard: str) -> bool:
    """Whether a digest is that of a fragment of a shard."""
    return digest.startswith(f"{shard}-")


@dataclass(frozen=True, slots=True)
class Commit:
    """The description of a staged shard, stored beside it.

    Attributes
    ----------
    rows : list of StagedRow
    decoded : list of DecodeResult
        Those of the tracks that end in the shard.
    capacity : int
        Number of rows that the shard's file has room for.
    backend : str
        The frontend's backend.
    parity : float
        The frontend's largest difference from float64, in its own measure.
    """

    rows: list[StagedRow]
    decoded: list[DecodeResult]
    capacity: int
    backend: str
    parity: float

    def to_json(self) -> str:
        """Return the text of the commit's file."""
        values = {
            "rows": [_values(row) for row in self.rows],
            # The key as older versions wrote it: their work folders are resumed.
            "facts": [result.to_json() for result in self.decoded],
            "capacity": self.capacity,
            "backend": self.backend,
            "parity": self.parity,
        }
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> Commit:
        """Read what `to_json` returned."""
        value = json.loads(text)
        return cls(
            [StagedRow(**row) for row in value["rows"]],
            [DecodeResult.from_json(result) for result in value["facts"]],
            int(value["capacity"]),
            str(value["backend"]),
            float(value["parity"]),
        )


def _values(record: DecodeResult | StagedRow) -> dict[str, Any]:
    """Return a record's fields as a dict. `asdict` copies the values, which takes ten times as long."""
    return {name: getattr(record, name) for name in record.__slots__}


class Staging:
    """The staged shards of one view.

    Parameters
    ----------
    work : Path
        The store's work folder.
    view : str
        The view's name.
    """

    def __init__(self, work: Path, view: str) -> None:
        self.folder = work / view

    def shard(self, digest: str) -> Path:
        """Return the path of a shard's rows."""
        return self.folder / f"{digest}.shard"

    def put(self, digest: str, rows: NDArray[Any], commit: Commit) -> None:
        """Write a shard, then its commit."""
        self.folder.mkdir(exist_ok=True)
        write_shard(self.shard(digest), rows, commit.capacity)
        write_bytes(self.folder / f"{digest}.json", commit.to_json().encode())

    def get(self, digest: str) -> Commit | None:
        """Return the commit of a shard; None if it does not exist or cannot be read."""
        try:
            return Commit.from_json((self.folder / f"{digest}.json").read_text())
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def commits(self) -> Iterator[tuple[str, Commit]]:
        """Yield digest and commit of every shard, in order of digest."""
        for file in sorted(self.folder.glob("*.json")):
            commit = self.get(file.stem)
            if commit is not None:
                yield file.stem, commit

    def drop_corrupt(self, row_dtype: np.dtype[Any]) -> None:
        """Remove the commits of shards whose rows do not match their checksums, as after a loss of power.

        Parameters
        ----------
        row_dtype : dtype
            One row, as a sub-array.
        """
        for digest, commit in list(self.commits()):
            try:
                rows = self.read(digest, row_dtype, commit.capacity)[: len(commit.rows)]
                intact = [checksum(row) for row in rows] == [staged.checksum for staged in commit.rows]
            except StoreError:
                intact = False
            if not intact:
                (self.folder / f"{digest}.json").unlink()

    def read(self, digest: str, row_dtype: np.dtype[Any], capacity: int) -> NDArray[Any] | PackedShard:
        """Read a shard's rows: mapped into memory, or a `PackedShard` if they are compressed.

        There may be more rows than the commit has; see `map_shard`.

        Parameters
        ----------
        digest : str
        row_dtype : dtype
            One row, as a sub-array.
        capacity : int
            As in the commit.

        Raises
        ------
        StoreError
            The file is missing or damaged.
        """
        file = self.shard(digest)
        if is_compressed(row_dtype):
            return PackedShard(file, row_dtype, capacity)
        return map_shard(file, row_dtype, capacity)

    def remove(self, digest: str) -> None:
        """Remove a shard, its commit first."""
        (self.folder / f"{digest}.json").unlink(missing_ok=True)
        self.shard(digest).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove all shards."""
        if self.folder.exists():
            shutil.rmtree(self.folder)
