"""The columns of a track table that are about the file or the recording, and not about its content."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import StoreError

if TYPE_CHECKING:
    from audiospec.stores.base import FeatureStore

#: Kind of column → what its columns are, in words.
KINDS = {
    "format": "the form of the files",
    "sound": "the technical quality of the sound",
    "source": "the place or date of the files",
}
#: Files whose size follows from length, rate, channels and depth alone.
_UNCOMPRESSED = {".wav", ".aiff", ".aif", ".au", ".w64", ".caf", ".rf64", ".voc", ".snd", ".sph"}
#: Columns of the track table that say how a recording sounds → title and unit.
_SOUND = {
    "peak": ("peak", "dBFS"),
    "level": ("level", "dBFS"),
    "clipped": ("share of clipped samples", ""),
    "dc": ("DC offset", ""),
    "digital_silence": ("share of digital silence", ""),
    "bandwidth": ("bandwidth", "Hz"),
    "snr": ("signal-to-noise ratio", "dB"),
    "channel_correlation": ("correlation of the channels", ""),
    "dead_channels": ("dead channels", ""),
}
_DAY = 86_400 * 10**9  # ns


@dataclass(frozen=True, eq=False)
class Column:
    """What is known of each track that is not its content.

    Attributes
    ----------
    name : str
    title, unit : str
        For people; the unit of a text or a share is ``""``.
    kind : str
        One of `KINDS`.
    values : ndarray of float64, shape (tracks,)
        NaN where it is unknown; of texts, their places in `texts`.
    texts : tuple of str
        Empty for numbers.
    """

    name: str
    title: str
    unit: str
    kind: str
    values: NDArray[np.float64]
    texts: tuple[str, ...] = ()

    @property
    def ranks(self) -> NDArray[np.float64]:
        """The values as ranks from 0 to 1, which a forest splits as well as values; -1 where unknown."""
        known = np.isfinite(self.values)
        values, place = np.unique(self.values[known], return_inverse=True)
        ranks = np.full(len(self.values), -1.0)
        counts = np.bincount(place, minlength=len(values))
        middle = np.cumsum(counts) - (counts + 1) / 2
        ranks[known] = middle[place] / max(1, len(self.values) - 1)
        return ranks

    def text(self, value: float) -> str:
        """Return a value with its unit."""
        if not np.isfinite(value):
            return "unknown"
        if self.name == "modified":
            return str(np.datetime64(int(value), "D"))
        if self.texts:
            return self.texts[int(value)] or "no suffix"
        return (
            f"{value:.4g} {self.unit}".rstrip() if abs(value) < 1e4 else f"{value:.0f} {self.unit}".rstrip()
        )


def columns_of(store: FeatureStore, numbers: NDArray[np.int64]) -> list[Column]:
    """Return the columns in which some tracks of a store differ.

    The path gives the suffix and the depth of the folder and nothing else: the name of a folder may be the
    label.

    Parameters
    ----------
    store : FeatureStore
    numbers : ndarray of int64
        Row numbers of the track table.
    """
    return [column for column in _all(store, numbers) if len(np.unique(column.values)) > 1]


def _all(store: FeatureStore, numbers: NDArray[np.int64]) -> Iterator[Column]:
    tracks = store.tracks

    def number(name: str) -> NDArray[np.float64]:
        return np.asarray(tracks[name][numbers], np.float64)

    seconds, size = number("seconds"), number("size")
    paths = [PurePosixPath(path) for path in tracks["path"][numbers].tolist()]
    texts, codes = np.unique([path.suffix.lower() for path in paths], return_inverse=True)
    yield Column("seconds", "length", "s", "format", _known(seconds))
    yield Column("sample_rate", "sample rate", "Hz", "format", _known(number("sample_rate")))
    yield Column("channels", "channels", "", "format", _known(number("channels")))
    yield Column("suffix", "kind of file", "", "format", codes.astype(np.float64), tuple(texts.tolist()))
    # The rate of compressed bits follows the sound: rain takes more of them than a silence does.
    kind = "format" if {*texts.tolist()} <= _UNCOMPRESSED else "sound"
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where((size > 0) & (seconds > 0), size / seconds / 1000, np.nan)
    # Steps of 5 %: headers and the rest of a frame are not a rate.
    steps = np.exp2(np.round(np.log2(rate) * 14) / 14)
    yield Column("size_per_second", "size per second", "kB", kind, steps)
    for name, (title, unit) in _SOUND.items():
        if name in tracks.columns:
            yield Column(name, title, unit, "sound", number(name))
    yield Column("folder_depth", "depth of the folder", "", "source", _depths(paths))
    if _is_on_a_disk(store):  # of an object, the column has a hash of its version
        modified = number("modified")
        yield Column("modified", "date of the file", "", "source", np.floor(_known(modified) / _DAY))


def _is_on_a_disk(store: FeatureStore) -> bool:
    """Whether the store says where its audio is, and that is a folder."""
    try:
        return isinstance(store.root, Path)
    except StoreError:
        return False


def _known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values with NaN for those that stand for unknown: 0 and -1."""
    return np.where(values > 0, values, np.nan)


def _depths(paths: list[PurePosixPath]) -> NDArray[np.float64]:
    return np.array([len(path.parts) for path in paths], np.float64)
