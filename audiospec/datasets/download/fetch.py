"""Download a published dataset: fetch an archive, unpack and check it, then move it into place.

``AUDIOSPEC_MIRROR`` (a folder, a ``file://`` or an ``http(s)://`` address) is tried before the
dataset's remotes, as ``MIRROR/DATASET/ARCHIVE`` and then ``MIRROR/ARCHIVE``. An interrupted download
is kept and resumed by the next run.
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
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from audiospec.datasets.download.remote import Progress, Remote
from audiospec.datasets.download.resume import ResumingDownloader, UnreachableError
from audiospec.datasets.download.unpack import unpack
from audiospec.datasets.download.volumes import grouped
from audiospec.errors import DatasetError
from audiospec.files import filled, is_full
from audiospec.text import size

#: Compares an unpacked folder with the full set: returns one line for each difference.
Check = Callable[[Path], list[str]]


def fetch(
    name: str, remotes: Sequence[Remote], check: Check, folder: Path, progress: Progress | None = None
) -> None:
    """Download a dataset, check that it is complete, and move it into its folder.

    A second process that downloads the same dataset waits for the first.

    Parameters
    ----------
    name : str
        Name of the dataset.
    remotes : sequence of Remote
        Tried in order, after the mirror.
    check : callable
        Given an unpacked folder, returns one line for each difference from the full set.
    folder : Path
        Folder to make; missing or empty. Work in progress is kept in ``downloads`` beside it.
    progress : callable or None
        Called with the bytes so far and the total. None shows a bar on stderr, or a line every ten
        seconds if stderr is not a terminal.

    Raises
    ------
    DatasetError
        No remote provides the full set, or the folder cannot be written.
    """
    work = folder.parent / "downloads" / name
    try:
        work.mkdir(parents=True, exist_ok=True)
        with _locked(work / "lock"):
            if not filled(folder):
                _fetch_any(name, remotes, check, folder, work, progress)
                for leftover in work.iterdir():  # the archive, and files of killed runs and other remotes
                    if leftover.name != "lock":
                        leftover.unlink()
    except OSError as error:
        hint = "make room, or" if is_full(error) else "solve this, or"
        raise DatasetError(
            f"dataset {name!r} cannot be written under {folder.parent} ({error.strerror or error})",
            f"{hint} set AUDIOSPEC_DATA to another folder",
        ) from error


def _fetch_any(
    name: str, remotes: Sequence[Remote], check: Check, folder: Path, work: Path, progress: Progress | None
) -> None:
    """Download the dataset from the first place that provides it."""
    failures, unreachable = [], set()
    for remote in [*_mirrored(name, remotes), *remotes]:
        host = urlsplit(remote.url).netloc
        if host and host in unreachable:
            continue
        try:
            _fetch_one(name, remote, check, folder, work, progress)
        except DatasetError as error:
            failures.append(f"{_public(remote.url)}: {error}")
            if isinstance(error, UnreachableError):
                unreachable.add(host)
        else:
            return
    manually = "".join(
        f", or download {_listed(remote)} and set AUDIOSPEC_MIRROR to the "
        f"folder that {'they are' if remote.parts else 'it is'} in"
        for remote in remotes[:1]
    )
    raise DatasetError(
        f"dataset {name!r} is not in {folder} and cannot be downloaded "
        f"({'; '.join(failures) or 'it has no address'})",
        f"give the folder that contains it with `data=FOLDER`{manually}",
    )


def _listed(remote: Remote) -> str:
    """Return what a person has to download from a place."""
    if remote.parts:
        return f"{', '.join(file.url for file in remote.files)} manually"
    return f"{remote.url} manually as {remote.archive}"


def _fetch_one(
    name: str, remote: Remote, check: Check, folder: Path, work: Path, progress: Progress | None
) -> None:
    """Download the archives of one place, unpack them beside the folder, check and rename the content."""
    archives = grouped(file.archive for file in remote.files)
    files = {}
    for file in remote.files:
        try:
            files[file.archive] = _file(name, file, work, progress)
        except DatasetError as error:
            if not remote.parts:
                raise
            raise type(error)(f"{file.archive}: {error}") from error
    unpacked = work / "unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)  # of a run that was killed
    try:
        for archive, volumes in archives.items():
            # Archives may have files of one name, such as a licence.
            into = unpacked / re.sub(r"(\.tar)?\.\w+$", "", archive) if len(archives) > 1 else unpacked
            unpack(files[archive], into, [files[volume] for volume in volumes])
        differences = check(unpacked)
        if differences:
            more = f" (and {len(differences) - 1} more such)" if len(differences) > 1 else ""
            raise DatasetError(f"its content is not the full set: {differences[0]}{more}")
        if folder.is_dir():
            folder.rmdir()  # empty; Windows cannot rename onto a folder
        unpacked.rename(folder)
    except DatasetError:
        for file in remote.files:
            if _local(file.url) is None and not (remote.parts and file.checksum):
                files[file.archive].unlink()  # so that the next run downloads it anew
        raise
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _file(name: str, remote: Remote, work: Path, progress: Progress | None) -> Path:
    """Return one file of a place, downloaded unless it is on this machine."""
    local = _local(remote.url)
    if local is not None and not os.path.isfile(local):
        raise DatasetError("no such file")
    return local or _download(name, remote, work, progress)


def _mirrored(dataset: str, remotes: Sequence[Remote]) -> list[Remote]:
    """Return the places in the mirror where the dataset's archives may be."""
    mirror = os.environ.get("AUDIOSPEC_MIRROR", "").rstrip("/")
    if not mirror:
        return []
    if "://" in mirror:
        try:
            urlsplit(mirror).port  # noqa: B018 (parses it)
        except ValueError as error:
            raise DatasetError(f"AUDIOSPEC_MIRROR is not a valid address: {error}") from error
    places = []
    for names in dict.fromkeys(tuple(file.archive for file in remote.files) for remote in remotes):
        for folder in (f"{dataset}/", ""):
            paths = [folder + name for name in names]
            urls = [f"{mirror}/{quote(path) if '://' in mirror else path}" for path in paths]
            first, *parts = (Remote(url, file=name) for url, name in zip(urls, names, strict=True))
            places.append(replace(first, parts=tuple(parts)))
    return places


