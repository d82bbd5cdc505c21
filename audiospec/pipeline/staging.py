"""Staged shards: the finished shards of unfinished views, in the work folder of a store.

The work folder is beside the store (``gtzan.zarr.work``) and is removed once nothing is left to finish. A
shard is staged as two files, named by the digest of what it contains: first the rows, then the commit, which
describes them. A shard without a commit does not exist, so a killed run leaves no shard that is half written.
The name of the file of rows has its checksum, too, and the commit names it: two machines whose results differ
in the last bit never mix the rows of one with the commit of the other.

Several tasks may compute rows of one shard. Each stages its rows as a fragment: a staged shard like any
other, which is named after its shard and removed once that is staged.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from audiospec.audio.quality import Quality
from audiospec.digests import checksum
from audiospec.errors import StoreError
from audiospec.storage.base import Entry
from audiospec.storage.location import Location
from audiospec.storage.opening import open_folder
from audiospec.stores.shards.format import is_compressed, read_shard, shard_parts
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
    quality : Quality or None
        What was measured of the sound; None if there is a problem, and in commits of older versions.
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
    quality: Quality | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object: an empty note is left out, as by older versions."""
        values = _values(self)
        if not self.note:
            del values["note"]
        if self.quality is None:
            del values["quality"]
        else:
            values["quality"] = self.quality.to_json()
        return values

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> DecodeResult:
        """Read what `to_json` returned."""
        quality = Quality.from_json(value["quality"]) if "quality" in value else None
        return cls(**{**value, "quality": quality})


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
    crc, size : int
        CRC-32C and size in bytes of the shard's file; -1 in commits of older versions.
    processor : str
        Kind of the processor that computed it, see `processor_kind`; ``""`` in commits of older versions.
    """

    rows: list[StagedRow]
    decoded: list[DecodeResult]
    capacity: int
    backend: str
    parity: float
    crc: int = -1
    size: int = -1
    processor: str = ""

    def file(self, digest: str) -> str:
        """Return the name, without its suffix, of the file with the rows of the shard with that digest."""
        return digest if self.crc < 0 else f"{digest}.{self.crc:08x}"

    def to_json(self) -> str:
        """Return the text of the commit's file."""
        values = {
            "rows": [_values(row) for row in self.rows],
            # The key as older versions wrote it: their work folders are resumed.
            "facts": [result.to_json() for result in self.decoded],
            "capacity": self.capacity,
            "backend": self.backend,
            "parity": self.parity,
            **({} if self.crc < 0 else {"crc": self.crc, "size": self.size}),
            **({"processor": self.processor} if self.processor else {}),
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
            int(value.get("crc", -1)),
            int(value.get("size", -1)),
            str(value.get("processor", "")),
        )


def _values(record: DecodeResult | StagedRow) -> dict[str, Any]:
    """Return a record's fields as a dict. `asdict` copies the values, which takes ten times as long."""
    return {name: getattr(record, name) for name in record.__slots__}


def digest_of(file: str) -> str:
    """Return the digest of the shard whose rows are in a file of that name; see `Commit.file`."""
    return file.partition(".")[0]


class WorkFolder:
    """The work folder of a store, as one run sees it: what it has read of it once is not read again.

    Parameters
    ----------
    place : Location
    """

    def __init__(self, place: Location) -> None:
        self.place = place
        self._views: dict[str, Staging] = {}

    def staging(self, view: str) -> Staging:
        """Return the staged shards of a view."""
        return self._views.setdefault(view, Staging(self.place, view))


