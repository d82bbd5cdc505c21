"""Dataset: a named source of labelled tracks; the registry of datasets.

A dataset that somebody published is a `PublishedDataset`: it gives a rule from a file's path to a
track, what the whole set counts, and where to download it. Anything else is a `Dataset` with a
manifest of its own.
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
"""Suffixes, in lower case, of the files that count as audio."""


class Dataset(ABC):
    """A source of labelled tracks. A subclass is one file of this package with one decorator.

    Parameters
    ----------
    data : path or None
        Where the audio lies; nothing is ever downloaded for it. None looks in the data folder of
        the machine, and downloads or makes what is missing if the dataset can.

    Attributes
    ----------
    name : str
        The module's name with dashes, as in the registry, unless the class sets it.
    citation, licence, homepage : str
        Where it comes from and what may be done with it.
    layout : str
        What is expected under `data`, in a few words; messages use it.
    remotes : tuple of Remote
        Where to download it from, in the order to try. Empty if it cannot be downloaded.
    expected : mapping of str to int
        Label → number of tracks in the full set. Empty if there is no such thing.

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
            # Absolute, because workers may run in another folder; links are left as they are.
            self.data = None if data is None else Path(data).expanduser().absolute()
        except RuntimeError as error:
            raise DatasetError(f"data folder {str(data)!r}: {error}") from error

    def is_here(self) -> bool:
        """Whether `manifest` finds the audio as it is, without downloading or making any."""
        return True

    @abstractmethod
    def manifest(self) -> Manifest:
        """Find (or download, or make) the tracks and return them in a fixed order.

        Raises
        ------
        DatasetError
            Nothing there, or not what was expected; says where it was looked for and how to bring
            it.
        """

    def validate(self, manifest: Manifest) -> list[str]:
        """Compare a manifest with the full set, label by label.

        Returns
        -------
        list of str
            One line for each label with tracks missing or too many; empty if all is there, or if
            the dataset has no full set.
        """
        if not self.expected:
            return []
        counts = Counter(track.label for track in manifest)
        lines = []
        for label in sorted({*self.expected, *counts}):
            have, want = counts[label], self.expected.get(label, 0)
            if have < want:
                lines.append(f"{label}: {have} of {want} tracks, {want - have} missing")
            elif have > want:
                lines.append(f"{label}: {have} tracks where the full set has {want}")
        return lines

    def audio_files(self, root: Path) -> list[str]:
        """Paths of all audio files under `root`, relative to it, with forward slashes, sorted.

        Raises
        ------
        DatasetError
            `root` is not there, is a file or cannot be read, or no file in it is audio; says what
            is there.
        """
        if not os.path.isdir(root):
            raise DatasetError(f"dataset {self.name!r} expects {self.layout} in a folder: {not_found(root)}")
        files = files_under(root)
        audio = [file for file in files if suffix(file) in AUDIO_SUFFIXES]
        if not audio:
            there = f"{len(files)} other file(s) such as {printable(files[0])!r}" if files else "no file"
            raise DatasetError(
                f"dataset {self.name!r} expects {self.layout} under {root}: found no audio, {there}"
            )
        return audio

    def ordered(self, root: Path, tracks: Iterable[Track]) -> Manifest:
        """Manifest of the tracks, sorted by id: the same on every machine."""
        return Manifest(self.name, root, tuple(sorted(tracks, key=lambda track: track.id)))


class PublishedDataset(Dataset):
    """A dataset that was published as a whole: under `data`, in the data folder, or downloaded.

    A subclass sets `remotes`, `expected` and `layout`, and says with `track` which file is which
    track. A part of the full set is as good as all of it, unless it was downloaded.
    """

    @abstractmethod
    def track(self, path: PurePosixPath) -> Track | None:
        """Return the track that an audio file is, or None if its name is not one of this dataset.

        Parameters
        ----------
        path : PurePosixPath
            Relative to the manifest's root.
        """

    def manifest(self) -> Manifest:
        """Find, or download, the tracks and return them sorted by id."""
        return self.scan(self.download() if self.data is None else self.data)

    def is_here(self) -> bool:
        """Whether `data` was given, or the data folder holds the dataset."""
        return self.data is not None or filled(self.folder())

    def folder(self) -> Path:
        """Where the dataset lies, or will lie, if no `data` is given."""
        return data_folder() / self.name

    def download(self, progress: Progress | None = None) -> Path:
        """Bring the dataset into the data folder, unless it is there, and return where it lies.

        Parameters
        ----------
        progress : callable or None
            Called with the bytes so far and in all. None shows a bar, or a line now and then, on
            stderr.

        Raises
        ------
        DatasetError
            It could not be downloaded, or what came is not the full set.
        """
        folder = self.folder()
        if not filled(folder):
            from audiospec.datasets.download.fetch import fetch

            def check(unpacked: Path) -> list[str]:
                return self.validate(self.scan(unpacked))

            fetch(self.name, self.remotes, check, folder, progress)
        return folder

    def scan(self, root: Path) -> Manifest:
        """Tracks of all audio files under a folder.

        Raises
        ------
        DatasetError
            No audio, an audio file that is none of the dataset's, or two files for one id.
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
                f"file(s) have other names, such as {printable(foreign[0])!r}; take them out, or use "
                "the dataset 'folder'"
            )
        return self.ordered(root, tracks)


def data_folder() -> Path:
    """Return the data folder of the machine: ``AUDIOSPEC_DATA``, or the user's cache folder."""
    if chosen := os.environ.get("AUDIOSPEC_DATA"):
        return Path(os.path.expanduser(chosen)).absolute()
    import pooch

    return Path(pooch.os_cache("audiospec"))


def files_under(root: Path) -> list[str]:
    """Paths of all files under a folder, relative to it, with forward slashes, sorted.

    Hidden names and ``__MACOSX`` are left out. Links to folders are followed, after all real
    folders, and no folder is read twice: so a link can neither loop nor list a file a second time.
    A link to a file that is gone is listed: whoever reads it will find out, and name it.

    Raises
    ------
    DatasetError
        A folder cannot be read.
    """
    found: list[str] = []
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
                mode = stat.S_IFREG  # a link to nothing
            if stat.S_ISDIR(mode):
                (links if entry.is_symlink() else folders).append(path)
            elif stat.S_ISREG(mode):
                found.append(path)
    return sorted(found)


def not_found(path: Path) -> str:
    """Why a path is not what it should be: of the other kind, or not there; then what is near."""
    if os.path.isdir(path):
        return f"{path} is a folder"
    if os.path.exists(path):
        return f"{path} is a file"
    parent = next((parent for parent in path.parents if os.path.isdir(parent)), path)
    return f"there is no {path} (the nearest folder that exists is {parent})"


def suffix(path: str) -> str:
    """Suffix of a path in lower case, such as ``".wav"``."""
    return PurePosixPath(path).suffix.lower()


datasets: Registry[type[Dataset]] = Registry("dataset", "audiospec.datasets", "audiospec.datasets")
