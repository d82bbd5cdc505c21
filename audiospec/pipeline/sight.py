"""Sight: whether the machines of an engine see the audio and the store's work folder."""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from audiospec.engines.base import Engine
from audiospec.errors import EngineError
from audiospec.manifest import Manifest

#: Beginning of the names of tokens in the work folder.
_PREFIX = "sight-"
#: Bytes of the first audio file that are compared.
_BYTES = 4096
_HINT = "put audio and store where all machines see them, a shared folder or s3://…"


@contextmanager
def in_sight(engine: Engine, manifest: Manifest, work: Path | None) -> Iterator[None]:
    """Have each machine of the engine prove during a block that it sees what this one sees.

    A machine that does not see the audio would report every file as unreadable.

    Parameters
    ----------
    engine : Engine
    manifest : Manifest
        Its first file that can be read here has to be the same there.
    work : Path or None
        The store's work folder, which is locked. Each machine reads a file there, and writes one. None:
        nothing is to be written.
    """
    if not engine.is_remote:
        yield
        return
    task: dict[str, Any] = {}
    for file in map(manifest.file, manifest):
        with suppress(OSError):
            task["audio"] = [str(file.absolute()), _first_bytes(file)]
            break
    if work is not None:
        _remove_tokens(work)  # those of a run that was killed
        token = work / f"{_PREFIX}{secrets.token_hex(8)}"
        token.write_text(token.name)
        task["token"] = str(token.absolute())
    try:
        with engine.requiring(f"{__name__}:look", task):
            yield
    finally:
        if work is not None:
            _remove_tokens(work)


def _remove_tokens(work: Path) -> None:
    for file in work.glob(f"{_PREFIX}*"):
        file.unlink(missing_ok=True)


def look(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Task function: raise unless this machine sees what the caller sees.

    Parameters
    ----------
    task : dict
        Both are optional: ``audio``, a file and the checksum of its first bytes; ``token``, a file in the
        work folder that contains its own name.

    Raises
    ------
    EngineError
        The text goes on after the name of a machine.
    """
    if "audio" in task:
        name, expected = task["audio"]
        _require_same(Path(name), lambda file: _first_bytes(file) == expected)
    if "token" in task:
        token = Path(task["token"])
        _require_same(token, lambda file: file.read_text() == file.name)
        answer = token.with_name(f"{token.name}-{secrets.token_hex(8)}")
        try:
            answer.write_text("")
            answer.unlink()
        except OSError as error:
            raise EngineError(f"cannot write to {token.parent} ({error.strerror})", _HINT) from None
    yield from ()


def _require_same(file: Path, is_same: Callable[[Path], bool]) -> None:
    try:
        same = is_same(file)
    except OSError:
        raise EngineError(f"does not see {file.parent}", _HINT) from None
    if not same:
        raise EngineError(f"sees another {file}", _HINT)


def _first_bytes(file: Path) -> int:
    with file.open("rb") as opened:
        return zlib.crc32(opened.read(_BYTES))
