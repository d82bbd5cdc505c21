"""The track table without anything that identifies a machine or its user, for stores that are shared."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from audiospec.storage.location import Location
from audiospec.stores.layout.tracks import Tracks


def anonymous_tracks(tracks: Tracks, root: Location | None) -> Tracks:
    """Return the track table without paths that lead out of the folder of the audio.

    Parameters
    ----------
    tracks : Tracks
    root : Location or None
        The folder that paths are relative to, if it is known. If it is the root of the file system, every
        path counts as absolute.

    Returns
    -------
    Tracks
        Paths that are absolute or lead out of the folder, and ids made from them, are reduced to the file's
        name. If several tracks have that name, the track's row number comes first (``"3/song.wav"``).
        Clusters that are named by such paths are reduced, too, and so are texts of free columns, except
        addresses of web pages. The folder is cut out of free columns, problems and notes.
    """
    records = list(tracks.records())
    root_is_top = isinstance(root, Path) and root == Path(root.anchor)
    outside = [
        bool(record.path) and (root_is_top or leaves_root(record.path) or leaves_root(record.id))
        for record in records
    ]
    paths = _reduce([record.path for record in records], outside)
    ids = _reduce([record.id for record in records], [leaves_root(record.id) for record in records])
    clusters = list(dict.fromkeys(record.cluster for record in records))
    short = dict(zip(clusters, _reduce(clusters, [_is_path_out(name) for name in clusters]), strict=True))
    return Tracks.from_records(
        [
            replace(
                record,
                path=path,
                id=id,
                problem=_without_folder(record.problem, record.path, root),
                note=_without_folder(record.note, record.path, root),
                cluster=short[record.cluster],
                columns=tuple((name, _without_path(text, root)) for name, text in record.columns),
            )
            for record, path, id in zip(records, paths, ids, strict=True)
        ]
    )


def leaves_root(path: str) -> bool:
    """Whether a path is absolute, or a URL, or goes up to a parent folder."""
    return (
        "://" in path
        or PurePosixPath(path).is_absolute()
        or PureWindowsPath(path).is_absolute()
        or ".." in PureWindowsPath(path).parts  # splits at both kinds of slash
    )


def _is_path_out(cluster: str) -> bool:
    """Whether a cluster is named by a path that leads out of the folder, and the path has a last part."""
    return leaves_root(cluster) and bool(PureWindowsPath(cluster).name)


def _reduce(paths: list[str], chosen: list[bool]) -> list[str]:
    """Replace each chosen path with its file's name; paths stay different from one another."""
    names = [PureWindowsPath(path).name if cut else path for path, cut in zip(paths, chosen, strict=True)]
    counts = Counter(names)
    return [
        f"{number}/{name}" if cut and counts[name] > 1 else name
        for number, (name, cut) in enumerate(zip(names, chosen, strict=True))
    ]


def _without_path(text: str, root: Location | None) -> str:
    """Return the text of a free column without a path that leads out of the folder."""
    text = _without_folder(text, "", root)
    is_page = text.startswith(("http://", "https://"))
    return PureWindowsPath(text).name if not is_page and _is_path_out(text) else text


def _without_folder(problem: str, path: str, root: Location | None) -> str:
    """Return a problem or note without the folder's name, and with the file's name in place of its path."""
    if root is None or not problem:
        return problem
    if path:
        problem = problem.replace(str(root / path), PurePosixPath(path).name)
    if not isinstance(root, Path) or root != Path(root.anchor):
        problem = problem.replace(f"{root}/", "").replace(str(root), "")
    return problem
