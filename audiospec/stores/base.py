"""FeatureStore and View: what a store holds, how it is read and checked; the registry of stores.

A store holds one table of tracks and any number of views. A view is one spec × one chunking: a table of
rows and one array, row by row. Views are written whole (see `NewView`), so what can be opened is finished.
"""

from __future__ import annotations

import math
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from audiospec.chunking import Chunking
from audiospec.errors import AudiospecError, RowIndexError, SpecError, StoreError, nearest
from audiospec.registry import Registry
from audiospec.spec import FeatureSpec, TableSpec, digest
from audiospec.stores._files import checksum, chunk_rows, packs

if TYPE_CHECKING:
    import pandas

    from audiospec.stores._torch import ViewDataset

#: Version of the layout; a store of a newer one is refused.
FORMAT_VERSION = 1

#: Columns of the track table, and their types. ``str`` columns hold text of any length.
TRACK_COLUMNS: dict[str, type | str] = {
    "id": str,
    "path": str,  # "" if the track came with a table and has no audio
    "label": str,
    "group": str,
    "fold": str,
    "hash": str,  # XXH3-128 of the file
    "seconds": "<f8",
    "sample_rate": "<i4",  # Hz, of the file
    "channels": "<i4",
    "problem": str,  # why the track has no rows, or that its file is gone; "" if all is well
    "size": "<i8",  # bytes of the file, when its hash was taken
    "modified": "<i8",  # its modification time in ns since 1970, at the same moment
}

#: Columns of a view's row table.
ROW_DTYPE = np.dtype(
    [
        ("track", "<i4"),  # index into the track table
        ("start", "<f8"),  # s
        ("seconds", "<f8"),  # s of audio; less than the chunk if its end is padded
        ("checksum", "<u4"),  # CRC-32C of the row's bytes
        ("source", "<u8"),  # first 64 bits of the hash of the file that it was computed from; 0: a table
    ]
)

#: What `View.to_pandas` has before the features.
VIEW_COLUMNS = ("id", "label", "group", "fold", "start", "seconds")

Rows = NDArray[Any]


class ReplacedError(StoreError):
    """A view was written again since it was opened."""


def replaced(view: str) -> ReplacedError:
    """The error for a view that was written again since it was opened."""
    return ReplacedError(f"view {view} was written again since it was opened: open it again")


