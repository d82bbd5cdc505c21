"""The work folder of a store: its lock, and the finished shards of views that are not whole yet.

It lies beside the store (``gtzan.zarr.work``) and is gone when nothing is left to finish. A shard is kept
under the digest of what it is to hold, as two files: the rows, then its commit, which says what the rows
are. A shard without a commit does not exist; so a run that is killed leaves nothing that is half true.

Rows of one shard may be computed by several tasks. Each stages its own as a fragment: a staged shard like any
other, which is named after its shard and removed once that is there.
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
    """What was learnt by decoding a track to its end.

    Attributes
    ----------
    id : str
        The track's.
    hash : str
        Content hash.
    frames, sample_rate, channels : int
        Samples in each channel, Hz, channels; as its header says where there is a problem.
    problem : str
        Why the track can have no rows; ``""`` if it can.
    size, modified : int
        Bytes, and modification time in ns, of the file that was read.
    """

    id: str
    hash: str
    frames: int
    sample_rate: int
    channels: int
    problem: str
    size: int
    modified: int

    def to_json(self) -> dict[str, Any]:
        """An object with these fields."""
        return _values(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> DecodeResult:
        """What `to_json` returned."""
        return cls(**value)


@dataclass(frozen=True, slots=True)
class StagedRow:
    """One row of a staged shard: what it holds, and the checksum of its bytes.

    `samples` is 0 if the track gave no audio for it; such a row is never put into a view.
    """

    track: str
    start: int
    samples: int
    source: int
    checksum: int


def fragment(shard: str, first: int, last: int) -> str:
    """Digest of a fragment: the part of a shard whose rows one task computes, from `first` to `last`."""
    return f"{shard}-{first}-{last}"


def is_fragment(digest: str, shard: str) -> bool:
    """Whether a digest is that of a fragment of a shard."""
    return digest.startswith(f"{shard}-")


@dataclass(frozen=True, slots=True)
class Commit:
    """What a staged shard holds, what was learnt of the tracks that ended in it, and how it was computed.

    `capacity` is the number of rows that the shard has room for, `parity` the frontend's largest difference
    from float64.
    """

    rows: list[StagedRow]
    decoded: list[DecodeResult]
    capacity: int
    backend: str
    parity: float

    def to_json(self) -> str:
        """The commit as the text of its file."""
        values = {
            "rows": [_values(row) for row in self.rows],
            "facts": [result.to_json() for result in self.decoded],  # the key that work folders have
            "capacity": self.capacity,
            "backend": self.backend,
            "parity": self.parity,
        }
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> Commit:
        """What `to_json` wrote."""
        value = json.loads(text)
        return cls(
            [StagedRow(**row) for row in value["rows"]],
            [DecodeResult.from_json(result) for result in value["facts"]],
            int(value["capacity"]),
            str(value["backend"]),
            float(value["parity"]),
        )


def _values(record: DecodeResult | StagedRow) -> dict[str, Any]:
    """A record's fields; `asdict`, which copies their values, takes ten times as long."""
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
        """The file of a shard's rows."""
        return self.folder / f"{digest}.shard"

    def put(self, digest: str, rows: NDArray[Any], commit: Commit) -> None:
        """Write a shard, then its commit."""
        self.folder.mkdir(exist_ok=True)
        write_shard(self.shard(digest), rows, commit.capacity)
        write_bytes(self.folder / f"{digest}.json", commit.to_json().encode())

    def get(self, digest: str) -> Commit | None:
        """The commit of a shard; None if the shard is not there, or its commit cannot be read."""
        try:
            return Commit.from_json((self.folder / f"{digest}.json").read_text())
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def commits(self) -> Iterator[tuple[str, Commit]]:
        """Digest and commit of every shard."""
        for file in sorted(self.folder.glob("*.json")):
            commit = self.get(file.stem)
            if commit is not None:
                yield file.stem, commit

    def drop_corrupt(self, row: np.dtype[Any]) -> None:
        """Forget the shards whose bytes are not what their commits say: those that a loss of power spoilt.

        Parameters
        ----------
        row : dtype
            One row, as a sub-array.
        """
        for digest, commit in list(self.commits()):
            try:
                rows = self.read(digest, row, commit.capacity)[: len(commit.rows)]
                sound = [checksum(held) for held in rows] == [said.checksum for said in commit.rows]
            except StoreError:
                sound = False
            if not sound:
                (self.folder / f"{digest}.json").unlink()

    def read(self, digest: str, row: np.dtype[Any], capacity: int) -> NDArray[Any] | PackedShard:
        """A shard's rows, mapped into memory unless compressed; see `map_shard` for what may follow them."""
        file = self.shard(digest)
        return PackedShard(file, row, capacity) if is_compressed(row) else map_shard(file, row, capacity)

    def remove(self, digest: str) -> None:
        """Remove a shard, its commit first."""
        (self.folder / f"{digest}.json").unlink(missing_ok=True)
        self.shard(digest).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove all shards."""
        if self.folder.exists():
            shutil.rmtree(self.folder)
