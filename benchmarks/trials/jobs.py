"""Jobs that are killed or run out of disk: in forks of a child process that has everything loaded.

A job writes into a folder, the place. ``attempt`` does it in a fork that may be killed, or whose disk may be
full; ``finish`` does it once more to its end, and returns what is there then.
"""

from __future__ import annotations

import errno
import json
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from audiospec.benchmarks.trials import samples
from audiospec.datasets.base import datasets
from audiospec.errors import AudiospecError
from audiospec.manifest import Manifest
from audiospec.stores.base import store_class
from audiospec.testing.stores.content import tree_state, watching

#: Name of a job and a format, such as ``("add", "zarr")``.
Job = tuple[str, str]
#: A new store, views added to one, tracks added to one; a training, whose format is of the store it reads.
STORE_JOBS: tuple[Job, ...] = tuple(
    (name, format) for name in ("new", "add", "grow") for format in samples.SUFFIXES
)
TRAINING: Job = ("train", "zarr")
#: Seconds between two looks at a job that is to be killed.
_PAUSE = 0.005


def do(request: dict[str, Any]) -> dict[str, Any]:
    """Do what `request` names under ``"do"``; JSON values in and out."""
    arguments = {name: value for name, value in request.items() if name != "do"}
    return _DOES[request["do"]](**arguments)


def _prepare(job: list[str], base: str) -> dict[str, Any]:
    """Make what a job starts from, and do it once undisturbed.

    Returns
    -------
    dict
        ``content``; ``operations`` (changes to files), and how many of them come before the first publish,
        ``staging``; and ``shards``, the number of those that are staged.
    """
    import torch

    torch.set_num_threads(1)
    root, (name, format) = Path(base), job
    music = root / "music"
    if not music.exists():
        samples.make_music(music)
    suffix = samples.SUFFIXES[format]
    # Also if nobody needs it: forks find everything loaded.
    if not (root / f"store{suffix}").exists():
        samples.featurize(music, root / f"store{suffix}", workers=0)
    if name in ("add", "grow"):
        manifest = datasets["folder"](music).manifest()
        part = Manifest(manifest.dataset, manifest.root, manifest.tracks[:5])
        options: dict[str, Any] = {"count": 1} if name == "add" else {"manifest": part}
        start = root / " ".join(job)
        start.mkdir()
        samples.featurize(music, start / f"store{suffix}", workers=0, **options)
    if name == "train":
        samples.train("crnn-base", root / "store.zarr", root / "warm")
        shutil.rmtree(root / "warm")
    place = root / "undisturbed"
    _start(job, base, str(place))
    try:
        return dict(_fork(lambda: _undisturbed((name, format), root, place))[1]["value"])
    finally:
        shutil.rmtree(place)


def _start(job: list[str], base: str, place: str) -> dict[str, Any]:
    """Make the place of a job, with the store that it starts from."""
    start = Path(base) / " ".join(job)
    if start.exists():
        shutil.copytree(start, place, dirs_exist_ok=True)
    else:
        Path(place).mkdir(exist_ok=True)
    return {}


def _perform(job: Job, base: Path, place: Path, workers: int = 0) -> None:
    if job == TRAINING:
        samples.train("crnn-base", base / "store.zarr", place / "run", resume=True)
    else:
        store = place / f"store{samples.SUFFIXES[job[1]]}"
        samples.featurize(base / "music", store, workers=workers)


def _undisturbed(job: Job, base: Path, place: Path) -> dict[str, Any]:
    found = {"operations": 0, "staging": 0, "shards": 0}

    def step(event: str) -> None:
        found["operations"] += 1

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename" and _is_commit(Path(os.fsdecode(arguments[1]))):
            found["shards"] += 1

    kind = store_class(place / f"store{samples.SUFFIXES[job[1]]}")
    publish = kind.publish

    def first_publish(*arguments: Any) -> None:
        found["staging"] = found["staging"] or found["operations"]
        publish(*arguments)

    kind.publish = first_publish  # type: ignore[method-assign, assignment] # it ends with the fork
    sys.addaudithook(note)
    with watching(place, step):
        _perform(job, base, place)
    return {**found, "content": _content(job, place)}


def _content(job: Job, place: Path) -> list[str]:
    """Return digests of all that a job has written, and the names of files that should not be left."""
    if job == TRAINING:
        left = sorted(file.name for file in place.iterdir() if file.name != "run")
        return [samples.run_content(place / "run"), *left]
    store = place / f"store{samples.SUFFIXES[job[1]]}"
    left = sorted(file.name for file in place.iterdir() if file != store)
    found = [samples.store_content(store), samples.plain_content(store), *left]
    return [*found, str(hash(tree_state(store, times=False)))] if store.is_dir() else found