@dataclass(frozen=True, eq=False)
class Tracks:
    """The track table: one array for each of `TRACK_COLUMNS`, all of one length.

    Raises
    ------
    StoreError
        A column is missing or has another length.
    """

    columns: Mapping[str, NDArray[Any]]

    def __post_init__(self) -> None:
        for name in TRACK_COLUMNS:
            if name not in self.columns:
                raise StoreError(f"the track table has no column {name!r}: the store is damaged")
            if len(self.columns[name]) != len(self):
                raise StoreError(f"column {name!r} of the track table has another length: it is damaged")

    @classmethod
    def from_records(cls, records: Sequence[Mapping[str, Any]]) -> Tracks:
        r"""A table of rows given as mappings.

        Text that no table can hold (half of a surrogate pair, NUL) is kept as its escape, such as
        ``\udc80`` or ``\x00``.
        """
        columns = {}
        for name, kind in TRACK_COLUMNS.items():
            values = [record[name] for record in records]
            if kind is str:
                columns[name] = np.array([_storable(value) for value in values], dtype=object)
            else:
                columns[name] = np.array(values, dtype=kind)
        return cls(columns)

    def records(self) -> Iterator[dict[str, Any]]:
        """The rows as mappings of plain Python values."""
        lists = [self.columns[name].tolist() for name in TRACK_COLUMNS]
        for values in zip(*lists, strict=True):
            yield dict(zip(TRACK_COLUMNS, values, strict=True))

    def __len__(self) -> int:
        return len(self.columns["id"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    @cached_property
    def index(self) -> dict[str, int]:
        """Track id → place in the table."""
        return {id: i for i, id in enumerate(self["id"].tolist())}

    @property
    def problems(self) -> dict[str, str]:
        """Track id → reason, for each track with a problem."""
        pairs = zip(self["id"].tolist(), self["problem"].tolist(), strict=True)
        return {id: problem for id, problem in pairs if problem}


@dataclass(frozen=True, kw_only=True)
class ViewInfo:
    """What a view says of itself; its attributes in the store.

    Attributes
    ----------
    spec : FeatureSpec
    chunking : Chunking
    shard_rows : int
        Rows in one shard; the last may have fewer.
    made : mapping
        How it was computed: ``versions`` of the libraries, ``device``, ``backend`` and ``parity`` (the
        largest difference from float64, in the measure of `Frontend.parity`). Of a view that was imported:
        ``versions``, and ``table``, the name of the file.
    """

    spec: FeatureSpec
    chunking: Chunking
    shard_rows: int
    made: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Such as ``"mel-10s-3f9a1c"``: feature, chunking, and six digits of both."""
        key = digest([self.spec.to_dict(), self.chunking.to_dict()])
        return f"{self.spec.feature}-{self.chunking.name()}-{key[:6]}"

    @cached_property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of one row."""
        return self.spec.row_shape(self.chunking.samples(self.spec.sample_rate))

    @property
    def row_dtype(self) -> np.dtype[Any]:
        """One row as a sub-array dtype."""
        return np.dtype((np.dtype(self.spec.dtype).newbyteorder("<"), self.row_shape))

    @property
    def chunk_rows(self) -> int:
        """Rows in one chunk of the store's array."""
        return chunk_rows(self.row_shape, self.shard_rows)

    @property
    def row_bytes(self) -> int:
        """Size of one row in bytes, as it is stored but for compression."""
        return self.row_dtype.itemsize

    @property
    def read_bytes(self) -> int:
        """Size of one row in bytes, as `View.read` gives it."""
        return self.row_bytes if self.spec.code is None else 4 * math.prod(self.row_shape)

    def coordinates(self) -> dict[str, tuple[list[float] | list[str], str]]:
        """For each axis of a row: its values, and their unit."""
        return self.spec.coordinates(self.chunking.samples(self.spec.sample_rate))

    def to_attributes(self) -> dict[str, Any]:
        """The attributes that a store keeps with the view."""
        return {
            "spec": self.spec.to_dict(),
            "fingerprint": self.spec.fingerprint,
            "chunking": self.chunking.to_dict(),
            "unit": self.spec.unit,
            "shard_rows": self.shard_rows,
            "made": dict(self.made),
            "sealed": True,
            **({} if self.spec.code is None else self.spec.code.to_attributes()),
        }

    def data_attributes(self) -> dict[str, Any]:
        """The attributes of the array itself; of a code by the names of CF, so that xarray decodes it."""
        code = self.spec.code
        cf = {} if code is None else {"scale_factor": code.scale, "add_offset": code.offset}
        return {"unit": self.spec.unit, **cf}

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any], view: str) -> ViewInfo:
        """What `to_attributes` wrote, for the view of that name.

        Raises
        ------
        StoreError
            Something is missing, or spec and fingerprint do not match.
        """
        try:
            spec = FeatureSpec.from_dict(attributes["spec"])
            info = cls(
                spec=spec,
                chunking=Chunking.from_dict(attributes["chunking"]),
                shard_rows=int(attributes["shard_rows"]),
                made=dict(attributes["made"]),
            )
            if info.shard_rows < 1:
                raise ValueError(f"shard_rows is {info.shard_rows}")
            if spec.code is not None and not spec.code.is_of(attributes):
                raise ValueError(f"scale and offset are not those of its spec, {spec.code}")
        except SpecError:
            raise
        except (AudiospecError, KeyError, TypeError, ValueError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else error
            raise StoreError(f"attributes of view {view} are damaged ({what}): featurize again") from error
        if attributes.get("fingerprint") != spec.fingerprint:
            raise StoreError(
                f"the spec of view {view} does not match its fingerprint: the store was changed by hand, "
                "featurize again"
            )
        return info


@dataclass(frozen=True)
class ShardSource:
    """Where a shard of a new view comes from.

    Attributes
    ----------
    load : callable
        Returns its rows, shape (n, *row_shape).
    file : Path or None
        The same rows as a file that `write_shard` made, if there is one.
    """

    load: Callable[[], NDArray[Any]]
    file: Path | None = None


@dataclass(frozen=True)
class NewView:
    """A finished view, to be put into a store.

    Attributes
    ----------
    info : ViewInfo
    rows : ndarray of ROW_DTYPE
    shard : callable
        Shard number → its source.
    """

    info: ViewInfo
    rows: Rows
    shard: Callable[[int], ShardSource]

    def shards(self) -> Iterator[tuple[slice, ShardSource]]:
        """Each shard's rows and source."""
        for number, first in enumerate(range(0, len(self.rows), self.info.shard_rows)):
            yield slice(first, min(first + self.info.shard_rows, len(self.rows))), self.shard(number)


class View(ABC):
    """One feature of all tracks, cut one way: a table of rows and one array. Read-only.

    A view can be pickled and used in other processes; each opens the store by itself.

    Attributes
    ----------
    store : FeatureStore
    info : ViewInfo
    rows : ndarray of ROW_DTYPE
        The row table: track, start (s), seconds (s), checksum, source.
    """

    def __init__(self, store: FeatureStore, info: ViewInfo, rows: Rows) -> None:
        self.store = store
        self.info = info
        self.rows = rows

    def __repr__(self) -> str:
        return f"<View {self.name} of {self.store.path}: {self.shape} {self.spec.dtype}>"

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def name(self) -> str:
        """Such as ``"mel-10s-3f9a1c"``."""
        return self.info.name

    @property
    def spec(self) -> FeatureSpec:
        """How the feature is computed."""
        return self.info.spec

    @property
    def chunking(self) -> Chunking:
        """How tracks are cut."""
        return self.info.chunking

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, *row_shape)."""
        return (len(self.rows), *self.info.row_shape)

    @property
    def ids(self) -> NDArray[Any]:
        """Track id of each row, text."""
        return self._of_tracks("id")

    @property
    def labels(self) -> NDArray[Any]:
        """Label of each row, text."""
        return self._of_tracks("label")

    @property
    def groups(self) -> NDArray[Any]:
        """Group of each row, text; ``""`` if unknown."""
        return self._of_tracks("group")

    @property
    def folds(self) -> NDArray[Any]:
        """Fold of each row, text; ``""`` if the dataset has none."""
        return self._of_tracks("fold")

    def _of_tracks(self, column: str) -> NDArray[Any]:
        """A column of the track table, for each row."""
        tracks, numbers = self.store.tracks, self.rows["track"]
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(tracks):
            raise StoreError(
                f"view {self.name} has rows of track {numbers.max()}, {self.store.path} has {len(tracks)} "
                "tracks: open the store again; if that does not help it is damaged, featurize again"
            )
        values: NDArray[Any] = tracks[column][numbers]
        return values

    @property
    def classes(self) -> list[str]:
        """The labels of the view's rows, sorted."""
        return sorted(set(self.labels.tolist()))

    @property
    def columns(self) -> list[str]:
        """Names of a row's numbers, for a feature with one number a column.

        Raises
        ------
        StoreError
            A feature of another shape.
        """
        if self.spec.dims != ("feature",):
            raise StoreError(
                f"view {self.name} is no table: expected one number a column, feature {self.spec.feature!r} "
                f"has rows of ({', '.join(self.spec.dims)}); choose a view of tabular or table"
            )
        return [str(name) for name in self.info.coordinates()["feature"][0]]

    def rows_of(self, track: str) -> NDArray[np.int64]:
        """Row numbers of a track, in order of start.

        Parameters
        ----------
        track : str
            Track id, or the stem of its file if only one track has it.

        Raises
        ------
        StoreError
            No such track, or it has no rows (with the reason).
        """
        number = self.store.find_track(track)
        rows = np.flatnonzero(self.rows["track"] == number)
        if not len(rows):
            problem = self.store.tracks["problem"][number] or self.skipped().get(
                str(self.store.tracks["id"][number]), "it is not in this view"
            )
            raise StoreError(f"track {track!r} has no rows in view {self.name}: {problem}")
        return rows

    def skipped(self) -> dict[str, str]:
        """Track id → reason, for each track without a problem that has no rows: too short, or no audio."""
        from audiospec.audio import AudioInfo

        tracks, rate = self.store.tracks, self.spec.sample_rate
        present = set(self.rows["track"].tolist())
        reasons = {}
        for i, record in enumerate(tracks.records()):
            if i in present or record["problem"]:
                continue
            if isinstance(self.spec, TableSpec):
                reasons[record["id"]] = "not in the table"
            elif not record["path"]:
                reasons[record["id"]] = "no audio: it came with a table, and the dataset has no such file"
            else:
                info = AudioInfo.of(record)
                samples = info.samples(rate) if info.sample_rate else 0
                reason = self.chunking.reason_to_skip(samples, rate, self.spec.least_samples)
                reasons[record["id"]] = reason or "not computed yet: featurize again"
        return reasons

    def stale(self) -> list[str]:
        """Ids of tracks whose file has changed since their rows were computed."""
        now = np.array([source_bits(hash) for hash in self._of_tracks("hash")], np.uint64)
        # 0: not computed from audio, but taken over from a table.
        changed = (self.rows["source"] != now) & (self.rows["source"] != 0)
        return [str(id) for id in self.store.tracks["id"][np.unique(self.rows["track"][changed])]]

    def read(self, rows: int | slice | Sequence[int] | NDArray[Any] | None = None) -> NDArray[Any]:
        """Read rows into memory.

        Parameters
        ----------
        rows : int, slice, sequence of int, boolean mask, or None
            Row numbers in any order, with repeats; negative ones count from the end. None reads all.

        Returns
        -------
        ndarray of spec.dtype, shape (n, *row_shape); (*row_shape) for one number
            In the order asked for. Of dtype uint8 the decibels, as float32, which are off by half of the
            code's scale at the most (`FeatureSpec.code`).

        Raises
        ------
        RowIndexError
            A row that the view does not have.
        StoreError
            A shard is missing or damaged.
        """
        held = self.read_stored(rows)
        return held if self.spec.code is None else self.spec.code.decode(held)

    def read_stored(self, rows: int | slice | Sequence[int] | NDArray[Any] | None = None) -> NDArray[Any]:
        """Read rows as they are stored: what checksums are of, and what is copied to other stores.

        Returns
        -------
        ndarray of spec.dtype, shape (n, *row_shape); (*row_shape) for one number
            As `read`, but of dtype uint8 the bytes.

        Raises
        ------
        RowIndexError, StoreError
            As `read`.
        """
        count = len(self.rows)
        if rows is None:
            rows = slice(None)
        try:
            chosen = np.arange(count)[rows] if isinstance(rows, slice) else np.asarray(rows)
        except (TypeError, ValueError) as error:
            raise RowIndexError(
                f"expected row numbers, a slice or a mask; got a {type(rows).__name__} ({error})"
            ) from error
        if chosen.dtype == bool:
            if chosen.shape != (count,):
                raise RowIndexError(f"expected a mask of {count} rows; got shape {chosen.shape}")
            chosen = np.flatnonzero(chosen)
        if chosen.size == 0:
            chosen = chosen.astype(np.int64)
        if not np.issubdtype(chosen.dtype, np.integer) or chosen.ndim > 1:
            raise RowIndexError(
                f"expected row numbers, a slice or a mask; got {chosen.dtype}, shape {chosen.shape}"
            )
        numbers = chosen.reshape(-1)
        outside = (numbers < -count) | (numbers >= count)
        if outside.any():
            raise RowIndexError(
                f"view {self.name} has {f'rows 0 to {count - 1}' if count else 'no rows'}; "
                f"got {numbers[outside][0]}"
            )
        flat = numbers.astype(np.int64)
        flat[flat < 0] += count
        out = np.empty((len(flat), *self.info.row_shape), self.info.row_dtype.base)
        if len(flat):
            self._read(flat, out)
        return out if chosen.ndim else out[0]

    @abstractmethod
    def _read(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        """Read rows (valid, in any order) into `out`."""

    def damaged(self, step: Callable[[int], None] | None = None) -> NDArray[np.int64]:
        """Reread every row; the numbers of those that are unreadable or fail their checksum.

        Parameters
        ----------
        step : callable or None
            Called with the number of rows checked so far.
        """
        bad: list[int] = []
        for first in range(0, len(self), self.info.shard_rows):
            numbers = range(first, min(first + self.info.shard_rows, len(self)))
            bad += self._damaged_of(numbers)
            if step is not None:
                step(numbers[-1] + 1)
        return np.array(bad, np.int64)

    def _damaged_of(self, numbers: range) -> list[int]:
        """The damaged rows among some that follow one another."""
        try:
            rows = self.read_stored(np.asarray(numbers))
        except ReplacedError:
            raise
        except (StoreError, OSError):
            if len(numbers) == 1 or not packs(self.info.row_dtype):
                return list(numbers)
            # A row that cannot be decompressed spoils no other.
            return [n for n in numbers if self._damaged_of(range(n, n + 1))]
        expected = self.rows["checksum"][numbers.start : numbers.stop].tolist()
        return [n for n, row, right in zip(numbers, rows, expected, strict=True) if checksum(row) != right]

    def bytes_on_disk(self) -> int:
        """Size of the view's numbers in bytes, as they are stored."""
        return len(self) * self.info.row_bytes

    def torch_dataset(self) -> ViewDataset:
        """A `torch.utils.data.Dataset` of (features float32, class number), row by row.

        It may be used by several loader workers, started by fork or by spawn. Class numbers index
        `classes`.
        """
        from audiospec.stores._torch import ViewDataset

        return ViewDataset(self)

    def to_pandas(self) -> pandas.DataFrame:
        """A table of the rows: id, label, group, fold, start, seconds, then the features as float32.

        Raises
        ------
        StoreError
            A feature with more than one number a column, or pandas is not installed.
        """
        names = self.columns
        try:
            import pandas
        except ImportError as error:
            raise StoreError("to_pandas needs pandas: pip install 'audiospec[table]'") from error
        texts = (self.ids, self.labels, self.groups, self.folds)
        about = zip(VIEW_COLUMNS, (*texts, self.rows["start"], self.rows["seconds"]), strict=True)
        features = pandas.DataFrame(self.read().astype(np.float32, copy=False), columns=names)
        return pandas.concat([pandas.DataFrame(dict(about)), features], axis=1)

    def source(self, number: int) -> ShardSource:
        """Where a shard of this view is, for the next version of it."""
        step = self.info.shard_rows
        return ShardSource(lambda: self.read_stored(slice(number * step, (number + 1) * step)))

    def contents(self) -> NewView:
        """This view as something that can be copied into another store."""
        return NewView(self.info, self.rows, lambda number: View.source(self, number))

    @cached_property
    def _rows_checksum(self) -> int:
        return checksum(self.rows)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (type(self.store), self.store.path, self.name, self._rows_checksum)


def _reopen(store: type[FeatureStore], path: Path, name: str, rows: int) -> View:
    """A view that was pickled; it is refused if its rows are others now."""
    view = store(path).view(name)
    if view._rows_checksum != rows:
        raise replaced(name)
    return view


class FeatureStore(ABC):
    """A store, opened for reading.

    A subclass is one file of this package under ``@stores.register``. It says how a store is written
    (`publish`) and read; the rest is here.

    Parameters
    ----------
    path : path
        An existing store.

    Attributes
    ----------
    suffixes : tuple of str
        File suffixes that choose this kind of store.
    dataset : str
        Name of the dataset.
    root : Path
        Folder that the tracks' paths are relative to, when it was written.

    Raises
    ------
    StoreError
        Not there, not a store, or of a newer format.
    """

    suffixes: ClassVar[tuple[str, ...]]

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise StoreError(missing_store(self.path))
        attributes = self._attributes()
        version = attributes.get("audiospec_format")
        if not isinstance(version, int):
            raise StoreError(
                f"{self.path} is not a feature store of audiospec: expected one made by `audiospec featurize`"
            )
        if version > FORMAT_VERSION:
            raise StoreError(
                f"{self.path} has format {version}, this audiospec reads up to {FORMAT_VERSION}: "
                "upgrade audiospec (pip install -U audiospec)"
            )
        self.dataset = str(attributes.get("dataset", ""))
        self.root = Path(str(attributes.get("root", "")))

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.path}: {len(self.tracks)} tracks, {len(self.view_names())} views>"
        )

    @abstractmethod
    def _attributes(self) -> Mapping[str, Any]:
        """The store's own attributes; empty if the path is something else."""

    @abstractmethod
    def _tracks(self) -> Mapping[str, NDArray[Any]]:
        """The columns of the track table."""

    @abstractmethod
    def view_names(self) -> list[str]:
        """Names of the finished views, sorted."""

    @abstractmethod
    def _view(self, name: str) -> View:
        """Open a view that is there."""

    @classmethod
    @abstractmethod
    def publish(
        cls,
        path: Path,
        work: Path,
        attributes: Mapping[str, Any],
        tracks: Tracks,
        view: NewView | None,
    ) -> None:
        """Write the track table and one view into the store at `path`, or make the store.

        A reader sees the old content or the new; a killed writer leaves the old, or what `recover` can
        finish. The caller holds the store's lock.

        Parameters
        ----------
        path : Path
            The store.
        work : Path
            Folder on the same disk for unfinished files.
        attributes : mapping
            The store's own attributes (see `store_attributes`).
        tracks : Tracks
        view : NewView or None
            Replaces the view of the same name.
        """

    @classmethod
    @abstractmethod
    def recover(cls, path: Path, work: Path) -> None:
        """Finish, or undo, a `publish` that was killed. The caller holds the store's lock."""

    @cached_property
    def tracks(self) -> Tracks:
        """The track table."""
        return Tracks(self._tracks())

    def find_track(self, track: str) -> int:
        """Place in the track table of a track id, or of the stem of a file if only one track has it.

        Raises
        ------
        StoreError
            No such track (with the nearest id), or several.
        """
        if track in self.tracks.index:
            return self.tracks.index[track]
        paths = self.tracks["path"].tolist()
        matches = [i for i, path in enumerate(paths) if track in (Path(path).stem, Path(path).name)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            several = ", ".join(str(self.tracks["id"][i]) for i in matches[:3])
            raise StoreError(f"{len(matches)} tracks are called {track!r} ({several}, …): give the whole id")
        raise StoreError(
            f"{self.path} has no track {track!r}{nearest(track, self.tracks.index)} "
            f"(it has {len(self.tracks)})"
        )

    def view(self, name: str | None = None) -> View:
        """Open a view.

        Parameters
        ----------
        name : str or None
            Its name, or the beginning of it if only one view begins so. None: the only view.

        Raises
        ------
        StoreError
            No such view (with the names), or several.
        """
        names = self.view_names()
        if not names:
            raise StoreError(f"{self.path} has no view yet: run `audiospec featurize` first")
        matches = [name] if name in names else [n for n in names if n.startswith(name or "")]
        if len(matches) != 1:
            asked = f"has no view {name!r}"
            if matches:
                asked = f"has {len(matches)} views" + (f" that begin with {name!r}" if name else "")
            raise StoreError(f"{self.path} {asked}: name one of {', '.join(names)}")
        return self._view(str(matches[0]))

    def views(self) -> list[View]:
        """All views, by name."""
        return [self._view(name) for name in self.view_names()]

    def bytes_on_disk(self) -> int:
        """Size of the store's files in bytes."""
        if self.path.is_file():
            return self.path.stat().st_size
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())

    def store_attributes(self) -> dict[str, Any]:
        """The store's own attributes, as `publish` takes them."""
        return store_attributes(self.dataset, self.root)

    def export(self, target: Path | str, step: Callable[[str], None] | None = None) -> FeatureStore:
        """Copy the whole store to another format; the suffix of `target` chooses it.

        Parameters
        ----------
        target : path
            Must not be there yet.
        step : callable or None
            Called with each view's name before it is copied.

        Raises
        ------
        StoreError
            `target` exists, or its suffix is unknown.
        """
        target = Path(target)
        kind = store_class(target)
        if target.exists():
            raise StoreError(f"{target} exists already: remove it, or choose another name")
        work = target.with_name(target.name + ".export")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if work.exists():
                shutil.rmtree(work)
            work.mkdir()
        except OSError as error:
            raise StoreError(
                f"cannot write to {target.parent}: {error.strerror}; choose a folder that can be written to"
            ) from error
        # Built under a temporary name: an export that is killed leaves no half of a store.
        built = work / target.name
        try:
            kind.publish(built, work, self.store_attributes(), self.tracks, None)
            for view in self.views():
                if step is not None:
                    step(view.name)
                kind.publish(built, work, self.store_attributes(), self.tracks, view.contents())
            os.rename(built, target)
        finally:
            shutil.rmtree(work)
        return kind(target)

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """The store at `path`."""
        return cls(path)


