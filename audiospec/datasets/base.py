"""Dataset: a named source of labelled tracks; the registry of datasets.

A published dataset is a `PublishedDataset`: it defines how a file's path maps to a track, how many
tracks the full set has, and where to download it. If tables beside the audio say what a file is, it is a
`DownloadedDataset`. Any other dataset is a `Dataset` that makes its manifest itself.
"""

from __future__ import annotations

import inspect
import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import ClassVar

from audiospec.datasets.download.remote import Progress, Remote
from audiospec.datasets.own.search import AUDIO_SUFFIXES, Found, find_sound, no_audio, not_found, suffix
from audiospec.errors import DatasetError, nearest
from audiospec.files import filled
from audiospec.manifest import Manifest, Track
from audiospec.registry import Registry
from audiospec.storage.data_folder import data_folder
from audiospec.storage.location import Location, location
from audiospec.text import printable


class Dataset(ABC):
    """A source of labelled tracks. A subclass is one file with one decorator, ``@datasets.register``.

    Parameters
    ----------
    data : path, URL or None
        Folder or file of the audio; nothing is downloaded if it is given. None: the data folder of
        the machine, where the dataset downloads or makes missing audio if it can.

    Attributes
    ----------
    name : str
        Name in the registry: the module's name with dashes, unless the class sets it.
    citation, licence, homepage : str
        Source of the dataset and terms of use.
    layout : str
        Files that are expected under `data`, in a few words, for messages.
    layouts : tuple of tuples
        What is understood, for help: a situation, what gives the label, the fold and the group, and the
        option that chooses otherwise.
    remotes : tuple of Remote
        Places to download it from, in the order to try. Empty if it cannot be downloaded.
    expected : mapping of str to int
        Label → number of tracks in the full set. Empty if no full set is defined.
    group_noun : str
        What the groups of its tracks are, in the plural, such as ``"artists"``.
    is_table : bool
        Whether `data` is a table, after which a store is named.
    target : str
        What is to be predicted; one of `audiospec.annotations.annotation.TARGETS`.
    note : str
        What its authors ask those who report scores to do, in a sentence.

    Raises
    ------
    DatasetError
        `data` starts with the home folder of a user who does not exist.
    """

    name: ClassVar[str]
    citation: ClassVar[str] = ""
    licence: ClassVar[str] = ""
    homepage: ClassVar[str] = ""
    layout: ClassVar[str] = "audio files"
    layouts: ClassVar[tuple[tuple[str, str, str, str, str], ...]] = ()
    remotes: ClassVar[tuple[Remote, ...]] = ()
    expected: Mapping[str, int] = MappingProxyType({})
    group_noun: ClassVar[str] = "groups"
    target: str = "single"
    is_table: ClassVar[bool] = False
    note: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" not in vars(cls):
            cls.name = cls.__module__.rpartition(".")[2].replace("_", "-")

    def __init__(self, data: Location | str | None = None) -> None:
        self.data = self.absolute(data)

    @staticmethod
    def absolute(path: Location | str | None) -> Location | None:
        """Return a path with the user's home folder for ``~``, absolute because workers may run elsewhere.

        Links are not resolved. A URL stays as it is.

        Raises
        ------
        DatasetError
            The path starts with the home folder of a user who does not exist.
        StorageError
            A URL cannot be used.
        """
        place = None if path is None else location(path)
        try:
            return place.expanduser().absolute() if isinstance(place, Path) else place
        except RuntimeError as error:
            raise DatasetError(f"data folder {str(path)!r}: {error}") from error

    def is_here(self) -> bool:
        """Whether the audio is present, so that `manifest` downloads and makes nothing."""
        return True

    @abstractmethod
    def manifest(self) -> Manifest:
        """Find (or download, or make) the tracks and return them in a fixed order.

        Raises
        ------
        DatasetError
            There is no audio, or not the expected files; the message says where audio was searched
            for and how to provide it.
        """

    def validate(self, manifest: Manifest) -> list[str]:
        """Compare a manifest with the full set, label by label.

        Returns
        -------
        list of str
            One line for each label with too few or too many tracks; empty if there are none, or if
            the dataset defines no full set.
        """
        if not self.expected:
            return []
        counts = Counter(track.label for track in manifest)
        lines = []
        for label in sorted({*self.expected, *counts}):
            count, expected = counts[label], self.expected.get(label, 0)
            if count < expected:
                lines.append(f"{label}: {count} of {expected} tracks, {expected - count} missing")
            elif count > expected:
                lines.append(f"{label}: {count} tracks, the full set has {expected}")
        return lines

    def find(self, root: Location) -> Found:
        """Find the audio files under `root`, and name the others; see `find_sound`.

        Raises
        ------
        DatasetError
            `root` does not exist, is a file or cannot be read, or no file in it is audio; the message
            says what exists.
        """
        if isinstance(root, Path) and not os.path.isdir(root):
            raise DatasetError(f"dataset {self.name!r} expects {self.layout} in a folder: {not_found(root)}")
        found = find_sound(root)
        if not found.sound:
            raise DatasetError(f"dataset {self.name!r} expects {self.layout} under {root}: {no_audio(found)}")
        return found

    def ordered(
        self,
        root: Location,
        tracks: Iterable[Track],
        left_out: Iterable[str] = (),
        column: str = "label",
    ) -> Manifest:
        """Return a manifest of the tracks, sorted by id, so that it is the same on every machine."""
        in_order = tuple(sorted(tracks, key=lambda track: track.id))
        return Manifest(self.name, root, in_order, tuple(sorted(left_out)), self.target, column)


