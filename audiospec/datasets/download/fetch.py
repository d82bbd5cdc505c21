"""Bring a published dataset onto this machine: download, check, unpack, and only then put in place.

``AUDIOSPEC_MIRROR`` (a folder, a ``file://`` or an ``http(s)://`` address) is tried before the
dataset's own remotes, for ``MIRROR/DATASET/ARCHIVE`` and then ``MIRROR/ARCHIVE``. A download that
broke off is kept and gone on with by the next run.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from audiospec.datasets.download.remote import Progress, Remote
from audiospec.datasets.download.resume import ResumingDownloader, UnreachableError
from audiospec.datasets.download.unpack import unpack
from audiospec.errors import DatasetError
from audiospec.files import filled

#: Given an unpacked folder: one line for each way in which it is not the full set.
Check = Callable[[Path], list[str]]


def fetch(
    name: str, remotes: Sequence[Remote], check: Check, folder: Path, progress: Progress | None = None
) -> None:
    """Download a dataset and put it, whole and checked, in its folder.

    A second process that wants the same dataset waits for the first.

    Parameters
    ----------
    name : str
        Name of the dataset.
    remotes : sequence of Remote
        Tried in order, after the mirror.
    check : callable
        Given an unpacked folder, returns one line for each way in which it is not the full set.
    folder : Path
        Where it is to lie; absent or empty. Work in progress is kept in ``downloads`` beside it.
    progress : callable or None
        Called with the bytes so far and in all. None shows a bar, or a line now and then, on
        stderr.

    Raises
    ------
    DatasetError
        No place has it, or what came is not the full set, or it cannot be written.
    """
    work = folder.parent / "downloads" / name
    try:
        work.mkdir(parents=True, exist_ok=True)
        with _locked(work / "lock"):
            if not filled(folder):
                _fetch_any(name, remotes, check, folder, work, progress)
                for rest in work.iterdir():  # the archive, and what killed runs and other remotes left
                    if rest.name != "lock":
                        rest.unlink()
    except OSError as error:
        raise DatasetError(
            f"dataset {name!r} cannot be written under {folder.parent}: "
            f"{error.strerror or error}; make room, or set AUDIOSPEC_DATA to another folder"
        ) from error


def _fetch_any(
    name: str, remotes: Sequence[Remote], check: Check, folder: Path, work: Path, progress: Progress | None
) -> None:
    """Put the dataset in its folder from the first place that has it."""
    said, silent = [], set()
    for remote in [*_mirrored(name, remotes), *remotes]:
        host = urlsplit(remote.url).netloc
        if host and host in silent:
            continue
        try:
            _fetch_one(name, remote, check, folder, work, progress)
        except DatasetError as error:
            said.append(f"{_public(remote.url)}: {error}")
            if isinstance(error, UnreachableError):
                silent.add(host)
        else:
            return
    by_hand = "".join(
        f", or download {remote.url} by hand as {remote.archive} and set AUDIOSPEC_MIRROR to the "
        "folder that it is in"
        for remote in remotes[:1]
    )
    raise DatasetError(
        f"dataset {name!r} is not in {folder} and cannot be downloaded "
        f"({'; '.join(said) or 'it has no address'}): "
        f"give the folder that holds it with --data FOLDER{by_hand}"
    )


def _fetch_one(
    name: str, remote: Remote, check: Check, folder: Path, work: Path, progress: Progress | None
) -> None:
    """Download one archive, unpack it beside the folder, check the content, rename."""
    local = _local(remote.url)
    if local is not None and not os.path.isfile(local):
        raise DatasetError("no such file")
    archive = local or _download(name, remote, work, progress)
    fresh = work / "unpacked"
    shutil.rmtree(fresh, ignore_errors=True)  # of a run that was killed
    try:
        unpack(archive, fresh)
        wrong = check(fresh)
        if wrong:
            more = f" (and {len(wrong) - 1} more such)" if len(wrong) > 1 else ""
            raise DatasetError(f"its content is not the full set: {wrong[0]}{more}")
        if folder.is_dir():
            folder.rmdir()  # empty; Windows renames onto nothing only
        fresh.rename(folder)
    except DatasetError:
        if local is None:
            archive.unlink()  # the next run must not find it again
        raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _mirrored(dataset: str, remotes: Sequence[Remote]) -> list[Remote]:
    """Where the mirror would hold the dataset's archives."""
    mirror = os.environ.get("AUDIOSPEC_MIRROR", "").rstrip("/")
    if not mirror:
        return []
    names = dict.fromkeys(remote.archive for remote in remotes)
    places = [place for name in names for place in (f"{dataset}/{name}", name)]
    if "://" in mirror:
        try:
            urlsplit(mirror).port  # noqa: B018 (parses it)
        except ValueError as error:
            raise DatasetError(f"AUDIOSPEC_MIRROR is no address: {error}") from error
        places = [quote(place) for place in places]
    return [Remote(f"{mirror}/{place}") for place in places]


def _local(url: str) -> Path | None:
    """Return the file that a path or a ``file://`` address stands for; None for one on the network."""
    if "://" not in url:
        return Path(os.path.expanduser(url))
    parts = urlsplit(url)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def _public(url: str) -> str:
    """Return an address without the user and password in it."""
    return re.sub(r"//[^/@]*@", "//", url)


def _download(dataset: str, remote: Remote, work: Path, progress: Progress | None) -> Path:
    """Download an archive through pooch, which checks its digest, and return the file."""
    import pooch

    # Remotes may call two archives by one name, so the whole address makes the name here.
    name = re.sub(r"[^\w.-]+", "-", _public(remote.url).partition("://")[2])
    with _reported(f"{dataset}: {remote.archive}", progress) as report, _quiet(pooch):
        downloader = ResumingDownloader(work / f"{name}.part", remote.bytes, report)
        try:
            return Path(
                pooch.retrieve(
                    remote.url,
                    known_hash=remote.sha256 and f"sha256:{remote.sha256}",
                    fname=name,
                    path=work,
                    downloader=downloader,
                )
            )
        except DatasetError:
            raise
        except ValueError as error:
            raise DatasetError(f"its sha256 is not {remote.sha256}") from error


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Keep other processes out, or wait until they are done."""
    from filelock import FileLock, Timeout

    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"waiting for another download into {file.parent}", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _quiet(pooch: Any) -> Iterator[None]:
    """Keep pooch's log lines, meant for its own users, off stderr."""
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _reported(title: str, progress: Progress | None) -> Iterator[Progress]:
    """`progress`, or else a bar on stderr if that is a terminal, else a line every ten seconds."""
    if progress is not None:
        yield progress
    elif sys.stderr.isatty():
        from rich import progress as shapes
        from rich.console import Console

        columns = (
            shapes.TextColumn("{task.description}"),
            shapes.BarColumn(),
            shapes.DownloadColumn(),
            shapes.TransferSpeedColumn(),
            shapes.TimeRemainingColumn(),
        )
        with shapes.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
    else:
        last = float("-inf")

        def line(done: int, total: int | None) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= 10 or done == total:
                last = now
                of = f" of {total / 1e6:.0f}" if total else ""
                print(f"{title}: {done / 1e6:.0f}{of} MB", file=sys.stderr, flush=True)

        yield line
