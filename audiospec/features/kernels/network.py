"""Networks of minima and maxima that compute running medians, exactly and without a branch.

Overlapping windows share most of their values. A tile's 16 windows of 31 values have 16 values in common,
which are sorted once. Each half of the tile has eight more values in common, which are sorted and merged in,
and so on down to single windows. At each step, values whose rank rules them out as the median are dropped.
This takes 34 minima and maxima per median; sorting each window separately takes hundreds. Each is one
operation on whole rows, which CPUs and GPUs compute at the speed of their memory. The tree of tiles follows
A. Adams, "Fast Median Filters using Separable Sorting Networks", ACM Transactions on Graphics 40(4), 2021,
in one dimension; the sorting networks are Batcher's odd-even merges (1968).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Network:
    """A network of minima and maxima that computes the medians of a tile of windows.

    Attributes
    ----------
    size, tile : int
        Values in a window, windows in a tile.
    steps : list of (is_minimum, one, other, result)
        Numbers of places: first the inputs, then the medians, then the intermediate values.
    between : int
        Number of places for intermediate values.
    """

    size: int
    tile: int
    steps: list[tuple[bool, int, int, int]]
    between: int

    @property
    def places(self) -> int:
        """Number of all places."""
        return self.size + 2 * self.tile - 1 + self.between

    def exchanges(self) -> NDArray[np.int32]:
        """Return the steps, each minimum joined with the maximum of the same two places.

        Returns
        -------
        ndarray, shape (n, 4), int32
            Rows of (one, other, place of the minimum, place of the maximum); -1: not needed.
        """
        rows: list[list[int]] = []
        for is_minimum, one, other, result in self.steps:
            if not is_minimum and rows and rows[-1] == [one, other, rows[-1][2], -1]:
                rows[-1][3] = result
            else:
                rows.append([one, other, result, -1] if is_minimum else [one, other, -1, result])
        return np.array(rows, np.int32).reshape(-1, 4)


@lru_cache(maxsize=8)
def median_network(size: int) -> Network:
    """Return the network for windows of an odd number of values."""
    tile = 1
    while 4 * tile <= size + 1:  # a tile's windows must share at least half of their values
        tile *= 2
    builder = _NetworkBuilder(size + tile - 1)
    medians = builder.medians(size, tile)
    return Network(size, tile, *builder.compile(medians))


class _NetworkBuilder:
    """Records minima and maxima. Values are numbered: first the inputs, then the results of the steps."""

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        self.steps: list[tuple[bool, int, int]] = []  # step i makes value inputs + i

    def medians(self, size: int, tile: int) -> list[int]:
        """Return the values that are the medians of the tile's windows, in order."""
        shared = self.sort(list(range(tile - 1, size)))
        middle = (size - 1) // 2
        return self._split(0, tile, size, shared[middle - tile + 1 : middle + 1])

    def _split(self, first: int, count: int, size: int, candidates: list[int]) -> list[int]:
        """Return the medians of `count` windows, beginning with number `first`.

        Each is the median of `candidates`, which are sorted values that all of these windows share, and of
        the count - 1 values that the window does not share with all the others.
        """
        if count == 1:
            return candidates
        half = count // 2
        medians = []
        for start, new in ((first, first + half - 1), (first + half, first + size)):
            merged = self.merge(candidates, self.sort(list(range(new, new + half))))
            middle = (len(merged) + half - 2) // 2  # the median's rank, with half - 1 values to come
            kept = merged[middle - half + 1 : middle + 1]
            medians += self._split(start, half, size, kept)
        return medians

    def sort(self, values: list[int]) -> list[int]:
        """Sort values in ascending order."""
        if len(values) < 2:
            return values
        half = (len(values) + 1) // 2
        return self.merge(self.sort(values[:half]), self.sort(values[half:]))

    def merge(self, one: list[int], other: list[int]) -> list[int]:
        """Merge two sorted lists by Batcher's odd-even merge."""
        if not one or not other:
            return one + other
        if len(one) == len(other) == 1:
            return self._exchange(one[0], other[0])
        even = self.merge(one[::2], other[::2])
        odd = self.merge(one[1::2], other[1::2])
        merged = even[:1]
        for low, high in zip(odd, even[1:], strict=False):
            merged += self._exchange(low, high)
        done = (len(merged) - 1) // 2
        return merged + even[1 + done :] + odd[done:]

    def _exchange(self, one: int, other: int) -> list[int]:
        self.steps += [(True, one, other), (False, one, other)]
        last = self.inputs + len(self.steps)
        return [last - 2, last - 1]

    def compile(self, results: list[int]) -> tuple[list[tuple[bool, int, int, int]], int]:
        """Return the steps that the results need, and the number of intermediate places, which are reused."""
        needed = set(results)
        last_use: dict[int, int] = {}
        for number in reversed(range(len(self.steps))):
            if self.inputs + number in needed:
                for value in self.steps[number][1:]:
                    needed.add(value)
                    last_use.setdefault(value, number)
        places = {value: value for value in range(self.inputs)}
        places.update({value: self.inputs + place for place, value in enumerate(results)})
        fixed = self.inputs + len(results)
        steps: list[tuple[bool, int, int, int]] = []
        free: list[int] = []
        count = fixed
        for number, (is_minimum, one, other) in enumerate(self.steps):
            value = self.inputs + number
            if value not in needed:
                continue
            if value not in places:
                if not free:
                    free.append(count)
                    count += 1
                places[value] = free.pop()
            steps.append((is_minimum, places[one], places[other], places[value]))
            for read in {one, other}:
                if last_use[read] == number and places[read] >= fixed:
                    free.append(places[read])
        return steps, count - fixed
