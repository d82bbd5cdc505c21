"""Split files: a split as portable JSON, of track ids and content hashes.

Anyone can read one without audiospec. It is checked when it is read: a file of another store, with unknown
tracks or tracks of other content, is refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audiospec.digests import digest
from audiospec.errors import DiskFullError, SplitError
from audiospec.files import atomic_write, read_json
from audiospec.storage.location import local, location
from audiospec.zoo.splits.of_view import strata_of
from audiospec.zoo.splits.split import SIDES, Split, make_split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audiospec.stores.layout.view import View

VERSION = 1
SUFFIX = ".json"
#: Most bytes of a split file.
MOST_BYTES = 1 << 30
#: Strategy of a split that was read from a file.
FILE = "file"


def write_split(made: Split, view: View, path: Path | str) -> Path:
    """Write a split to a file.

    Each side is a list of ``{"id", "hash"}``, one for each track; if a track has rows on two sides, as in a
    random split, with the ``"starts"`` of its chunks in seconds. Sides are of tracks otherwise, so the file
    is valid for every view of the store.

    Parameters
    ----------
    made : Split
    view : View
        The view that it was made for.
    path : path
        Replaced if it exists.

    Returns
    -------
    Path

    Raises
    ------
    SplitError
        The file cannot be written.
    """
    numbers = view.rows["track"]
    by_side = [np.unique(numbers[getattr(made, side)]) for side in SIDES]
    whole = len(np.unique(np.concatenate(by_side))) == sum(map(len, by_side))
    content: dict[str, Any] = {
        "audiospec_split": VERSION,
        "dataset": view.store.dataset,
        "strategy": made.strategy,
        "seed": made.seed,
        "shares": list(made.shares),
        "sides": {side: _side(view, getattr(made, side), whole) for side in SIDES},
    }
    file = local(location(path), "a split file")
    try:
        with atomic_write(file) as temporary:
            text = json.dumps({**content, "digest": digest(content)}, indent=1)
            temporary.write_text(text + "\n", encoding="utf-8")
    except DiskFullError:
        raise
    except OSError as error:
        raise SplitError(f"cannot write {file} ({error.strerror})", "choose another path") from error
    return file


def _side(view: View, rows: np.ndarray[Any, Any], whole: bool) -> list[dict[str, Any]]:
    table = view.store.tracks
    listed: dict[int, dict[str, Any]] = {}
    for track, start in zip(
        view.rows["track"][rows].tolist(), view.rows["start"][rows].tolist(), strict=True
    ):
        entry = listed.setdefault(track, {"id": str(table["id"][track]), "hash": str(table["hash"][track])})
        if not whole:
            entry.setdefault("starts", []).append(start)
    return sorted(listed.values(), key=lambda entry: entry["id"])


def read_split(
    path: Path | str, view: View, classes: Sequence[str] | None = None, label_column: str | None = None
) -> Split:
    """Read a split from a file, for a view of a store that has its tracks.

    Parameters
    ----------
    path : path
    view : View
    classes : sequence of str or None
    label_column : str or None
        As for `split`.

    Returns
    -------
    Split
        Rows of tracks that the file does not list are left out.

    Raises
    ------
    SplitError
        The file cannot be read or is not a split, or it lists a track that the store lacks or whose content
        differs; or the split cannot be used, as for `split`.
    """
    file = local(location(path), "a split file")
    try:
        content = dict(read_json(file, MOST_BYTES))
        written = content.pop("digest")
        if content.get("audiospec_split") != VERSION or digest(content) != written:
            raise ValueError("it was changed, or is of another version")
        sides = [[_entry(entry) for entry in content["sides"][side]] for side in SIDES]
        shares, seed, strategy = (
            list(map(float, content["shares"])),
            int(content["seed"]),
            content["strategy"],
        )
        if len(shares) != len(SIDES):
            raise ValueError("it has no three shares")
    except OSError as error:
        raise SplitError(f"cannot read split file {file} ({error.strerror or error})") from error
    except (ValueError, TypeError, KeyError, RecursionError, MemoryError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise SplitError(
            f"{file} is not a split file ({reason[:100]})", "write one with `write_split`"
        ) from error
    _check_tracks(file, view, [entry for side in sides for entry in side])
    strata = strata_of(view, classes, label_column)
    rows = _rows(file, view, sides, strata.used_rows)
    left_out = np.setdiff1d(np.flatnonzero(strata.used_rows), np.concatenate(rows))
    reason = f"read from {file.name}: {strategy}, seed {seed}"
    return make_split(
        view, FILE, rows, seed=seed, shares=shares, reason=reason, left_out=left_out, strata=strata
    )


def _entry(entry: Any) -> tuple[str, str, frozenset[float] | None]:
    id, hash, starts = entry["id"], entry["hash"], entry.get("starts")
    if not isinstance(id, str) or not isinstance(hash, str):
        raise ValueError("an id or a hash is not text")
    return id, hash, None if starts is None else frozenset(map(float, starts))


def _check_tracks(
    file: Path, view: View, entries: Sequence[tuple[str, str, frozenset[float] | None]]
) -> None:
    """Raise `SplitError` unless the view's store has all tracks with the same content."""
    table = view.store.tracks
    unknown = sorted({id for id, _, _ in entries if id not in table.index})
    if unknown:
        raise SplitError(
            f"split file {file} lists {len(unknown)} of {len({id for id, _, _ in entries})} tracks that "
            f"{view.store.path} does not have, such as {unknown[0]!r}",
            "give the split file of this store",
        )
    changed = sorted(
        {
            id
            for id, hash, _ in entries
            if hash and (now := str(table["hash"][table.index[id]])) and now != hash
        }
    )
    if changed:
        raise SplitError(
            f"split file {file} is of other audio: {len(changed)} tracks have another content in "
            f"{view.store.path}, such as {changed[0]!r}",
            "give the split file of this store",
        )


def _rows(
    file: Path,
    view: View,
    sides: Sequence[Sequence[tuple[str, str, frozenset[float] | None]]],
    used: np.ndarray[Any, Any],
) -> list[np.ndarray[Any, Any]]:
    """Return the rows of each side, of those that are used.

    Raises
    ------
    SplitError
        A row is on two sides, or a chunk that is listed does not exist.
    """
    index = view.store.tracks.index
    places = list(zip(view.rows["track"].tolist(), view.rows["start"].tolist(), strict=True))
    present = {*places}
    rows, taken = [], np.zeros(len(view), bool)
    for entries in sides:
        chunks = {index[id]: starts for id, _, starts in entries}
        missing = [
            (id, start)
            for id, _, starts in entries
            for start in starts or ()
            if (index[id], start) not in present
        ]
        if missing:
            raise SplitError(
                f"split file {file} lists a chunk of {missing[0][0]!r} at {missing[0][1]:g} s, which view "
                f"{view.name} does not have",
                "give a view of the chunks that the split was made for",
            )
        chosen = [
            track in chunks and ((starts := chunks[track]) is None or start in starts)
            for track, start in places
        ]
        side = np.flatnonzero(np.array(chosen, bool) & used)
        if taken[side].any():
            raise SplitError(f"split file {file} lists a row on two sides", "list each track on one side")
        taken[side] = True
        rows.append(side)
    return rows
