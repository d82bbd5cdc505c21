"""The folder of a training that is not finished yet."""

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

#: Of a run that is being trained: what it is called, what is trained, and who does it.
SUFFIX, TRAINING, LOCK = ".training", "training.json", "lock"


@contextmanager
def training_folder(path: Path, said: Mapping[str, Any], resume: bool) -> Iterator[Path]:
    """The folder where a run is made, held by this process alone; it goes when the run is there.

    It stays, whatever happens, as long as there is a checkpoint and no run.

    Parameters
    ----------
    path : Path
        Of the run.
    said : mapping
        What is trained, as plain JSON values; two trainings are the same if they say the same.
    resume : bool
        Whether to go on with what is left of one.

    Raises
    ------
    RunError
        Something is at `path`; another process trains it; one was killed, and `resume` is not asked for, or
        it trained something else; or the folder cannot be written.
    """
    work = path.with_name(path.name + SUFFIX)
    lock = FileLock(work / LOCK, blocking=False)
    with writing_run(work):
        work.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout as error:
            raise RunError(
                f"another process is training {path}: wait for it, or choose another --out"
            ) from error
    try:
        require_free(path)
        if (work / CHECKPOINT).exists():
            _check_same(path, said, resume)
        else:
            _empty(work)
            with writing_run(work):
                write_json(work / TRAINING, said)
        yield work
    finally:
        lock.release()
        if work.exists() and not (work / CHECKPOINT).exists():
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def writing_run(work: Path) -> Iterator[None]:
    """Say of an error of the system that a training could not write into its folder, and what then."""
    try:
        yield
    except OSError as error:
        kept = (work / CHECKPOINT).exists()
        hint = "go on by --resume when that is mended" if kept else "choose another --out"
        raise RunError(f"cannot write {work}: {error.strerror}; {hint}") from error


def is_stopped(path: Path) -> bool:
    """Whether a training of a run was stopped, and can go on."""
    return (path.with_name(path.name + SUFFIX) / CHECKPOINT).exists()


def stopped_otherwise(path: Path, said: Mapping[str, Any]) -> str:
    """How what was stopped differs from a training that says so; ``""`` if it does not.

    Raises
    ------
    RunError
        What was stopped cannot be told.
    """
    file = path.with_name(path.name + SUFFIX) / TRAINING
    try:
        before = dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{file} is damaged: remove {file.parent} to begin anew") from error
    now = json.loads(json.dumps(said))
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


def _check_same(path: Path, said: Mapping[str, Any], resume: bool) -> None:
    """Raise `RunError` unless what was stopped is what is asked for, and it is asked to go on."""
    work = path.with_name(path.name + SUFFIX)
    other = stopped_otherwise(path, said)
    if other:
        raise RunError(
            f"another training was stopped at {work}, of {other}: repeat its command with --resume, choose "
            "another --out, or remove the folder"
        )
    if not resume:
        raise RunError(
            f"a training of {path} was stopped: go on with it by --resume, or remove {work} to begin anew"
        )


def require_free(path: Path) -> None:
    """Raise `RunError` if something is at the place of a run."""
    if path.exists():
        raise RunError(f"{path} exists already: choose another --out")


def write_json(file: Path, value: Any) -> None:
    """Write a value as JSON, atomically."""
    beside = file.with_name(f"{file.name}.partial")
    beside.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(beside, file)


def _empty(folder: Path) -> None:
    """Remove all but the lock."""
    for path in folder.iterdir():
        if path.name != LOCK:
            remove_path(path)


def remove_path(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