#: Maps the path of an audio file, relative to the manifest's root, to its track, or to None if it is none.
Reader = Callable[[PurePosixPath], Track | None]


class DownloadedDataset(Dataset):
    """A published dataset: read from `data` or from the data folder, or downloaded into that.

    A subclass sets `remotes`, `expected` and `layout`, and maps files to tracks with `reader`. A part of
    the full set is accepted, unless it was downloaded.

    Attributes
    ----------
    refuses_others : bool
        Whether an audio file that is no track is an error, because it shows that the folder is not this
        dataset's. Else it is left out.
    """

    refuses_others: ClassVar[bool] = True

    @abstractmethod
    def reader(self, root: Location, found: Found) -> Reader:
        """Read the tables of a folder, and return what maps its audio files to tracks.

        Raises
        ------
        DatasetError
            A table is missing or wrong.
        """

    def manifest(self) -> Manifest:
        """Find the tracks, or download them, and return them sorted by id."""
        return self.scan(self.download() if self.data is None else self.data)

    def is_here(self) -> bool:
        """Whether `data` was given, or the data folder holds the dataset."""
        return self.data is not None or filled(self.folder())

    def folder(self) -> Path:
        """Return the dataset's folder in the data folder, which is used if no `data` is given."""
        return data_folder() / self.name

    def download(self, progress: Progress | None = None) -> Path:
        """Download the dataset into the data folder, unless it is there, and return its folder.

        Parameters
        ----------
        progress : callable or None
            Called with the bytes so far and the total. None shows a bar on stderr, or a line every
            ten seconds if stderr is not a terminal.

        Raises
        ------
        DatasetError
            It cannot be downloaded, or the download is not the full set.
        """
        folder = self.folder()
        if not filled(folder):
            from audiospec.datasets.download.fetch import fetch

            def check(unpacked: Path) -> list[str]:
                return self.validate(self.scan(unpacked))

            fetch(self.name, self.remotes, check, folder, progress)
        return folder

    def scan(self, root: Location) -> Manifest:
        """Return the tracks of all audio files under a folder.

        Raises
        ------
        DatasetError
            There is no audio, a file is not of the dataset, or two files have one id.
        """
        found = self.find(root)
        read = self.reader(root, found)
        tracks, foreign, others = [], [], found.others
        for path in found.sound:
            track = read(PurePosixPath(path))
            if track is not None:
                tracks.append(track)
            elif self.refuses_others and suffix(path) in AUDIO_SUFFIXES:
                foreign.append(path)
            else:  # a sound file, but neither its name nor its suffix is of the dataset
                others.append(path)
        if foreign:
            raise DatasetError(
                f"dataset {self.name!r} expects {self.layout} under {root}: {len(foreign)} audio "
                f"file(s) have other names, such as {printable(foreign[0])!r}",
                "remove them, or use the dataset 'folder'",
            )
        return self.ordered(root, tracks, others)


class PublishedDataset(DownloadedDataset):
    """A published dataset in which the path of a file says which track it is.

    A subclass sets `remotes`, `expected` and `layout`, and maps a file to its track with `track`.
    """

    @abstractmethod
    def track(self, path: PurePosixPath) -> Track | None:
        """Return the track of an audio file, or None if its name is not of this dataset.

        Parameters
        ----------
        path : PurePosixPath
            Relative to the manifest's root.
        """

    def reader(self, root: Location, found: Found) -> Reader:
        """Return `track`."""
        return self.track


def require_range(name: str, value: float, low: float, high: float) -> None:
    """Raise `DatasetError` unless a parameter is from `low` to `high`."""
    if not low <= value <= high:
        raise DatasetError(f"parameter {name} must be {low} to {high}; got {value}")


def store_name(dataset: str, data: Location | str | None = None) -> str:
    """Return the name of a dataset's store, without a suffix: the dataset's own, or that of a table of it.

    Parameters
    ----------
    dataset : str
        Name in the registry.
    data : path, URL or None
        Folder or file of the audio. A dataset that is read from a table has the name of the table: ``tags``
        of ``tags.csv``.
    """
    if data is None or not datasets[dataset].is_table:
        return dataset
    return PurePosixPath(location(data).name).stem or dataset


def open_dataset(
    name: str, data: Location | str | None = None, options: Mapping[str, object] = MappingProxyType({})
) -> Dataset:
    """Make a registered dataset, with the options that its class has.

    Parameters
    ----------
    name : str
        Name in the registry.
    data : path, URL or None
        Folder or file of the audio; see `Dataset`.
    options : mapping
        Option → value, such as ``{"label_level": 1}`` for `folder`.

    Raises
    ------
    DatasetError
        The dataset has no such option.
    """
    cls = datasets[name]
    available = [option for option in inspect.signature(cls).parameters if option != "data"]
    for option in options:
        if option not in available:
            raise DatasetError(
                f"dataset {name!r} has no option `{option}`{nearest(option, available)} "
                f"(it has: {', '.join(available) or 'none'})"
            )
    return cls(data, **options)


datasets: Registry[type[Dataset]] = Registry("dataset", "audiospec.datasets", "audiospec.datasets")
