"""Where ONNX models are found by their SHA-256: a folder of your choice, and copies that audiospec keeps.

A spec holds the SHA-256 of a model and no path. A model that is given once is copied into ``models`` of the
data folder under its SHA-256, so that a store and a run can be reopened after the file was moved, changed or
deleted. ``AUDIOSPEC_MODELS`` names a folder that is searched first, such as one that all machines of a
cluster see.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from audiospec.errors import ModelError
from audiospec.files import atomic_write, disk_full, is_full, open_plain, write_bytes
from audiospec.onnx_files.header import read_content
from audiospec.storage.data_folder import data_folder

#: Environment variable that names the folder.
VARIABLE = "AUDIOSPEC_MODELS"
#: What the name of a reference ends with, in place of ``.onnx``.
REFERENCE = ".reference.npz"
#: Largest reference in bytes, packed or not.
MOST_REFERENCE = 256 << 20
#: Most files of a folder that are hashed, and that a message lists.
MOST_FILES, MOST_LISTED = 256, 3


def folders() -> list[Path]:
    """Return the folders in which models are found, in order; the last is the one of audiospec's copies."""
    chosen = os.environ.get(VARIABLE)
    return [*([Path(chosen).expanduser().absolute()] if chosen else []), data_folder() / "models"]


def keep(path: Path, sha256: str) -> Path:
    """Copy a model, and the reference beside it, to where it is found by its SHA-256.

    Parameters
    ----------
    path : Path
    sha256 : str
        What the file has been found to have.

    Returns
    -------
    Path
        The file that is found from now on.

    Raises
    ------
    ModelError
        The copy cannot be written, or the file has changed meanwhile.
    """
    try:
        found = find(sha256)
    except ModelError:
        found = folders()[-1] / f"{sha256}.onnx"
        try:
            found.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(found) as temporary:
                temporary.write_bytes(content := read_content(path))
                _require_sha256(hashlib.sha256(content).hexdigest(), sha256, path)
        except OSError as error:
            raise _unwritable(found, error) from error
    reference = reference_bytes(beside(path))
    if reference is not None and reference != _reference(sha256, found)[1]:
        target = folders()[-1] / f"{sha256}{REFERENCE}"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(target, reference)
        except OSError as error:
            raise _unwritable(target, error) from error
    return found


def beside(path: Path) -> Path:
    """Return where the reference of a model would be: ``NAME.reference.npz`` beside ``NAME.onnx``."""
    return path.with_name(path.name.removesuffix(".onnx") + REFERENCE)


def reference_for(sha256: str, path: Path) -> Path | None:
    """Return the reference of a model that was found: that beside it, or one that was kept; None if none is.

    Parameters
    ----------
    sha256 : str
    path : Path
        What `find` returned.
    """
    return _reference(sha256, path)[0]


def _reference(sha256: str, path: Path) -> tuple[Path | None, bytes | None]:
    for place in (folders()[-1] / f"{sha256}{REFERENCE}", beside(path)):
        content = reference_bytes(place)
        if content is not None:
            return place, content
    return None, None


def reference_bytes(path: Path) -> bytes | None:
    """Return the bytes of a reference; None if there is none.

    Raises
    ------
    ModelError
        It cannot be read, or is too large.
    """
    try:
        with open_plain(path, MOST_REFERENCE) as file:
            return file.read(os.fstat(file.fileno()).st_size)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read the reference {path} ({error})", "correct it, or remove it") from error


def find(sha256: str) -> Path:
    """Return the file with a SHA-256.

    Raises
    ------
    ModelError
        No file of the folders has it.
    """
    others = []
    for folder in folders():
        named = folder / f"{sha256}.onnx"
        files = [named] if named.is_file() else sorted(folder.glob("*.onnx"))[:MOST_FILES]
        for file in files:
            if not file.is_file():
                continue
            digest = _sha256_of(file)
            if digest == sha256:
                return file
            others.append(f"{file.name} has {digest[:12]}…")
    places = " and ".join(map(str, folders()))
    listed = f" ({', '.join(others[:MOST_LISTED])}{', …' if len(others) > MOST_LISTED else ''})"
    raise ModelError(
        f"expected an ONNX model with SHA-256 {sha256} in {places}; got {'none' if not others else 'others'}"
        f"{listed if others else ''}",
        f"put the file into {folders()[-1]}, or set {VARIABLE} to the folder that it is in",
    )


def load(sha256: str) -> tuple[Path, bytes]:
    """Return the file with a SHA-256, and its bytes, which have it.

    Raises
    ------
    ModelError
        There is none, or it has changed since it was found.
    """
    path = find(sha256)
    content = read_content(path)
    _require_sha256(hashlib.sha256(content).hexdigest(), sha256, path)
    return path, content


def _require_sha256(got: str, expected: str, path: Path) -> None:
    if got != expected:
        raise ModelError(
            f"expected SHA-256 {expected} of {path}; got {got}: the file has changed",
            "give the same file again",
        )


def _sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file; it is cached until the file changes."""
    try:
        stat = path.stat()
        return _hashed(path, stat.st_ino, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise ModelError(
            f"cannot read {path} ({error.strerror})", "make it readable, or remove it"
        ) from error


@lru_cache(maxsize=1024)
def _hashed(path: Path, _inode: int, _modified: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unwritable(path: Path, error: OSError) -> Exception:
    if is_full(error):
        return disk_full(path)
    return ModelError(
        f"cannot keep a copy of the model as {path} ({error.strerror})",
        f"set AUDIOSPEC_DATA to a folder that can be written, or {VARIABLE} to the model's own folder",
    )
