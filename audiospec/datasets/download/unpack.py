"""Unpack tar and zip archives, which may be hostile: nothing is written outside one new folder."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tarfile
import zipfile
from collections.abc import Generator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Self

from audiospec.datasets.download.volumes import split_zip
from audiospec.errors import DatasetError
from audiospec.files import open_plain
from audiospec.text import printable

MAX_FILES = 1_000_000
"""Most members that an archive may have."""

MAX_RATIO = 20
"""Most bytes that an archive may unpack to for each of its bytes, beyond the first GB."""

MAX_NAME, MAX_DEPTH, MAX_PATH = 255, 64, 1024
"""Most bytes of a part of a member's name, most parts of it, and most bytes of it all."""

_FREE_BYTES = 1_000_000_000
_BLOCK = 1 << 20
#: Most bytes of a tar member's extended header, which Python reads into memory.
_MAX_HEADER = 1 << 20
_EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


def unpack(archive: Path, folder: Path, volumes: Sequence[Path] = ()) -> None:
    """Unpack an archive into a folder that does not exist yet.

    Only plain files are unpacked, one by one, and their names must stay inside the folder. File modes
    and owners are ignored.

    Parameters
    ----------
    archive : Path
        A zip file, or a tar file with any compression that Python can read.
    folder : Path
        Folder to make. After an error it may remain, incomplete.
    volumes : sequence of Path
        The files ``.z01``, ``.z02`` … of a split zip file, in order, whose last part is `archive`.

    Raises
    ------
    DatasetError
        The archive is broken, or has a link, a device, a name that is absolute, contains ``..``, is too long
        or is reserved on Windows, two members of one name, too many members, or far more content than
        compressed audio has.
    OSError
        A file cannot be read or written.
    """
    limit = _FREE_BYTES + MAX_RATIO * sum(file.stat().st_size for file in (*volumes, archive))
    folder.mkdir(parents=True)
    written = 0
    try:
        with contextlib.closing(_members(archive, folder, volumes)) as members:
            for number, (parts, source) in enumerate(members):
                if number >= MAX_FILES:
                    raise DatasetError(f"archive {archive.name} has more than {MAX_FILES} files")
                if source is None:
                    continue
                with source, _new(archive, folder, parts) as file:
                    while block := source.read(_BLOCK):
                        written += len(block)
                        if written > limit:
                            raise DatasetError(
                                f"archive {archive.name} unpacks to more than {limit} bytes: "
                                "it is not an archive of audio"
                            )
                        file.write(block)
    except DatasetError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise
        # gzip and bz2 raise OSError for bad data too, without a number, as no system call failed.
        raise _broken(archive, error) from error
    except Exception as error:  # Python's readers raise errors without a common base on bad data
        raise _broken(archive, error) from error


class _Header(tarfile.TarInfo):
    """A tar header; extended ones are bounded."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.type in _EXTENDED and header.size > _MAX_HEADER:
            raise ValueError(f"an extended header has {header.size} bytes")
        return header


def _members(
    archive: Path, folder: Path, volumes: Sequence[Path]
) -> Generator[tuple[tuple[str, ...], IO[bytes] | None], None, None]:
    """Yield the parts of the name of each member of an archive, and the open content of a plain file."""
    with open_plain(archive) as file:
        zipped = file.read(4) in (b"PK\3\4", b"PK\5\6")  # the second is that of an empty archive
    if zipped or volumes:
        with split_zip([*volumes, archive]) if volumes else zipfile.ZipFile(archive) as bundle:
            for entry in bundle.infolist():
                # The upper half is the file mode if the archive was made on Unix, else 0.
                kind = stat.S_IFMT(entry.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise _refused(archive, entry.filename, "is a link or a device")
                parts = _parts(archive, entry.filename)
                yield parts, None if entry.is_dir() else bundle.open(entry)
        return
    with tarfile.open(archive, tarinfo=_Header) as tape:
        for member in tape:
            if not (member.isreg() or member.isdir()):
                raise _refused(archive, member.name, "is a link or a device")
            parts = _parts(archive, member.name)
            if hasattr(tarfile, "data_filter"):  # Python's own check, since 3.11.4
                tarfile.data_filter(member, str(folder))
            yield parts, tape.extractfile(member)  # None for a folder
        # The checksum after compressed data is only checked if the file is read to its end.
        assert tape.fileobj is not None
        while tape.fileobj.read(_BLOCK):
            pass


def _new(archive: Path, folder: Path, parts: tuple[str, ...]) -> IO[bytes]:
    """Open a new file in the folder for writing; refuse a name that already exists."""
    target = folder.joinpath(*parts)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return open(target, "xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise _refused(archive, "/".join(parts), "is listed twice") from error


def _parts(archive: Path, name: str) -> tuple[str, ...]:
    """Return the parts of a member's name; refuse a name that could leave the folder on any system."""
    path, windows = PurePosixPath(name), PureWindowsPath(name)
    if not name:
        raise _refused(archive, name, "has no name")
    if path.is_absolute() or windows.drive or windows.root or "\\" in name:
        raise _refused(archive, name, "has an absolute name or a backslash in it")
    if ".." in path.parts:
        raise _refused(archive, name, "leads out of the folder")
    if "\0" in name:
        raise _refused(archive, name, "has a NUL character in its name")
    sizes = [len(os.fsencode(part)) for part in path.parts]
    if max(sizes, default=0) > MAX_NAME or sum(sizes) > MAX_PATH or len(sizes) > MAX_DEPTH:
        raise _refused(
            archive, name, f"has a name of {sum(sizes)} bytes in {len(sizes)} parts, which is too long"
        )
    if any(_is_reserved(part) for part in path.parts):
        raise _refused(archive, name, "has a name that is a device on Windows")
    return path.parts


def _is_reserved(part: str) -> bool:
    """Return whether a name is a device on Windows, whatever its suffix."""
    stem = part.partition(".")[0].rstrip(" ")
    return re.fullmatch(r"con|prn|aux|nul|(com|lpt)[1-9]", stem, re.IGNORECASE) is not None


def _refused(archive: Path, name: str, why: str) -> DatasetError:
    shown = printable(name)
    shown = shown if len(shown) <= 80 else f"{shown[:60]}…"
    return DatasetError(f"archive {archive.name} is refused: its member {shown!r} {why}")


def _broken(archive: Path, error: Exception) -> DatasetError:
    why = str(error).partition("\n")[0].rstrip(":")
    return DatasetError(f"archive {archive.name} is broken: {why or type(error).__name__}")
