"""Which requests fetch many parts of an object: neighbours are fetched together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

#: First byte and buffer.
Piece: TypeAlias = tuple[int, memoryview]

#: Bytes between two parts that are fetched rather than left out by another request.
GAP = 1 << 20
#: Parts that make up this share of what lies between the first and the last are fetched in one request.
SHARE = 0.25


class Span(NamedTuple):
    """One request: bytes `start` to `stop`, and the pieces that lie in it."""

    start: int
    stop: int
    pieces: tuple[Piece, ...]


def spans(pieces: Sequence[Piece]) -> list[Span]:
    """Return the requests for pieces of one object, by their place."""
    pieces = sorted(pieces, key=lambda piece: piece[0])
    first, last = pieces[0][0], max(start + len(buffer) for start, buffer in pieces)
    if sum(len(buffer) for _, buffer in pieces) > SHARE * (last - first):
        return [Span(first, last, tuple(pieces))]
    found: list[list[Piece]] = []
    stop = 0
    for start, buffer in pieces:
        if found and start - stop <= GAP:
            found[-1].append((start, buffer))
        else:
            found.append([(start, buffer)])
        stop = max(stop, start + len(buffer))
    return [
        Span(group[0][0], max(start + len(buffer) for start, buffer in group), tuple(group))
        for group in found
    ]
