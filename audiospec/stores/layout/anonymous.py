"""The track table without what names a machine or its user: for a store that is published."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from audiospec.stores.layout.tracks import Tracks


def anonymous_tracks(tracks: Tracks, root: Path | None) -> Tracks:
    """The track table with no path that reaches beyond the folder of the audio.

    Parameters
    ----------
    tracks : Tracks
    root : Path or None
        The folder that paths are relative to, if it is known. Below the root of the file system, every path
        is an absolute one.

    Returns
    -------
    Tracks
        Paths, and ids made of them, that are absolute or go up are reduced to the name of the file, after the
        track's place in the table where several tracks have that name. The folder is cut out of problems.
    """
    records = list(tracks.records())
    everywhere = root is not None and root == Path(root.anchor)
    outside = [
        bool(record.path) and (everywhere or _leaves_root(record.path) or _leaves_root(record.id))
        for record in records
    ]
    paths = _reduced([record.path for record in records], outside)
    ids = _reduced([record.id for record in records], [_leaves_root(record.id) for record in records])
    return Tracks.from_records(
        [
            replace(record, path=path, id=id, problem=_without_folder(record.problem, record.path, root))
            for record, path, id in zip(records, paths, ids, strict=True)
        ]
    )


def _leaves_root(path: str) -> bool:
    """Whether a path says more than where in a folder a file lies."""
    return (
        PurePosixPath(path).is_absolute()
        or PureWindowsPath(path).is_absolute()
        or ".." in PureWindowsPath(path).parts  # which knows both slashes
    )


def _reduced(paths: list[str], chosen: list[bool]) -> list[str]:
    """The chosen paths by the names of their files; all stay different from one another."""
    names = [PureWindowsPath(path).name if cut else path for path, cut in zip(paths, chosen, strict=True)]
    counts = Counter(names)
    return [
        f"{number}/{name}" if cut and counts[name] > 1 else name
        for number, (name, cut) in enumerate(zip(names, chosen, strict=True))
    ]


def _without_folder(problem: str, path: str, root: Path | None) -> str:
    """A problem's text with the file's path relative, and without the folder's name."""
    if root is None or not problem:
        return problem
    if path:
        problem = problem.replace(str(root / path), PurePosixPath(path).name)
    if root != Path(root.anchor):
        problem = problem.replace(f"{root}/", "").replace(str(root), "")
    return problem
