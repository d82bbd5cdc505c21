"""Clusters: the connected components of pairs."""

from __future__ import annotations

from collections.abc import Iterable


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
    parent: dict[int, int] = {}

    def root(number: int) -> int:
        parent.setdefault(number, number)
        while parent[number] != number:
            parent[number] = parent[parent[number]]  # halve the path, so that later calls are short
            number = parent[number]
        return number

    for first, second in pairs:
        one, other = root(first), root(second)
        parent[max(one, other)] = min(one, other)
    members: dict[int, list[int]] = {}
    for number in sorted(parent):
        members.setdefault(root(number), []).append(number)
    return tuple(tuple(numbers) for numbers in members.values() if len(numbers) > 1)
