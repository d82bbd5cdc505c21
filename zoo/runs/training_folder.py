"""The folder of an unfinished training."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from audiospec.digests import digest
from audiospec.errors import RunError
from audiospec.files import read_json
from audiospec.zoo.base import CHECKPOINT
from audiospec.zoo.runs.info import CARD, HISTORY, METRICS, MOST_RUN, RUN, comparable_settings

#: Suffix of the folder of an unfinished training, the file that states what is trained, the lock file, and
#: the folder where the finished run is written before it is moved to its path.
SUFFIX, TRAINING, LOCK, FINISHED = ".training", "training.json", "lock", "finished"
#: Folder of a search of parameters, from which it continues, too.
SEARCH = "search"
#: What a training is that does not state it, because earlier versions could not do otherwise.
_SINCE_VERSION_3: dict[str, Any] = {
    "search": {},
    "train_share": 1.0,
    "calibrate": False,
    "target": {"name": "single"},
    "corrections": {},
}
#: Pattern of TensorBoard's files, which are written during training and copied into the run.
LOGS = "events.out.tfevents.*"
#: What audiospec writes into the folder. Earlier versions wrote the files of the run there, too.
_OURS = (
    CHECKPOINT,
    SEARCH,
    TRAINING,
    HISTORY,
    FINISHED,
    LOGS,
    RUN,
    METRICS,
    CARD,
    "confusion.png",
    "labels.png",
    "numbers.png",
    "events.png",
    "curves.png",
    "model.*",
)


@contextmanager
def training_folder(path: Path, training: Mapping[str, Any], resume: bool) -> Iterator[Path]:
    """Create and lock the folder where a run is trained.

    Afterwards it is kept if it has a checkpoint, or scores of a search. If not, it is removed, but for files
    of others.

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
        `path` exists, and is not a run that another process has finished while this one waited for the lock;
        another process is training it; an interrupted training exists, and `resume` is false or it trained
        something else; or the folder is not a training's, or cannot be written.
    """
    work = _folder_of(path)
    lock = FileLock(work / LOCK, blocking=False)
    with writing_run(work):
        work.mkdir(parents=True, exist_ok=True)
        names = {path.name for path in work.iterdir()} - {LOCK}
        if names and not names & {CHECKPOINT, TRAINING, f"{TRAINING}.partial"}:
            raise RunError(
                f"{work} is not the folder of a training", "choose another `out`, or move the folder"
            )
        try:
            lock.acquire()
        except Timeout as error:
            raise RunError(
                f"another process is training {path}", "wait for it, or choose another `out`"
            ) from error
    try:
        if not (resume and (path / RUN).exists()):
            require_free(path)
            if _can_resume(work):
                _check_same(path, training, resume)
            else:
                with writing_run(work):
                    _remove_ours(work)
                    write_json(work / TRAINING, {**training, "digest": digest(training)})
        yield work
    finally:
        if not _can_resume(work):
            with suppress(OSError):
                _remove_ours(work)
                _remove_folder(work)  # while it is locked: afterwards it may be another process's
        lock.release()


@contextmanager
def writing_run(work: Path) -> Iterator[None]:
    """Turn an `OSError` into a `RunError`: the training cannot write to its folder."""
    try:
        yield
    except OSError as error:
        kept = _can_resume(work)
        hint = (
            "the checkpoint is kept: fix this, then continue with `resume=True`"
            if kept
            else "choose another `out`"
        )
        raise RunError(f"cannot write {work} ({error.strerror or error})", hint) from error


def is_stopped(path: Path) -> bool:
    """Return whether an interrupted training of a run can be resumed."""
    return _can_resume(_folder_of(path))


def _can_resume(work: Path) -> bool:
    """Return whether the folder of a training has something to continue from."""
    return (work / CHECKPOINT).exists() or (work / SEARCH).exists()


def _folder_of(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)


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
    file = _folder_of(path) / TRAINING
    try:
        before = dict(read_json(file, MOST_RUN))
        written = before.pop("digest", None)  # earlier versions wrote none
        if written is not None and digest(before) != written:
            raise ValueError("its digest differs")
        if written is None and not before.keys() <= training.keys():
            raise ValueError("it has other fields, such as a damaged name of its digest")
        before = {**_SINCE_VERSION_3, **before}
    except (OSError, ValueError, TypeError, RecursionError, MemoryError) as error:
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
    work = _folder_of(path)
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


def end_training(path: Path, training: Mapping[str, Any]) -> None:
    """Remove what a training, killed after it had finished the run at `path`, left; another one's is kept.

    Parameters
    ----------
    path : Path
        The run's folder, which was opened.
    training : mapping
        What the run says that it is.
    """
    work = _folder_of(path)
    if not work.is_dir():
        return
    lock = FileLock(work / LOCK, blocking=False)
    with suppress(OSError, RunError):
        try:
            lock.acquire()
        except Timeout:  # the process that finished the run is removing it
            return
        try:
            if not _can_resume(work) or not stopped_otherwise(path, training):
                remove_training(work, path)
        finally:
            lock.release()


def remove_training(work: Path, path: Path) -> None:
    """Remove the locked folder of a training whose run is at `path`; files of others go with the run."""
    with suppress(OSError):  # the run is finished, so nothing depends on this
        _remove_ours(work)
        for other in work.iterdir():
            if other.name != LOCK and not (path / other.name).exists():
                os.rename(other, path / other.name)
        _remove_folder(work)


def write_json(file: Path, value: Any) -> None:
    """Write a value as JSON, atomically."""
    replace_text(file, json.dumps(value, indent=1, allow_nan=False) + "\n")


def replace_text(file: Path, text: str) -> None:
    """Write a text atomically."""
    partial = file.with_name(f"{file.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, file)


def _remove_ours(work: Path) -> None:
    """Remove what audiospec wrote into the folder of a training, but for the lock."""
    # What is trained is removed last: it tells that the folder is a training's.
    for path in sorted(work.iterdir(), key=lambda path: path.name.startswith(TRAINING)):
        if any(fnmatch(path.name, pattern) or path.name == f"{pattern}.partial" for pattern in _OURS):
            remove_path(path)


def _remove_folder(work: Path) -> None:
    """Remove the folder of a training, if it is empty but for the lock."""
    if {path.name for path in work.iterdir()} <= {LOCK}:
        (work / LOCK).unlink(missing_ok=True)
        work.rmdir()


def remove_path(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