class Staging:
    """The staged shards of one view.

    Parameters
    ----------
    work : Location
        The store's work folder.
    view : str
        The view's name.
    """

    def __init__(self, work: Location, view: str) -> None:
        self.place = work / view
        self.folder = open_folder(self.place)
        #: Key of a commit's file → the version that was read, and the commit.
        self._read: dict[str, tuple[str, Commit | None]] = {}
        #: The files, since they were last listed.
        self._entries: list[Entry] | None = None

    def shard(self, file: str) -> Location:
        """Return the place of the rows of a shard; `file` is `Commit.file`."""
        return self.place / f"{file}.shard"

    def put(self, digest: str, rows: NDArray[Any], commit: Commit) -> None:
        """Write a shard, then its commit."""
        parts = shard_parts(rows, commit.capacity)
        crc = 0
        for part in filter(len, parts):
            crc = int(google_crc32c.extend(crc, np.frombuffer(part, np.uint8)))
        commit = replace(commit, crc=crc, size=sum(memoryview(part).nbytes for part in parts))
        self.folder.write(f"{commit.file(digest)}.shard", *parts)
        self.folder.write(f"{digest}.json", commit.to_json().encode())
        self.forget()

    def get(self, digest: str) -> Commit | None:
        """Return the commit of a shard, as it is now; None if it does not exist or cannot be read."""
        return self._load(f"{digest}.json")

    def _load(self, key: str) -> Commit | None:
        try:
            return Commit.from_json(self.folder.read(key).decode())
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def commits(self) -> dict[str, Commit]:
        """Return digest → commit of every shard, in order of digest, as it was after the last `forget`."""
        commits, _ = self._state()
        return commits

    def forget(self) -> None:
        """List the files again when they are needed: workers have written some. What was read is kept."""
        self._entries = None

    def _state(self) -> tuple[dict[str, Commit], dict[str, int]]:
        """Return the commits, and the sizes in bytes of the files of rows: name without its suffix → size."""
        if self._entries is None:
            self._entries = list(self.folder.list())
        entries = self._entries
        sizes = {
            entry.key.removesuffix(".shard"): entry.size for entry in entries if entry.key.endswith(".shard")
        }
        versions = {entry.key: entry.version for entry in entries if entry.key.endswith(".json")}
        new = [key for key, version in versions.items() if self._read.get(key, ("", None))[0] != version]
        loaded = self.folder.map(self._load, new)
        self._read = {key: value for key, value in self._read.items() if key in versions}
        self._read.update({key: (versions[key], commit) for key, commit in zip(new, loaded, strict=True)})
        in_order = sorted(self._read.items())
        return {key.removesuffix(".json"): commit for key, (_, commit) in in_order if commit}, sizes

    def drop_corrupt(self, row_dtype: np.dtype[Any]) -> None:
        """Remove the commits of shards whose rows do not match their checksums, as after a loss of power.

        A bucket loses nothing that it has accepted: there, the sizes of the files are compared.

        Parameters
        ----------
        row_dtype : dtype
            One row, as a sub-array.
        """
        commits, sizes = self._state()
        corrupt = []
        for digest, commit in commits.items():
            if self.folder.is_local:
                intact = self._is_intact(commit.file(digest), commit, row_dtype)
            else:
                intact = sizes.get(commit.file(digest)) == commit.size
            if not intact:
                corrupt.append(f"{digest}.json")
        if corrupt:
            self.folder.remove(corrupt)
            self.forget()

    def _is_intact(self, file: str, commit: Commit, row_dtype: np.dtype[Any]) -> bool:
        try:
            rows = self.read(file, row_dtype, commit.capacity)[: len(commit.rows)]
            return [checksum(row) for row in rows] == [staged.checksum for staged in commit.rows]
        except StoreError:
            return False

    def read(self, file: str, row_dtype: np.dtype[Any], capacity: int) -> NDArray[Any] | PackedShard:
        """Read a shard's rows: mapped into memory, or a `PackedShard` if they are compressed.

        There may be more rows than the commit has; see `read_shard`.

        Parameters
        ----------
        file : str
            See `Commit.file`.
        row_dtype : dtype
            One row, as a sub-array.
        capacity : int
            As in the commit.

        Raises
        ------
        StoreError
            The file is missing or damaged.
        """
        folder = open_folder(self.place)  # a file that was opened before may have been replaced
        if is_compressed(row_dtype):
            return PackedShard(folder, f"{file}.shard", row_dtype, capacity)
        return read_shard(folder, f"{file}.shard", row_dtype, capacity)

    def remove(self, file: str) -> None:
        """Remove a shard, its commit first; `file` is `Commit.file`."""
        self.folder.remove([f"{digest_of(file)}.json"])
        self.folder.remove([f"{file}.shard"])
        self.forget()

    def clear(self) -> None:
        """Remove all shards."""
        self.folder.clear()
        self.forget()
