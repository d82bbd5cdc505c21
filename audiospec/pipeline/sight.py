"""Sight: whether the machines of an engine see the audio and the store's work folder."""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from audiospec.engines.base import Engine
from audiospec.errors import EngineError, StorageError
from audiospec.manifest import Manifest
from audiospec.storage.base import Folder
from audiospec.storage.location import Location, absolute, location
from audiospec.storage.opening import open_folder

#: Beginning of the names of tokens in the work folder.
_PREFIX = "sight-"
#: Bytes of the first audio file that are compared.
_BYTES = 4096
_HINT = "put audio and store where all machines see them, a shared folder or s3://…"


@contextmanager
def in_sight(engine: Engine, manifest: Manifest, work: Location | None) -> Iterator[None]:
    """Have each machine of the engine prove during a block that it sees what this one sees.

    A machine that does not see the audio would report every file as unreadable.

    Parameters
    ----------
    engine : Engine
    manifest : Manifest
        Its first file that can be read here has to be the same there.
    work : Location or None
        The store's work folder, which is locked. Each machine reads a file there, and writes one. None:
        nothing is to be written.
    """
    if not engine.is_remote:
        yield
        return
    task: dict[str, Any] = {}
    for file in map(manifest.file, manifest):
        with suppress(OSError):
            task["audio"] = [str(absolute(file)), _first_bytes(file)]
            break
    folder = open_folder(work) if work is not None else None
    if folder is not None:
        _remove_tokens(folder)  # those of a run that was killed
        token = f"{_PREFIX}{secrets.token_hex(8)}"
        folder.write(token, token.encode())
        task["work"] = [str(absolute(folder.location)), token]
    try:
        with engine.requiring(f"{__name__}:look", task):
            yield
    finally:
        if folder is not None:
            with suppress(OSError, StorageError):  # the next run removes them
                _remove_tokens(folder)


def _remove_tokens(folder: Folder) -> None:
    folder.remove([entry.key for entry in folder.list(_PREFIX)])


def look(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Task function: raise unless this machine sees what the caller sees.

    Parameters
    ----------
    task : dict
        Both are optional: ``audio``, a file and the checksum of its first bytes; ``work``, the work folder
        and a file in it that contains its own name.

    Raises
    ------
    EngineError
        The text goes on after the name of a machine.
    """
    if "audio" in task:
        name, expected = task["audio"]
        file = location(name)
        with _seeing(file.parent):
            found = _first_bytes(file)
        if found != expected:
            raise EngineError(f"sees another {file}", _HINT)
    if "work" in task:
        name, token = task["work"]
        folder = open_folder(location(name))
        with _seeing(folder.location):
            if folder.read(token) != token.encode():
                raise EngineError(f"sees another {folder.location}", _HINT)
        answer = f"{token}-{secrets.token_hex(8)}"
        with _seeing(folder.location, "cannot write to"):
            folder.write(answer, b"")
            folder.remove([answer])
    yield from ()


@contextmanager
def _seeing(place: Location, what: str = "does not see") -> Iterator[None]:
    """Turn what a disk or a bucket raises into an `EngineError`."""
    try:
        yield
    except (OSError, StorageError) as error:
        if isinstance(error, FileNotFoundError):
            raise EngineError(f"{what} {place}", _HINT) from None
        why = error.strerror if isinstance(error, OSError) else error.reason
        raise EngineError(f"{what} {place} ({why})", _HINT) from None


def _first_bytes(file: Location) -> int:
    return zlib.crc32(open_folder(file.parent).read(file.name, 0, _BYTES))
