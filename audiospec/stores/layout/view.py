"""View: one feature of all tracks, chunk by chunk; the base class of the views of every store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.annotation import Labelling
from audiospec.annotations.table import RowTargets
from audiospec.audio.chunking import Chunking
from audiospec.digests import checksum, source_bits
from audiospec.errors import StoreError
from audiospec.specs.base import FeatureSpec
from audiospec.storage.location import Location
from audiospec.stores.layout.contents import NewView, ShardSource
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.row_labels import row_classes, row_labels, with_targets
from audiospec.stores.layout.row_numbers import RowChoice, row_numbers
from audiospec.stores.layout.schema import VIEW_COLUMNS, ReplacedError, RowTable, replaced
from audiospec.stores.layout.skipped import skip_reason
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.shards.format import REPAIR, is_compressed

if TYPE_CHECKING:
    import pandas

    from audiospec.stores.layout.stream import ViewStream
    from audiospec.stores.layout.torch_dataset import ViewDataset


class ViewStore(Protocol):
    """The part of its store that a view uses."""

    dataset: str
    labelling: Labelling

    @property
    def path(self) -> Location:
        """Where the store is."""

    @property
    def tracks(self) -> Tracks:
        """The track table."""

    def view(self, name: str | None = None) -> View:
        """Open a view by name."""

    def store_attributes(self) -> dict[str, Any]:
        """Return the store's own attributes."""

    def bytes_on_disk(self) -> int:
        """Return the size of the store's files in bytes."""


