"""Clusters: the connected components of pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Joined:
    """Numbers that are joined, directly or through others."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}

    def join(self, first: int, second: int) -> None:
        """Join two numbers."""
        one, other = self.root(first), self.root(second)
        self._parent[max(one, other)] = min(one, other)

    def root(self, number: int) -> int:
        """Return the smallest number that a number is joined with, which may be itself."""
        parent = self._parent
        parent.setdefault(number, number)
        while parent[number] != number:
            parent[number] = parent[parent[number]]  # halve the path, so that later calls are short
            number = parent[number]
        return number

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._parent))


def components(pairs: Iterable[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """Return the connected components of a graph.

    Parameters
    ----------
    pairs : iterable of (int, int)
        Its edges.

    Returns
    -------
    tuple of tuple of int
        The numbers of each component in ascending order; components in order of their first numbers. Numbers
        in no pair, or only in a pair with themselves, are in none.
    """
    joined = Joined()
    for pair in pairs:
        joined.join(*pair)
    members: dict[int, list[int]] = {}
    for number in joined:
        members.setdefault(joined.root(number), []).append(number)
    return tuple(tuple(numbers) for numbers in members.values() if len(numbers) > 1)


def equal_pairs(texts: NDArray[Any], numbers: NDArray[np.int64] | None = None) -> list[tuple[int, int]]:
    """Return each place with the text of an earlier one, after the first that has it.

    Parameters
    ----------
    texts : ndarray of str
        ``""`` equals nothing.
    numbers : ndarray of int64 or None
        The places to look at, in ascending order. None: all.
    """
    chosen = np.arange(len(texts)) if numbers is None else numbers
    first: dict[str, int] = {}
    pairs = []
    for number, text in zip(chosen.tolist(), texts[chosen].tolist(), strict=True):
        if text and (earlier := first.setdefault(text, number)) != number:
            pairs.append((earlier, number))
    return pairs