def _local(url: str) -> Path | None:
    """Return the file of a path or a ``file://`` address; None for an address on the network."""
    if "://" not in url:
        return Path(os.path.expanduser(url))
    parts = urlsplit(url)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def _public(url: str) -> str:
    """Return an address without its user and password."""
    return re.sub(r"//[^/@]*@", "//", url)


def _download(dataset: str, remote: Remote, work: Path, progress: Progress | None) -> Path:
    """Download an archive through pooch, which checks its digest, and return the file."""
    import pooch

    # Archives of two remotes may have one name, so the file is named by the whole address.
    name = re.sub(r"[^\w.-]+", "-", _public(remote.url).partition("://")[2])
    with _reported(f"{dataset}: {remote.archive}", progress) as report, _quiet(pooch):
        downloader = ResumingDownloader(work / f"{name}.part", remote.bytes, report)
        try:
            return Path(
                pooch.retrieve(
                    remote.url,
                    known_hash=remote.checksum,
                    fname=name,
                    path=work,
                    downloader=downloader,
                )
            )
        except DatasetError:
            raise
        except ValueError as error:
            kind, _, value = str(remote.checksum).partition(":")
            raise DatasetError(f"its {kind} is not {value}") from error


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold the lock of a folder; wait if another process has it."""
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
    """Keep pooch's log lines off stderr."""
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _reported(title: str, progress: Progress | None) -> Iterator[Progress]:
    """Provide `progress`, or else a bar on stderr, or a line every ten seconds if that is no terminal."""
    if progress is not None:
        yield progress
    elif sys.stderr.isatty():
        from rich import progress as rich_progress
        from rich.console import Console

        columns = (
            rich_progress.TextColumn("{task.description}"),
            rich_progress.BarColumn(),
            rich_progress.DownloadColumn(),
            rich_progress.TransferSpeedColumn(),
            rich_progress.TimeRemainingColumn(),
        )
        with rich_progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
    else:
        last = float("-inf")

        def line(done: int, total: int | None) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= 10 or done == total:
                last = now
                of = f" of {size(total)}" if total else ""
                print(f"{title}: {size(done)}{of}", file=sys.stderr, flush=True)

        yield line