stores: Registry[type[FeatureStore]] = Registry("store", "audiospec.stores", "audiospec.stores")


def store_attributes(dataset: str, root: Path) -> dict[str, Any]:
    """A store's own attributes: format, dataset, and the folder that paths are relative to."""
    return {"audiospec_format": FORMAT_VERSION, "dataset": dataset, "root": str(root)}


def store_class(path: Path | str) -> type[FeatureStore]:
    """The kind of store that a path's suffix names.

    Raises
    ------
    StoreError
        No kind has that suffix (with those that there are).
    """
    suffix = Path(path).suffix.lower()
    if suffix[1:] in stores.names():  # so that .zarr does not load h5py
        return stores[suffix[1:]]
    kinds = [stores[name] for name in stores]
    for kind in kinds:
        if suffix in kind.suffixes:
            return kind
    known = ", ".join(suffix for kind in kinds for suffix in kind.suffixes)
    raise StoreError(
        f"cannot tell the kind of store from {str(path)!r}: expected a name that ends in {known}"
    )


def open_store(path: Path | str) -> FeatureStore:
    """Open a store of any kind.

    Raises
    ------
    StoreError
        Not there, not a store, or of a newer format.
    """
    path = Path(path)
    if not path.exists():
        raise StoreError(missing_store(path))
    return store_class(path)(path)


