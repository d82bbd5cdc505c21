"""Counts, names and lists in the titles of findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audiospec.text import printable


def quoted(label: str) -> str:
    """Return a label for a title: in quotes, in one line of at most 40 characters."""
    text = printable(label)
    return f"'{text if len(text) <= 40 else text[:39] + '…'}'"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return the first of some texts, and how many more there are: ``"a, b, c and 7 more"``."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def part_of(count: int, total: int, noun: str) -> str:
    """Return a part of a total with its noun: ``"1 of 10 labels"``."""
    return f"{count:,} of {counted(total, noun)}"


def counted(count: int, noun: str, several: str = "") -> str:
    """Return a count with its noun: ``"1 track"``, ``"1,200 tracks"``.

    Parameters
    ----------
    count : int
    noun : str
        In the singular.
    several : str
        In the plural; ``""``: with an s.
    """
    return f"{count:,} {noun if count == 1 else several or noun + 's'}"


def rows_of_tracks(
    bad: NDArray[np.int64], seen: NDArray[np.int64]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the tracks that have bad rows, those with most of them first, and a line about each.

    Parameters
    ----------
    bad, seen : ndarray of int64
        Track numbers of the bad rows, and of all rows that were looked at.

    Returns
    -------
    (tuple of int, tuple of str)
        Track numbers, and such as ``"3 of 12 rows"``.
    """
    count = int(max(bad.max(initial=-1), seen.max(initial=-1))) + 1
    of_bad, of_seen = np.bincount(bad, minlength=count), np.bincount(seen, minlength=count)
    tracks = np.flatnonzero(of_bad)
    tracks = tracks[np.argsort(-of_bad[tracks], kind="stable")]
    return tuple(tracks.tolist()), tuple(part_of(int(of_bad[n]), int(of_seen[n]), "row") for n in tracks)


def kinds_of(reasons: Sequence[str]) -> list[tuple[str, int]]:
    """Return what several reasons begin with, up to a colon, and how many do; the most common first."""
    counts = Counter(printable(reason).partition(": ")[0][:80] for reason in reasons)
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
