"""Track and Manifest: the audio files of a dataset in a fixed order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from audiospec.annotations.annotation import Annotation
from audiospec.errors import DatasetError
from audiospec.storage.location import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One audio file of a dataset.

    Attributes
    ----------
    id : str
        Unique in its dataset, such as ``"rock.00000"``.
    path : str
        The file, relative to the manifest's root, with forward slashes. Bytes that are not UTF-8 are
        surrogates in it, while `id` and `label` are always printable.
    label : str
        The class of the track.
    group : str
        Artist, speaker or original recording, which a careful split does not divide. ``""`` if unknown.
    fold : str
        Fold or part that the dataset defines, such as ``"3"`` or ``"test"``. ``""`` if it defines none.
    cluster : str
        Near-duplicates: tracks that hold the same sound have the same cluster. ``""`` if unknown.
    annotations : tuple of Annotation
        Stretches of the track with labels or values; `label` is ``""`` then.
    columns : tuple of (str, str)
        Name and text of the dataset's other columns, sorted by name.
    """

    id: str
    path: str
    label: str
    group: str = ""
    fold: str = ""
    cluster: str = ""
    annotations: tuple[Annotation, ...] = ()
    columns: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """The tracks of a dataset in a fixed order.

    Attributes
    ----------
    dataset : str
        Name of the dataset, such as ``"gtzan"``.
    root : Location
        Folder that the tracks' paths are relative to, of a disk or in a bucket.
    tracks : tuple of Track, or another sequence
        At least one; ids are unique. A sequence that reads its tracks as they are needed, because they are
        too many for memory, gives them sorted by id, each time anew.
    left_out : tuple of str
        Other files under `root`, relative to it, which are not tracks: no audio, or audio that the
        dataset does not list.
    target : str
        What is to be predicted; one of `audiospec.annotations.annotation.TARGETS`.
    column : str
        Column of the dataset that labels or values are from.

    Raises
    ------
    DatasetError
        There is no track, or two tracks have one id.
    """

    dataset: str
    root: Location
    tracks: Sequence[Track]
    left_out: tuple[str, ...] = ()
    target: str = "single"
    column: str = "label"

    def __post_init__(self) -> None:
        if not len(self.tracks):
            raise DatasetError(
                f"dataset {self.dataset!r} has no audio file under {self.root}: expected at least one"
            )
        if not isinstance(self.tracks, tuple):
            return  # `Division` compares each with the one before
        counts = Counter(track.id for track in self.tracks)
        duplicates = [id for id, count in counts.items() if count > 1]
        if duplicates:
            files = [track.path for track in self.tracks if track.id == duplicates[0]]
            raise DatasetError(
                f"{len(duplicates)} track id(s) of dataset {self.dataset!r} stand for several files, such as "
                f"{duplicates[0]!r} for {' and '.join(files[:3])}",
                "keep one file for each id",
            )

    def __len__(self) -> int:
        return len(self.tracks)

    def __iter__(self) -> Iterator[Track]:
        return iter(self.tracks)

    def subset(self, tracks: Sequence[Track]) -> Manifest:
        """Return a manifest of some of the tracks, which may be none."""
        subset = object.__new__(Manifest)
        for name, value in (("tracks", tuple(tracks)), ("left_out", ())):
            object.__setattr__(subset, name, value)
        for name in ("dataset", "root", "target", "column"):
            object.__setattr__(subset, name, getattr(self, name))
        return subset

    @property
    def labels(self) -> list[str]:
        """The classes, sorted, each once: labels of tracks and of their annotations.

        Of a manifest with annotations, a track without any and without a label is background.
        """
        annotations = [one for track in self.tracks for one in track.annotations]
        labels = {track.label for track in self.tracks if not track.annotations}
        labels.update(one.label for one in annotations)
        return sorted(labels - {""} if annotations else labels)

    def file(self, track: Track) -> Location:
        """Return the place of a track's audio file."""
        return self.root / track.path
