"""Find the sound files of a folder: by suffix, and by content where the suffix does not decide."""

from __future__ import annotations

import glob
import itertools
import os
import stat
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from audiospec.audio.sniff import SOUND_BYTES, begins_sound, is_sound
from audiospec.errors import DatasetError
from audiospec.storage.location import Location
from audiospec.storage.opening import open_folder
from audiospec.text import printable

AUDIO_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("wav", "wave", "w64", "rf64", "bwf", "au", "snd", "aif", "aiff", "aifc", "caf", "flac"),
        *(
            "ogg",
            "oga",
            "opus",
            "spx",
            "mp1",
            "mp2",
            "mp3",
            "mpga",
            "m4a",
            "m4b",
            "m4r",
            "mp4",
            "aac",
            "adts",
        ),
        *("ac3", "eac3", "wma", "wv", "ape", "tta", "amr", "awb", "3gp", "webm", "weba", "mka", "mkv"),
        *("mov", "avi"),
    )
)
"""Suffixes of audio files, in lower case. A file that has one is a track, whatever is in it."""

OTHER_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("txt", "csv", "tsv", "json", "jsonl", "parquet", "xml", "html", "htm", "yaml", "yml", "toml", "md"),
        *(
            "pdf",
            "doc",
            "docx",
            "xls",
            "xlsx",
            "py",
            "ipynb",
            "m",
            "sh",
            "log",
            "npy",
            "npz",
            "pt",
            "pkl",
            "h5",
        ),
        *("jpg", "jpeg", "png", "gif", "bmp", "svg", "webp", "heic", "avif", "tif", "tiff", "psd"),
        *(
            "zip",
            "gz",
            "tar",
            "tgz",
            "rar",
            "7z",
            "lab",
            "textgrid",
            "jams",
            "mid",
            "midi",
            "srt",
            "m3u",
            "m3u8",
        ),
        *("md5", "sha1", "sha256", "db", "ini", "cue", "nfo"),
    )
)
"""Suffixes of files that are not audio, in lower case. Files with any other suffix, or none, are opened."""

SYSTEM_FILES = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "$recycle.bin"))
"""Names, in lower case, of files that systems leave in every folder; hidden names begin with a dot."""

_COPIES = (".bak", ".old", ".orig", "~")


@dataclass(frozen=True, slots=True)
class Found:
    """The files of a folder.

    Attributes
    ----------
    sound : list of str
        Relative to the folder, with forward slashes, sorted.
    others : list of str
        All other files, likewise: no sound, or a copy such as ``x.wav.bak`` beside ``x.wav``.
    """

    sound: list[str]
    others: list[str]


def find_sound(root: Location) -> Found:
    """Find the sound files under a folder.

    A suffix decides, if it is one of `AUDIO_SUFFIXES` or `OTHER_SUFFIXES`; blanks and dots at the end of a
    name, and what follows a ``?`` in it, do not count. Any other file is opened, and its first bytes decide.

    Raises
    ------
    DatasetError
        A folder cannot be read.
    StorageError
        A bucket does not answer, or refuses.
    """
    files = files_under(root)
    known = set(files)
    decided = {file: _by_name(file, known) for file in files}
    unsure = [file for file, is_sound in decided.items() if is_sound is None]
    by_content = _by_content(root, unsure)
    sound = {file for file, yes in zip(unsure, by_content, strict=True) if yes}
    sound.update(file for file, is_sound in decided.items() if is_sound)
    found = Found([], [])
    for file in files:
        (found.sound if file in sound else found.others).append(file)
    return found


def _by_name(file: str, files: set[str]) -> bool | None:
    """Whether a file is sound by its name; None if only its content says that."""
    ending = suffix(file)
    if ending in AUDIO_SUFFIXES:
        return True
    if ending in OTHER_SUFFIXES:
        return False
    if any(file.endswith(copy) and file.removesuffix(copy) in files for copy in _COPIES):
        return False
    return None


