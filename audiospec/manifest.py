"""Track and Manifest: what a dataset holds, in a fixed order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audiospec.errors import DatasetError


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One audio file of a dataset.

    Attributes
    ----------
    id : str
        Unique in its dataset, such as ``"rock.00000"``.
    path : str
        The file, relative to the manifest's root, with forward slashes, as the system has it: bytes that
        are no UTF-8 are surrogates in it, while `id` and `label` can always be printed.
    label : str
        The class that it belongs to.
    group : str
        Artist, speaker or original recording: what a careful split keeps on one side. ``""`` if unknown.
    fold : str
        The dataset's own fold or part, such as ``"3"`` or ``"test"``. ``""`` if it has none.
    """

    id: str
    path: str
    label: str
    group: str = ""
    fold: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The tracks of a dataset in a fixed order.

    Attributes
    ----------
    dataset : str
        Name of the dataset, such as ``"gtzan"``.
    root : Path
        Folder that the tracks' paths are relative to.
    tracks : tuple of Track
        At least one; ids are unique.

    Raises
    ------
    DatasetError
        No track, or an id that is there twice.
    """

    dataset: str
    root: Path
    tracks: tuple[Track, ...]

    def __post_init__(self) -> None:
        if not self.tracks:
            raise DatasetError(
                f"dataset {self.dataset!r} has no audio file under {self.root}: expected at least one"
            )
        counts = Counter(track.id for track in self.tracks)
        doubles = [id for id, count in counts.items() if count > 1]
        if doubles:
            files = [track.path for track in self.tracks if track.id == doubles[0]]
            raise DatasetError(
                f"{len(doubles)} track id(s) of dataset {self.dataset!r} stand for several files, such as "
                f"{doubles[0]!r} for {' and '.join(files[:3])}: keep one file for each id"
            )

    def __len__(self) -> int:
        return len(self.tracks)

    def __iter__(self) -> Iterator[Track]:
        return iter(self.tracks)

    @property
    def labels(self) -> list[str]:
        """The classes, sorted."""
        return sorted({track.label for track in self.tracks})

    def file(self, track: Track) -> Path:
        """Return the track's audio file."""
        return self.root / track.path
