"""The folder of an unfinished training."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from audiospec.errors import RunError
from audiospec.zoo.base import CHECKPOINT
from audiospec.zoo.runs.info import comparable_settings

#: Suffix of the folder while the run is trained, the file that states what is trained, and the lock file.
SUFFIX, TRAINING, LOCK = ".training", "training.json", "lock"


@contextmanager
def training_folder(path: Path, training: Mapping[str, Any], resume: bool) -> Iterator[Path]:
    """Create and lock the folder where a run is trained, which becomes the run's folder.

    After an error the folder is kept if it has a checkpoint, and removed if not.

    Parameters
    ----------
    path : Path
        The finished run's folder.
    training : mapping
        What is trained, as plain JSON values; two trainings are the same if these are equal.
    resume : bool
        Whether to resume an interrupted training.

    Yields
    ------
    Path
        The folder, with the suffix `SUFFIX`.

    Raises
    ------
    RunError
        `path` exists; another process is training it; an interrupted training exists, and `resume` is false
        or it trained something else; or the folder cannot be written.
    """
    work = path.with_name(path.name + SUFFIX)
    lock = FileLock(work / LOCK, blocking=False)
    with writing_run(work):
        work.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout as error:
            raise RunError(
                f"another process is training {path}", "wait for it, or choose another `out`"
            ) from error
    try:
        require_free(path)
        if (work / CHECKPOINT).exists():
            _check_same(path, training, resume)
        else:
            _empty(work)
            with writing_run(work):
                write_json(work / TRAINING, training)
        yield work
    finally:
        lock.release()
        if work.exists() and not (work / CHECKPOINT).exists():
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def writing_run(work: Path) -> Iterator[None]:
    """Turn an `OSError` into a `RunError`: the training cannot write to its folder."""
    try:
        yield
    except OSError as error:
        kept = (work / CHECKPOINT).exists()
        hint = "fix this, then continue with `resume=True`" if kept else "choose another `out`"
        raise RunError(f"cannot write {work} ({error.strerror})", hint) from error


def is_stopped(path: Path) -> bool:
    """Return whether an interrupted training of a run can be resumed."""
    return (path.with_name(path.name + SUFFIX) / CHECKPOINT).exists()


def stopped_otherwise(path: Path, training: Mapping[str, Any]) -> str:
    """Return how the interrupted training at `path` differs from another one; ``""`` if it does not.

    Parameters
    ----------
    path : Path
        The finished run's folder.
    training : mapping
        What the other one trains.

    Raises
    ------
    RunError
        The file that states what was trained is missing or damaged.
    """
    file = path.with_name(path.name + SUFFIX) / TRAINING
    try:
        before = dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{file} is damaged", f"remove {file.parent} to start again") from error
    now = json.loads(json.dumps(training))
    for values in (before, now):
        if isinstance(values.get("settings"), dict):
            values["settings"] = comparable_settings(values["settings"])
    for name, value in now.items():
        if before.get(name) != value:
            if name != "settings" or not isinstance(before.get(name), dict):
                return f"{name} {before.get(name)} (now {value})" if name in ("model", "seed") else name
            changed = [key for key in value if before[name].get(key) != value[key]]
            return ", ".join(f"{key} {before[name].get(key)} (now {value[key]})" for key in changed)
    return ""


def _check_same(path: Path, training: Mapping[str, Any], resume: bool) -> None:
    """Raise `RunError` unless the interrupted training is this one, and is to be resumed."""
    work = path.with_name(path.name + SUFFIX)
    difference = stopped_otherwise(path, training)
    if difference:
        raise RunError(
            f"{work} has another interrupted training, which differs in {difference}",
            "repeat that one with `resume=True`, choose another `out`, or remove the folder",
        )
    if not resume:
        raise RunError(
            f"a training of {path} was interrupted",
            f"resume it with `resume=True`, or remove {work} to start again",
        )


def require_free(path: Path) -> None:
    """Raise `RunError` if the path of a run is taken."""
    if path.exists():
        raise RunError(f"{path} exists already", "choose another `out`")


def write_json(file: Path, value: Any) -> None:
    """Write a value as JSON, atomically."""
    partial = file.with_name(f"{file.name}.partial")
    partial.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(partial, file)


def _empty(folder: Path) -> None:
    """Remove everything in a folder except the lock."""
    for path in folder.iterdir():
        if path.name != LOCK:
            remove_path(path)


def remove_path(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