def matching(views: Sequence[View], chunk: float | None = None, name: str | None = None) -> list[View]:
    """Those of some views that have chunks of `chunk` seconds and the name `name`, or begin with it."""
    found = [view for view in views if chunk is None or view.chunking.seconds == chunk]
    if name is None:
        return found
    exact = [view for view in found if view.name == name]
    return exact or [view for view in found if view.name.startswith(name)]


def choices(views: Sequence[View]) -> str:
    """The flags of the command line that choose each of some views, for a message."""
    return "; ".join(f"--chunk {view.chunking.seconds:g} --view {view.name}" for view in views)


def missing_store(path: Path) -> str:
    """The message for a store that is not there."""
    if work_folder(path).exists():
        return (
            f"{path} is not finished: run the same `audiospec featurize` again, it goes on where it stopped"
        )
    return f"no store at {path}: make one with `audiospec featurize`, or check the path"


def work_folder(path: Path) -> Path:
    """Where unfinished shards of the store at `path` lie: a folder beside it, gone when all is finished."""
    return path.with_name(path.name + ".work")


def row_table(columns: Mapping[str, NDArray[Any]]) -> Rows:
    """A row table from its columns.

    Raises
    ------
    StoreError
        They are not of one length.
    """
    lengths = {name: len(columns[name]) for name in ROW_DTYPE.names or ()}
    if len(set(lengths.values())) > 1:
        raise StoreError(f"a view's row table has columns of several lengths ({lengths}): it is damaged")
    rows = np.empty(lengths["track"], ROW_DTYPE)
    for name in lengths:
        rows[name] = columns[name]
    return rows


def _storable(text: str) -> str:
    """Text as every store can hold it."""
    return str(text).encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def source_bits(hash: str) -> int:
    """The first 64 bits of a content hash, as row tables keep it; 0 if there is none."""
    return int(hash[:16] or "0", 16)
