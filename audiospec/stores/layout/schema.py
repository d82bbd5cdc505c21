"""Columns and types of a store's tables, and the version of the format."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.annotation import Annotation, Labelling
from audiospec.audio.info import AudioInfo
from audiospec.audio.quality import UNMEASURED
from audiospec.errors import AudiospecError, StoreError
from audiospec.storage.location import Location

#: Version of the format on a disk; in a bucket, or with volumes; with annotations, free columns, a labelling
#: or targets, wherever it is, which is the newest that can be read.
FORMAT_VERSION, COMMITS_FORMAT, TARGETS_FORMAT = 1, 2, 3
NEWEST_FORMAT = TARGETS_FORMAT
#: The store's attribute with the version.
FORMAT = "audiospec_format"
#: The store's attribute with its `Labelling`, unless that is the default.
LABELLING, _DEFAULT = "labelling", Labelling()
#: Hint for a damaged table, which cannot be computed again.
RESTORE = "restore a complete copy, or remove the store and featurize again"
#: How clusters are named that `audiospec doctor` has found; the dataset names the others.
FOUND_CLUSTER = "sound-"
#: The problem of a track that the manifest no longer has; stores contain this text.
REMOVED = "removed: the file is no longer in the dataset; its rows are kept"


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """One row of the track table. The defaults describe a track that has not been decoded.

    Attributes
    ----------
    id : str
        Unique in the table.
    path : str
        The file, relative to the store's root; ``""`` if the track was imported from a table without audio.
    label, group, fold : str
        See `Track`.
    hash : str
        Content hash (XXH3-128) of the file; ``""`` until it is decoded.
    seconds : float
        Length of the audio.
    sample_rate, channels : int
        Sample rate (Hz) and number of channels of the file.
    problem : str
        Why the track has no rows, or that its file is missing; ``""`` if there is no problem.
    size, modified : int
        Size in bytes and modification time (ns since 1970) of the file when its hash was computed; -1 if
        unknown. Of an object in a bucket, `modified` is 63 bits of the XXH3-64 of its version (ETag).
    note : str
        What is odd about a track that has rows nevertheless: that its file is truncated, damaged or silent;
        ``""`` if nothing is. Stores from before there were notes lack the column.
    cluster : str
        See `Track`. Stores from before there were clusters lack the column.
    samples_hash : str
        Hash of the decoded samples; ``""`` if the track was not measured.
    peak, level, clipped, dc, digital_silence, bandwidth, snr, channel_correlation, dead_channels : float
        See `Quality`; NaN if the track was not measured. Stores from before tracks were measured lack these
        columns.
    annotations, columns : tuple
        See `Track`. They are no columns of `TRACK_COLUMNS`, but tables and columns beside those.
    """

    id: str
    path: str = ""
    label: str = ""
    group: str = ""
    fold: str = ""
    hash: str = ""
    seconds: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    problem: str = ""
    size: int = -1
    modified: int = -1
    note: str = ""
    cluster: str = ""
    samples_hash: str = ""
    peak: float = math.nan
    level: float = math.nan
    clipped: float = math.nan
    dc: float = math.nan
    digital_silence: float = math.nan
    bandwidth: float = math.nan
    snr: float = math.nan
    channel_correlation: float = math.nan
    dead_channels: float = math.nan
    annotations: tuple[Annotation, ...] = ()
    columns: tuple[tuple[str, str], ...] = ()

    @property
    def info(self) -> AudioInfo:
        """Sample rate, channels and number of frames; all 0 if they are unknown."""
        return AudioInfo(self.sample_rate, self.channels, round(self.seconds * self.sample_rate))

    def __eq__(self, other: object) -> bool:
        """Whether all values are the same; what was not measured is NaN in both."""
        if not isinstance(other, TrackRecord):
            return NotImplemented
        return _others_of(self) == _others_of(other) and all(
            one == two or (one != one and two != two)
            for one, two in zip(_measures_of(self), _measures_of(other), strict=True)
        )

    def __hash__(self) -> int:
        return hash(_others_of(self))


_measures_of = attrgetter(*(name for name, value in UNMEASURED.items() if isinstance(value, float)))
_others_of = attrgetter(
    *(field.name for field in fields(TrackRecord) if not isinstance(UNMEASURED.get(field.name), float))
)


_NUMBER_TYPES = {
    "seconds": "<f8",
    "sample_rate": "<i4",
    "channels": "<i4",
    "size": "<i8",
    "modified": "<i8",
    **{name: "<f8" for name, value in UNMEASURED.items() if isinstance(value, float)},
}
#: Column → type of the track table; the fields of `TrackRecord` that are texts or numbers. Columns of ``str``
#: hold text of any length.
TRACK_COLUMNS: dict[str, type | str] = {
    field.name: _NUMBER_TYPES.get(field.name, str)
    for field in fields(TrackRecord)
    if field.name not in ("annotations", "columns")
}
#: Columns that stores of older versions lack → their value there.
LATER_COLUMNS: dict[str, str | float] = {"note": "", "cluster": "", **UNMEASURED}
#: Columns of a view's row table.
ROW_DTYPE = np.dtype(
    [
        ("track", "<i4"),  # row number in the track table
        ("start", "<f8"),  # s
        ("seconds", "<f8"),  # s of audio; shorter than the chunk if its end is padded
        ("checksum", "<u4"),  # CRC-32C of the row's bytes
        ("source", "<u8"),  # first 64 bits of the audio file's hash; 0 if imported from a table
    ]
)
#: Attributes of the tables' columns, with the names of CF, which xarray and others show beside the numbers.
TRACK_ATTRIBUTES: dict[str, dict[str, str]] = {
    "seconds": {"long_name": "length of the track", "units": "s"},
    "sample_rate": {"long_name": "sample rate of the file", "units": "Hz"},
    "size": {"long_name": "size of the file", "units": "byte"},
    "samples_hash": {"long_name": "XXH3-128 of the decoded samples"},
    "peak": {"long_name": "largest sample, full scale is 0", "units": "dB"},
    "level": {"long_name": "root mean square, full scale is 0", "units": "dB"},
    "clipped": {"long_name": "share of samples that are clipped", "units": "1"},
    "dc": {"long_name": "largest mean of a channel, full scale is 1", "units": "1"},
    "digital_silence": {"long_name": "share of the track that is constant", "units": "1"},
    "bandwidth": {"long_name": "highest frequency with sound", "units": "Hz"},
    "snr": {"long_name": "95th over 10th percentile of the levels of frames", "units": "dB"},
    "channel_correlation": {"long_name": "lowest correlation with the first channel", "units": "1"},
    "dead_channels": {"long_name": "number of channels that are silent", "units": "1"},
}
ROW_ATTRIBUTES: dict[str, dict[str, str]] = {
    "track": {"long_name": "place in the track table"},
    "start": {"long_name": "start of the chunk in its track", "units": "s"},
    "seconds": {"long_name": "audio in the chunk", "units": "s"},
    "checksum": {"long_name": "CRC-32C of the row's bytes"},
    "source": {"long_name": "first 64 bits of the hash of the audio file"},
}
#: Columns of `View.to_pandas` before the features.
VIEW_COLUMNS = ("id", "label", "group", "fold", "cluster", "start", "seconds")
RowTable = NDArray[Any]


class ReplacedError(StoreError):
    """A view was replaced after it was opened."""


def replaced(view: str) -> ReplacedError:
    """Return the error for a view that was replaced after it was opened."""
    return ReplacedError(f"view {view} was replaced after it was opened", "open it again")


def store_attributes(dataset: str, root: Location | None, labelling: Labelling = _DEFAULT) -> dict[str, Any]:
    """Return a store's own attributes, as `FeatureStore.publish` takes them.

    Parameters
    ----------
    dataset : str
    root : Location or None
        Folder that the tracks' paths are relative to; None: the store does not record it.
    labelling : Labelling
        How rows get their targets; the default is not stored.

    Returns
    -------
    dict
        The number of the format is the lowest one; `publish` raises it if what it writes needs a higher one.
    """
    folder = {} if root is None else {"root": str(root)}
    targets = {} if labelling == _DEFAULT else {LABELLING: labelling.to_dict()}
    return {FORMAT: FORMAT_VERSION, "dataset": dataset, **folder, **targets}


def format_of(attributes: Mapping[str, Any], store: Location) -> int:
    """Return the version of a store's format; StoreError if it cannot be read, or this is no store."""
    version = attributes.get(FORMAT)
    if not isinstance(version, int):
        raise StoreError(
            f"{store} is not a feature store: expected one made by `audiospec featurize`", "check the path"
        )
    if version > NEWEST_FORMAT:
        raise StoreError(
            f"{store} has format {version}, this audiospec reads up to {NEWEST_FORMAT}",
            "upgrade audiospec (pip install -U audiospec)",
        )
    return version


def labelling_of(attributes: Mapping[str, Any], store: Location) -> Labelling:
    """Return the labelling that a store's attributes have; StoreError if it is none."""
    if LABELLING not in attributes:
        return _DEFAULT
    try:
        return Labelling.from_dict(attributes[LABELLING])
    except AudiospecError as error:
        raise StoreError(f"the labelling of {store} is damaged: {error}", RESTORE) from error


def row_table(columns: Mapping[str, NDArray[Any]]) -> RowTable:
    """Return a row table made of its columns.

    Parameters
    ----------
    columns : mapping of str to ndarray
        The columns of `ROW_DTYPE`.

    Raises
    ------
    StoreError
        The columns differ in length.
    """
    lengths = {name: len(columns[name]) for name in ROW_DTYPE.names or ()}
    if len(set(lengths.values())) > 1:
        raise StoreError(f"the columns of a row table differ in length ({lengths}): it is damaged", RESTORE)
    rows = np.empty(lengths["track"], ROW_DTYPE)
    for name in lengths:
        rows[name] = columns[name]
    return rows
