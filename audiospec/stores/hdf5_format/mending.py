"""Check an HDF5 store, except its rows, and mend it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import h5py

from audiospec.files import damage_errors
from audiospec.stores.hdf5_format.copying import append_seal, write_from_copy
from audiospec.stores.hdf5_format.reading import SEAL
from audiospec.stores.hdf5_format.trailer import Trailer, read_trailer
from audiospec.stores.hdf5_format.writing import reserve
from audiospec.stores.seals.damage import Check, Damage


def check(path: Path) -> Check:
    """Compare everything but the rows with the seal. HDF5 reads none of it."""
    trailer, matches = _trailer(path)
    if trailer is None:
        return Check(unsealed=("store",), isolate=True)
    has_copy = trailer.copy is not None
    damage = []
    if trailer.spans is None:
        damage.append(Damage("store", "its seal is damaged in more than one place", has_copy))
    elif not matches:
        damage.append(Damage("store", "its metadata or tables do not match the seal", has_copy))
    if trailer.spans is not None:
        mendable = matches or has_copy
        damage += [Damage("store", f"its seal is damaged: {flaw}", mendable) for flaw in trailer.flaws]
    return Check(tuple(damage))


def restore(path: Path, new: Path) -> list[str]:
    """Mend what the copy allows, and seal what has no seal; return what was done.

    HDF5 reads a file without a seal as it is: check it in another process first.

    Parameters
    ----------
    path : Path
        The store.
    new : Path
        Where to write it again; it replaces the store then.
    """
    trailer, matches = _trailer(path)
    if trailer is not None and matches and not trailer.flaws:
        return []
    if trailer is not None and not matches:
        if trailer.copy is None:
            return []
        write_from_copy(path, trailer.copy, new)  # which seals it
        done = "metadata and tables written again from their copy"
    else:
        with path.open("rb") as file, new.open("wb") as out:
            shutil.copyfileobj(file, out, 1 << 24)
            if trailer is not None:
                out.truncate(trailer.end)
        if trailer is None:
            _mark(new)
        done = "sealed as it is" if trailer is None else "the seal made again"
        append_seal(new)
    os.replace(new, path)
    return [done]


def _mark(file: Path) -> None:
    """Give a file the attribute that it has a seal."""
    with file.open("r+b") as out:  # for HDF5, which crashes the process if the disk fills up
        reserve(out.fileno(), file.stat().st_size + (1 << 16))
    with damage_errors(file), h5py.File(file, "r+") as opened:
        opened.attrs[SEAL] = "behind the end of the HDF5 file"


def _trailer(path: Path) -> tuple[Trailer | None, bool]:
    """Return a file's trailer, and whether the rest of the file matches it."""
    with damage_errors(path):
        file = os.open(path, os.O_RDONLY)
        try:
            trailer = read_trailer(file, whole=True)
            return trailer, trailer is not None and trailer.matches(file)
        finally:
            os.close(file)