class View(ABC):
    """One spec × one chunking: a table of rows and one array. Read-only.

    A view can be pickled and used in other processes; each process opens the store again.

    Attributes
    ----------
    store : FeatureStore
    info : ViewInfo
    rows : ndarray of ROW_DTYPE
        The row table: track, start (s), seconds (s), checksum, source.
    targets : RowTargets or None
        What the rows are to be predicted as. None: their tracks' labels.
    """

    #: Whether every row that is read is compared with its checksum, as those that cross a network are.
    checks_rows: bool = False

    def __init__(
        self, store: ViewStore, info: ViewInfo, rows: RowTable, targets: RowTargets | None = None
    ) -> None:
        self.store = store
        self.info = info
        self.rows = rows
        self.targets = targets

    def __repr__(self) -> str:
        return f"<View {self.name} of {self.store.path}: {self.shape} {self.spec.dtype}>"

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def name(self) -> str:
        """Name such as ``"mel-10s-3f9a1c"``."""
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
        """Shape of the array, (rows, *row_shape)."""
        return (len(self), *self.info.row_shape)

    @property
    def ids(self) -> NDArray[Any]:
        """Track id of each row, text."""
        return self._track_column("id")

    @property
    def labels(self) -> NDArray[Any]:
        """Label of each row, text; see `row_labels`."""
        labels = self._track_column("label")
        return labels if self.targets is None else row_labels(labels, self.targets, self.store.labelling)

    @property
    def groups(self) -> NDArray[Any]:
        """Group of each row, text; ``""`` if unknown."""
        return self._track_column("group")

    @property
    def folds(self) -> NDArray[Any]:
        """Fold of each row, text; ``""`` if the dataset has none."""
        return self._track_column("fold")

    @property
    def clusters(self) -> NDArray[Any]:
        """Cluster of near-duplicates of each row, text; ``""`` if unknown."""
        return self._track_column("cluster")

    @property
    def hashes(self) -> NDArray[Any]:
        """Content hash of each row's file, text; ``""`` if the track was imported from a table."""
        return self._track_column("hash")

    def _track_column(self, column: str) -> NDArray[Any]:
        """Return a column of the track table, one value for each row of the view."""
        tracks, numbers = self.store.tracks, self.rows["track"]
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(tracks):
            raise StoreError(
                f"view {self.name} has rows of track number {numbers.max()}, but {self.store.path} has "
                f"{len(tracks)} tracks",
                "open the store again; if the error remains, the store is damaged: featurize again",
            )
        values: NDArray[Any] = tracks[column][numbers]
        return values

    @property
    def classes(self) -> list[str]:
        """The labels of the view's rows, sorted, each label of a row that has several by itself."""
        if self.targets is None:
            return sorted(set(self.labels.tolist()))
        return row_classes(self._track_column("label"), self.targets, self.store.labelling)

    @property
    def target(self) -> str:
        """What is to be predicted of a row: ``"single"``, ``"multi-label"``, ``"number"`` or ``"frames"``."""
        return "single" if self.targets is None else self.store.labelling.target

    @property
    def columns(self) -> list[str]:
        """Names of the columns (one number per column); StoreError if the rows are not a table."""
        if self.spec.kind != "table":
            raise StoreError(
                f"view {self.name} is not a table: expected one number per column, feature "
                f"{self.spec.feature!r} has rows of ({', '.join(self.spec.dims)})",
                "choose a view of tabular or table",
            )
        return [str(name) for name in self.info.coordinates()[self.spec.dims[0]][0]]

    def rows_of(self, track: str) -> NDArray[np.int64]:
        """Return the row numbers of a track, in order of start.

        Parameters
        ----------
        track : str
            Track id, or a file's name with or without its suffix, if only one track has it.

        Returns
        -------
        ndarray of int64

        Raises
        ------
        StoreError
            There is no such track, or it has no rows; states why.
        """
        number = self.store.tracks.find(track, self.store.path)
        rows = np.flatnonzero(self.rows["track"] == number)
        if not len(rows):
            problem = self.store.tracks["problem"][number] or self.skipped().get(
                str(self.store.tracks["id"][number]), "it is not in this view"
            )
            raise StoreError(f"track {track!r} has no rows in view {self.name}: {problem}")
        return rows

    def skipped(self) -> dict[str, str]:
        """Return track id → reason for each track without rows and without a problem, such as a short one."""
        present = set(self.rows["track"].tolist())
        return {
            track.id: skip_reason(self.info, track, None if self.targets is None else self.store.labelling)
            for number, track in enumerate(self.store.tracks.records())
            if number not in present and not track.problem
        }

    def stale(self) -> list[str]:
        """Return the ids of tracks whose file has changed since their rows were computed."""
        current = np.array([source_bits(hash) for hash in self.hashes], np.uint64)
        # 0: imported from a table, not computed from audio.
        changed = (self.rows["source"] != current) & (self.rows["source"] != 0)
        return [str(id) for id in self.store.tracks["id"][np.unique(self.rows["track"][changed])]]

    def read(self, rows: RowChoice = None) -> NDArray[Any]:
        """Read rows into memory.

        Parameters
        ----------
        rows : int, slice, sequence of int, boolean mask, or None
            Row numbers in any order, with repeats; negative ones count from the end. None reads all.

        Returns
        -------
        ndarray of spec.dtype, shape (n, *row_shape); (*row_shape) for one number
            The rows, in the given order. Rows of dtype uint8 are decoded to decibels as float32, with an
            error of at most half of the code's scale (see `FeatureSpec.code`).

        Raises
        ------
        RowIndexError
            The view does not have such a row.
        StoreError
            A shard is missing or damaged.
        """
        stored = self.read_stored(rows)
        return stored if self.spec.code is None else self.spec.code.decode(stored)

    def read_stored(self, rows: RowChoice = None) -> NDArray[Any]:
        """Read rows as they are stored. Checksums are of these numbers, and `export` copies them.

        Parameters, shape and errors are those of `read`, but rows of dtype uint8 are not decoded.

        Returns
        -------
        ndarray of spec.dtype, shape (n, *row_shape); (*row_shape) for one number
        """
        chosen = row_numbers(rows, len(self), self.name)
        numbers = chosen.reshape(-1)
        out = self._load(numbers)
        if self.checks_rows and (damaged := self._damaged_of(numbers, out)):
            raise StoreError(f"row {damaged[0]} of view {self.name} does not match its checksum", REPAIR)
        return out if chosen.ndim else out[0]

    def _load(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        out = np.empty((len(rows), *self.info.row_shape), self.info.row_dtype.base)
        if len(rows):
            self._read(rows, out)
        return out

    def _damaged_of(self, rows: NDArray[np.int64], values: NDArray[Any]) -> list[int]:
        """Return the numbers of those rows whose values do not match their checksum."""
        triples = zip(rows.tolist(), values, self.rows["checksum"][rows].tolist(), strict=True)
        return [number for number, row, expected in triples if checksum(row) != expected]

    def _require_shard(self, number: int) -> None:
        """Raise a StoreError if a shard has damage that reading its rows would not notice."""
        return

    @abstractmethod
    def _read(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        """Read rows, by numbers that are valid and in any order, into `out`."""

    def damaged(self, step: Callable[[int], None] | None = None) -> NDArray[np.int64]:
        """Read every row again; return the numbers of those that are unreadable or fail their checksum.

        Parameters
        ----------
        step : callable or None
            Called after each shard with the number of rows checked so far.

        Returns
        -------
        ndarray of int64
            Row numbers in ascending order.

        Raises
        ------
        ReplacedError
            The view was replaced after it was opened.
        """
        damaged: list[int] = []
        for first in range(0, len(self), self.info.shard_rows):
            numbers = range(first, min(first + self.info.shard_rows, len(self)))
            damaged += self._damaged_among(numbers)
            if step is not None:
                step(numbers[-1] + 1)
        return np.array(damaged, np.int64)

    def _damaged_among(self, numbers: range) -> list[int]:
        """Return the damaged rows among consecutive ones, which are of one shard."""
        rows = np.asarray(numbers)
        try:
            self._require_shard(numbers.start // self.info.shard_rows)
            return self._damaged_of(rows, self._load(rows))
        except ReplacedError:
            raise
        except (StoreError, OSError):
            if len(numbers) == 1 or not is_compressed(self.info.row_dtype):
                return list(numbers)
            # Compressed rows are independent: check them one by one.
            return [n for n in numbers if self._damaged_among(range(n, n + 1))]

    def bytes_on_disk(self) -> int:
        """Return the size of the view's numbers in bytes, as they are stored."""
        return len(self) * self.info.row_bytes

    def torch_dataset(self) -> ViewDataset:
        """Return a `torch.utils.data.Dataset` of the rows: (features float32, target); see `ViewDataset`.

        Several loader workers can use it, started by fork or by spawn; if the store is in a bucket, by
        forkserver or spawn. Class numbers are indices into `classes`. To read all rows, see `stream`.
        """
        from audiospec.stores.layout.torch_dataset import ViewDataset

        return ViewDataset(self)

    def stream(
        self,
        seed: int = 0,
        *,
        epoch: int = 0,
        rows: RowChoice = None,
        buffer: int = 8,
        rank: int | None = None,
        world: int | None = None,
        cache: Location | str | None = None,
    ) -> ViewStream:
        """Return a `torch.utils.data.IterableDataset` of the rows, which reads whole shards in random order.

        Its items are those of `torch_dataset`. From a bucket it takes a fraction of the requests that random
        rows take. Over all ranks and loader workers each row comes exactly once in an epoch. See `ViewStream`
        for the parameters.
        """
        from audiospec.stores.layout.stream import ViewStream

        return ViewStream(
            self, seed, epoch=epoch, rows=rows, buffer=buffer, rank=rank, world=world, cache=cache
        )

    def to_pandas(self) -> pandas.DataFrame:
        """Return the rows as a data frame: `VIEW_COLUMNS`, free columns, targets, features (float32).

        `VIEW_COLUMNS` are id, label, group, fold and cluster of the row's track, start (s) and seconds; free
        columns are those of the track. Targets have names such as ``"target:speech"``, see `data_frame`.

        Raises
        ------
        StoreError
            The rows are not a table, or pandas is not installed.
        """
        from audiospec.stores.layout.data_frame import data_frame

        texts = (self.ids, self.labels, self.groups, self.folds, self.clusters)
        values = (*texts, self.rows["start"], self.rows["seconds"])
        free = {name: self._track_column(name) for name in self.store.tracks.free}
        facts = {**dict(zip(VIEW_COLUMNS, values, strict=True)), **free}
        return data_frame(facts, self.targets, self.columns, self.read)

    def source(self, number: int) -> ShardSource:
        """Return the source of a shard for the next version of this view."""
        step = self.info.shard_rows
        return ShardSource(lambda: self.read_stored(slice(number * step, (number + 1) * step)))

    def contents(self) -> NewView:
        """Return the content of this view, to be written into another store."""
        return NewView(self.info, self.rows, lambda number: View.source(self, number), self.targets)

    @cached_property
    def _rows_checksum(self) -> int:
        return with_targets(checksum(self.rows), self.targets)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (type(self.store), self.store.path, self.name, self._rows_checksum)


def _reopen(store: Callable[[Location], ViewStore], path: Location, name: str, rows_checksum: int) -> View:
    """Open a view that was pickled; refuse it if its row table has changed since."""
    view = getattr(store, "open", store)(path).view(name)  # it may have volumes since
    if view._rows_checksum != rows_checksum:
        raise replaced(name)
    return view