def _by_content(root: Location, files: Sequence[str]) -> list[bool]:
    """Whether files are sound by their first bytes."""
    if isinstance(root, Path):
        return [is_sound(root / file) for file in files]
    folder = open_folder(root)

    def check(key: str) -> bool:
        try:
            head = folder.read(key, 0, SOUND_BYTES)
        except FileNotFoundError:
            return False
        return begins_sound(head, PurePosixPath(key).suffix)

    return [*folder.map(check, files)]


def expand(paths: Sequence[Location]) -> tuple[list[Location], list[Location]]:
    """Replace each folder by the sound files under it, and each pattern by the paths that fit it.

    In a bucket, what has the suffix of an audio file is a file, and anything else is a folder. On a disk, a
    path that does not exist and has ``*``, ``?`` or ``[`` is a pattern; ``**`` is any folders.

    Returns
    -------
    list of Location
        The files that were given, and the sound files of the folders, in order. A folder without
        sound stands for itself, so that reading it reports it.
    list of Location
        The other files of the folders.

    Raises
    ------
    DatasetError
        A folder cannot be read, or nothing fits a pattern.
    """
    files: list[Location] = []
    others: list[Location] = []
    for path in itertools.chain.from_iterable(map(_fitting, paths)):
        if not path.is_dir() if isinstance(path, Path) else suffix(path.name) in AUDIO_SUFFIXES:
            files.append(path)
            continue
        found = find_sound(path)
        files += [path / file for file in found.sound] or [path]
        others += [path / file for file in found.others]
    return files, others


def _fitting(path: Location) -> list[Location]:
    """Return the paths that fit a pattern, sorted; any other path stands for itself."""
    if not isinstance(path, Path) or not glob.has_magic(str(path)) or os.path.lexists(path):
        return [path]
    found: list[Location] = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
    if not found:
        raise DatasetError(f"no file fits {printable(str(path))!r}", "check the pattern")
    return found


def left_out(others: Sequence[str]) -> str:
    """Say how many other files were left out, and name one; ``""`` if there are none."""
    if not others:
        return ""
    if len(others) == 1:
        return f"1 other file left out: {printable(others[0])!r}"
    return f"{len(others)} other files left out, such as {printable(others[0])!r}"


def no_audio(found: Found) -> str:
    """Say what a folder without sound contains."""
    files = found.others
    others = f"{len(files)} other file(s) such as {printable(files[0])!r}" if files else "no file"
    return f"found no audio, {others}"


def files_under(root: Location) -> list[str]:
    """Return the paths of all files under a folder, relative to it, with forward slashes, sorted.

    Hidden names, `SYSTEM_FILES` and ``__MACOSX`` are left out. Links to folders are followed after all real
    folders, and no folder is read twice, so links cannot loop or list a file twice. A broken link is listed,
    so that reading it reports it.

    Raises
    ------
    DatasetError
        A folder cannot be read.
    StorageError
        A bucket does not answer, or refuses.
    """
    if isinstance(root, Path):
        return sorted(_files_of_disk(root))
    # Consoles make empty objects whose names end in a slash, and show them as folders.
    keys = (entry.key for entry in open_folder(root).list())
    return sorted(key for key in keys if key[-1:] != "/" and not any(map(_is_hidden, key.split("/"))))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX" or name.lower() in SYSTEM_FILES


def _files_of_disk(root: Path) -> list[str]:
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
            if _is_hidden(entry.name):
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
    return paths


def not_found(path: Location) -> str:
    """Say what a path is instead of the expected: a folder, a file, or missing (with the nearest folder)."""
    if not isinstance(path, Path):
        return f"there is no {path}"
    if os.path.isdir(path):
        return f"{path} is a folder"
    if os.path.exists(path):
        return f"{path} is a file"
    parent = next((parent for parent in path.parents if os.path.isdir(parent)), path)
    return f"there is no {path} (the nearest folder that exists is {parent})"


def suffix(path: str) -> str:
    """Return the suffix of a path in lower case: ``".wav"`` of ``x.WAV``, ``x.wav?id=1`` and ``x.wav. ``."""
    name = PurePosixPath(path).name.lower().partition("?")[0].rstrip(" .")
    return PurePosixPath(name).suffix if name else ""
