"""Unpack a .tar or .zip archive that may be hostile: nothing is written outside one new folder."""

from __future__ import annotations

import contextlib
import stat
import tarfile
import zipfile
from collections.abc import Generator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from audiospec.errors import DatasetError
from audiospec.text import printable

MAX_FILES = 1_000_000
"""Most members that an archive may have."""

MAX_RATIO = 20
"""Most bytes that an archive may unpack to for each of its own, beyond the first GB."""

_FREE_BYTES = 1_000_000_000
_BLOCK = 1 << 20


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive into a folder that does not exist yet.

    Members are written one by one. Only plain files with relative names that go down are taken;
    file modes and owners are not.

    Parameters
    ----------
    archive : Path
        A zip file, or a tar file with any compression that Python knows.
    folder : Path
        Made here. After an error it may be left there, incomplete.

    Raises
    ------
    DatasetError
        The archive is broken, or has a link, a device, a name that is absolute or holds ``..``, two
        members of one name, or far more content than sound can be packed to.
    OSError
        A file cannot be written.
    """
    limit = _FREE_BYTES + MAX_RATIO * archive.stat().st_size
    folder.mkdir(parents=True)
    written = 0
    try:
        with contextlib.closing(_members(archive, folder)) as members:
            for number, (parts, source) in enumerate(members):
                if number >= MAX_FILES:
                    raise DatasetError(f"archive {archive.name} has more than {MAX_FILES} files")
                with source, _new(archive, folder, parts) as file:
                    while block := source.read(_BLOCK):
                        written += len(block)
                        if written > limit:
                            raise DatasetError(
                                f"archive {archive.name} unpacks to more than {limit} bytes: "
                                "that is no archive of sound"
                            )
                        file.write(block)
    except DatasetError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise
        # gzip and bz2 speak of bad data with an OSError too, one that no system call made.
        raise _broken(archive, error) from error
    except Exception as error:  # what Python's readers raise on bad data has no common root
        raise _broken(archive, error) from error


def _members(archive: Path, folder: Path) -> Generator[tuple[tuple[str, ...], IO[bytes]], None, None]:
    """Parts of the name, and open content, of each plain file of an archive."""
    with open(archive, "rb") as file:
        zipped = file.read(4) in (b"PK\3\4", b"PK\5\6")  # the second begins an empty one
    if zipped:
        with zipfile.ZipFile(archive) as bundle:
            for entry in bundle.infolist():
                # The upper half holds the Unix mode if the archive was made there, else 0.
                kind = stat.S_IFMT(entry.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise _refused(archive, entry.filename, "is a link or a device")
                parts = _parts(archive, entry.filename)
                if not entry.is_dir():
                    yield parts, bundle.open(entry)
        return
    with tarfile.open(archive) as tape:
        for member in tape:
            if not (member.isreg() or member.isdir()):
                raise _refused(archive, member.name, "is a link or a device")
            parts = _parts(archive, member.name)
            if hasattr(tarfile, "data_filter"):  # Python's own check, from 3.11.4 on
                tarfile.data_filter(member, str(folder))
            if member.isreg():
                content = tape.extractfile(member)
                assert content is not None
                yield parts, content
        # The checksum behind compressed data is looked at only by who reads to the end.
        assert tape.fileobj is not None
        while tape.fileobj.read(_BLOCK):
            pass


def _new(archive: Path, folder: Path, parts: tuple[str, ...]) -> IO[bytes]:
    """Open a new file in the folder for writing, refusing a name that is taken."""
    target = folder.joinpath(*parts)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return open(target, "xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise _refused(archive, "/".join(parts), "is there twice") from error


def _parts(archive: Path, name: str) -> tuple[str, ...]:
    """Parts of a member's name, refusing one that could leave the folder on any system."""
    path, windows = PurePosixPath(name), PureWindowsPath(name)
    if not name:
        raise _refused(archive, name, "has no name")
    if path.is_absolute() or windows.drive or windows.root or "\\" in name:
        raise _refused(archive, name, "has an absolute name or a backslash in it")
    if ".." in path.parts:
        raise _refused(archive, name, "leads out of its folder")
    return path.parts


def _refused(archive: Path, name: str, why: str) -> DatasetError:
    return DatasetError(f"archive {archive.name} is refused: its member {printable(name)!r} {why}")


def _broken(archive: Path, error: Exception) -> DatasetError:
    why = str(error).partition("\n")[0].rstrip(":")
    return DatasetError(f"archive {archive.name} is broken: {why or type(error).__name__}")