def _attempt(
    job: list[str],
    base: str,
    place: str,
    workers: int = 0,
    victim: str = "parent",
    operation: int = 0,
    shards: int | None = None,
    later: float = 0.0,
    room: int | None = None,
) -> dict[str, Any]:
    """Do a job in a fork, and kill it at a point of its progress, or `later` by so many seconds.

    The points do not depend on the machine's speed. They are: before change number `operation` to a file;
    and when so many `shards` are staged (0: when a worker starts), where `victim` is ``"parent"`` (the fork),
    ``"worker"`` (one of its child processes) or ``"group"`` (all of them). With `room`, nothing is killed:
    the disk is full after that many changes to files.

    Returns
    -------
    dict
        ``end``: ``"killed"``, ``"finished"``, ``"refused"`` or ``"error"``; ``detail``; and ``killed``, the
        number of processes that were killed.
    """
    changes, folder = 0, Path(place)
    hearing, telling = os.pipe()

    def step(event: str) -> None:
        nonlocal changes
        changes += 1
        if operation and changes == operation:
            if later:
                os.write(telling, b"!")
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        if room is not None and changes > room and event in ("open", "os.mkdir", "os.link"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def work() -> dict[str, Any]:
        if operation or room is not None:
            with watching(folder, step):
                _perform((job[0], job[1]), Path(base), folder, workers)
        else:
            _perform((job[0], job[1]), Path(base), folder, workers)
        return {}

    killed = 0

    def kill(pid: int) -> bool:
        nonlocal killed
        if shards is None:
            due = bool(select.select([hearing], [], [], 0)[0])
        else:
            due = len(_committed(folder)) >= shards
            if not shards or victim == "worker":
                due = due and bool(psutil.Process(pid).children())
        if not due:
            return False
        time.sleep(later)
        killed = _kill(pid, victim)
        return True

    try:
        end, value = _fork(work, kill)
    finally:
        os.close(hearing)
        os.close(telling)
    return {"end": end, "detail": value.get("detail", ""), "killed": killed or int(end == "killed")}


def _finish(job: list[str], base: str, place: str) -> dict[str, Any]:
    """Do a job to its end.

    Returns
    -------
    dict
        ``end`` and ``detail``; if it is finished, ``content``, and ``lost``: shards that were staged before,
        and are staged again.
    """
    commits = _committed(Path(place))
    again: set[str] = set()

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename" and os.path.abspath(os.fsdecode(arguments[1])) in commits:
            again.add(os.fsdecode(arguments[1]))

    def work() -> dict[str, Any]:
        sys.addaudithook(note)  # it ends with the fork
        _perform((job[0], job[1]), Path(base), Path(place))
        return {"lost": sorted(again), "content": _content((job[0], job[1]), Path(place))}

    end, value = _fork(work)
    return {"end": end, "detail": value.get("detail", ""), **value.get("value", {})}


def _look(job: list[str], place: str) -> dict[str, Any]:
    """Return the content of a store as a reader finds it now; empty if there is no store."""
    store = Path(place) / f"store{samples.SUFFIXES[job[1]]}"
    if not store.exists():
        return {"content": ""}
    end, value = _fork(lambda: {"content": samples.store_content(store)})
    return {"end": end, "detail": value.get("detail", ""), "content": "", **value.get("value", {})}


def _committed(place: Path) -> set[str]:
    """Return the commits of all shards that are staged whole."""
    return {str(file.absolute()) for file in place.glob("*.work/*/*.json") if _is_commit(file)}


def _is_commit(file: Path) -> bool:
    return file.suffix == ".json" and file.parent.parent.suffix == ".work" and "-" not in file.stem


def _fork(
    work: Callable[[], dict[str, Any]], kill: Callable[[int], bool] | None = None
) -> tuple[str, dict[str, Any]]:
    """Call `work` in a fork of this process; return how that ended, and what it returned or raised.

    Parameters
    ----------
    work : callable
    kill : callable or None
        Called with the fork's number again and again, until it returns True.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        os.write(writing, json.dumps(_guarded(work)).encode())
        os._exit(0)
    os.close(writing)
    try:
        while kill is not None and not select.select([reading], [], [], _PAUSE)[0] and not kill(pid):
            pass
        parts = []
        while part := os.read(reading, 1 << 16):
            parts.append(part)
    finally:
        os.close(reading)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if not parts:
        return (
            "killed" if -status in (signal.SIGKILL, signal.SIGALRM) else f"ended with status {status}"
        ), {}
    reply = json.loads(b"".join(parts))
    return reply["end"], reply


def _guarded(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"end": "finished", "value": work()}
    except AudiospecError as error:
        return {"end": "refused", "detail": str(error)}
    except BaseException as error:  # what a user would see as "unexpected"
        return {"end": "error", "detail": f"{type(error).__name__}: {error}"}


def _kill(pid: int, victim: str) -> int:
    """Kill a process, one of its children, or all of them; return how many were killed."""
    children = psutil.Process(pid).children(recursive=True)
    chosen = {"parent": [pid], "worker": [child.pid for child in children[:1]]}.get(
        victim, [pid, *(child.pid for child in children)]
    )
    killed = 0
    for one in chosen:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
            killed += 1
    if victim == "parent":  # its workers have to end by themselves
        gone, alive = psutil.wait_procs(children, timeout=20)
        if alive:
            raise RuntimeError(f"{len(alive)} of {len(alive) + len(gone)} workers outlive their parent")
    return killed


_DOES: dict[str, Callable[..., dict[str, Any]]] = {
    "prepare": _prepare,
    "start": _start,
    "attempt": _attempt,
    "finish": _finish,
    "look": _look,
}
