"""Dataset: a named source of labelled tracks; the registry of datasets.

A published dataset is a `PublishedDataset`: it defines how a file's path maps to a track, how many
tracks the full set has, and where to download it. Any other dataset is a `Dataset` that makes its
manifest itself.
"""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import ClassVar

from audiospec.datasets.download.remote import Progress, Remote
from audiospec.errors import DatasetError
from audiospec.files import filled
from audiospec.manifest import Manifest, Track
from audiospec.registry import Registry
from audiospec.text import printable

AUDIO_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("wav", "wave", "w64", "rf64", "bwf", "au", "snd", "aif", "aiff", "aifc", "caf", "flac"),
        *("ogg", "oga", "opus", "spx", "mp1", "mp2", "mp3", "m4a", "m4b", "mp4", "aac", "ac3"),
        *("wma", "wv", "ape", "amr", "3gp", "webm", "mka", "mkv", "mov", "avi"),
    )
)
"""Suffixes of audio files, in lower case."""


class Dataset(ABC):
    """A source of labelled tracks. A subclass is one file with one decorator, ``@datasets.register``.

    Parameters
    ----------
    data : path or None
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
    remotes : tuple of Remote
        Places to download it from, in the order to try. Empty if it cannot be downloaded.
    expected : mapping of str to int
        Label → number of tracks in the full set. Empty if no full set is defined.

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
    remotes: ClassVar[tuple[Remote, ...]] = ()
    expected: Mapping[str, int] = MappingProxyType({})

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" not in vars(cls):
            cls.name = cls.__module__.rpartition(".")[2].replace("_", "-")

    def __init__(self, data: Path | str | None = None) -> None:
        try:
            # Absolute, because workers may run in another folder; links are not resolved.
            self.data = None if data is None else Path(data).expanduser().absolute()
        except RuntimeError as error:
            raise DatasetError(f"data folder {str(data)!r}: {error}") from error

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

    def audio_files(self, root: Path) -> list[str]:
        """Return the paths of all audio files under `root`, relative to it, with forward slashes, sorted.

        Raises
        ------
        DatasetError
            `root` does not exist, is a file or cannot be read, or no file in it is audio; the message
            says what exists.
        """
        if not os.path.isdir(root):
            raise DatasetError(f"dataset {self.name!r} expects {self.layout} in a folder: {not_found(root)}")
        files = files_under(root)
        audio = [file for file in files if suffix(file) in AUDIO_SUFFIXES]
        if not audio:
            others = f"{len(files)} other file(s) such as {printable(files[0])!r}" if files else "no file"
            raise DatasetError(
                f"dataset {self.name!r} expects {self.layout} under {root}: found no audio, {others}"
            )
        return audio

    def ordered(self, root: Path, tracks: Iterable[Track]) -> Manifest:
        """Return a manifest of the tracks, sorted by id, so that it is the same on every machine."""
        return Manifest(self.name, root, tuple(sorted(tracks, key=lambda track: track.id)))


class PublishedDataset(Dataset):
    """A published dataset: read from `data` or from the data folder, or downloaded into that.

    A subclass sets `remotes`, `expected` and `layout`, and maps a file to its track with `track`. A
    part of the full set is accepted, unless it was downloaded.
    """

    @abstractmethod
    def track(self, path: PurePosixPath) -> Track | None:
        """Return the track of an audio file, or None if its name is not of this dataset.

        Parameters
        ----------
        path : PurePosixPath
            Relative to the manifest's root.
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

    def scan(self, root: Path) -> Manifest:
        """Return the tracks of all audio files under a folder.

        Raises
        ------
        DatasetError
            There is no audio, a file is not of the dataset, or two files have one id.
        """
        tracks, foreign = [], []
        for path in self.audio_files(root):
            track = self.track(PurePosixPath(path))
            if track is None:
                foreign.append(path)
            else:
                tracks.append(track)
        if foreign:
            raise DatasetError(
                f"dataset {self.name!r} expects {self.layout} under {root}: {len(foreign)} audio "
                f"file(s) have other names, such as {printable(foreign[0])!r}",
                "remove them, or use the dataset 'folder'",
            )
        return self.ordered(root, tracks)


def data_folder() -> Path:
    """Return the data folder of the machine: ``AUDIOSPEC_DATA``, or the user's cache folder."""
    if chosen := os.environ.get("AUDIOSPEC_DATA"):
        return Path(os.path.expanduser(chosen)).absolute()
    import pooch

    return Path(pooch.os_cache("audiospec"))


def files_under(root: Path) -> list[str]:
    """Return the paths of all files under a folder, relative to it, with forward slashes, sorted.

    Hidden names and ``__MACOSX`` are left out. Links to folders are followed after all real folders,
    and no folder is read twice, so links cannot loop or list a file twice. A broken link is listed,
    so that reading it reports it.

    Raises
    ------
    DatasetError
        A folder cannot be read.
    """
    paths: list[str] = []
    seen: set[tuple[int, int]] = set()
    folders, links = deque([""]), deque[str]()
    while folders or links:
        folder = folders.popleft() if folders else links.popleft()
        try:
            status = os.stat(root / folder)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(root / folder) as entries:
                listing = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            raise DatasetError(
                f"cannot read folder {printable(str(root / folder))}: {error.strerror}"
            ) from error
        for entry in listing:
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                continue
            path = f"{folder}/{entry.name}" if folder else entry.name
            try:
                mode = entry.stat().st_mode
            except OSError:
                mode = stat.S_IFREG  # a broken link
            if stat.S_ISDIR(mode):
                (links if entry.is_symlink() else folders).append(path)
            elif stat.S_ISREG(mode):
                paths.append(path)
    return sorted(paths)


def not_found(path: Path) -> str:
    """Say what a path is instead of the expected: a folder, a file, or missing (with the nearest folder)."""
    if os.path.isdir(path):
        return f"{path} is a folder"
    if os.path.exists(path):
        return f"{path} is a file"
    parent = next((parent for parent in path.parents if os.path.isdir(parent)), path)
    return f"there is no {path} (the nearest folder that exists is {parent})"


def suffix(path: str) -> str:
    """Return the suffix of a path in lower case, such as ``".wav"``."""
    return PurePosixPath(path).suffix.lower()


datasets: Registry[type[Dataset]] = Registry("dataset", "audiospec.datasets", "audiospec.datasets")
