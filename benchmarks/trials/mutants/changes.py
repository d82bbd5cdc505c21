"""Changes: the ways in which a sound file is damaged, cut, joined or dressed up."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from audiospec.benchmarks.trials.mutants.sounds import Original

#: A stretch of bytes that is as it was: of the original (0) or of the file that was joined to it (1).
Piece = tuple[int, int, int]


@dataclass(frozen=True)
class Change:
    """A changed file.

    Attributes
    ----------
    content : bytes
    pieces : list of Piece
        What is intact of the originals, in order.
    what : str
        What was done, for a reader.
    first : int
        The first byte of the original that was touched.
    suffix : str
        Of the file's name; ``""``: that of its kind.
    """

    content: bytes
    pieces: list[Piece]
    what: str
    first: int
    suffix: str = ""


def change(file: Original, other: Original, draw: random.Random) -> Change:
    """Change a file in one of the ways, by chance; `other` is one that may be joined to it."""
    name = draw.choices(list(_WAYS), [weight for weight, _ in _WAYS.values()])[0]
    return _WAYS[name][1](file, other, draw)


def _overwritten(file: Original, at: int, new: bytes, what: str) -> Change:
    old = file.content
    new = new[: len(old) - at]
    end = at + len(new)
    return Change(old[:at] + new + old[end:], [(0, 0, at), (0, end, len(old))], what, at)


def _flip_at(file: Original, at: int, draw: random.Random) -> Change:
    bit = draw.randrange(8)
    return _overwritten(file, at, bytes([file.content[at] ^ 1 << bit]), f"bit {bit} of byte {at} flipped")


def _flip(file: Original, other: Original, draw: random.Random) -> Change:
    return _flip_at(file, draw.randrange(len(file.content)), draw)


def _flip_head(file: Original, other: Original, draw: random.Random) -> Change:
    """Flip a bit where files have their headers: at the start, or, of an MP4, at the end."""
    count = min(600, len(file.content))
    at = draw.randrange(count)
    if file.kind.suffix == ".m4a" and draw.random() < 0.7:
        at = len(file.content) - 1 - draw.randrange(min(900, len(file.content)))
    return _flip_at(file, at, draw)


def _flip_frame_head(file: Original, other: Original, draw: random.Random) -> Change:
    """Flip a bit in the first bytes of a packet, page or frame, where lengths and marks are."""
    at = draw.choice(file.places[:-1]) + draw.randrange(12)
    return _flip_at(file, min(at, len(file.content) - 1), draw)


def _zeros(file: Original, other: Original, draw: random.Random) -> Change:
    length = draw.choice((1, 2, 7, 64, 500, 4096))
    at = draw.randrange(len(file.content))
    return _overwritten(file, at, bytes(length), f"{length} bytes from {at} zeroed")


def _noise(file: Original, other: Original, draw: random.Random) -> Change:
    length = draw.choice((1, 3, 16, 200, 2000))
    at = draw.randrange(len(file.content))
    return _overwritten(file, at, draw.randbytes(length), f"{length} bytes from {at} random")


def _field(file: Original, other: Original, draw: random.Random) -> Change:
    """Set a number in the header to 0, the largest, or one off."""
    width = draw.choice((1, 2, 4, 8))
    at = draw.randrange(0, max(1, min(160, len(file.content) - width)), 1)
    if file.kind.suffix == ".m4a" and draw.random() < 0.7:
        at = len(file.content) - width - draw.randrange(min(900, len(file.content) - width))
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    order = draw.choice(orders)
    old = int.from_bytes(file.content[at : at + width], order)
    most = 256**width - 1
    word, new = draw.choice(
        (("0", 0), ("the largest", most), ("one more", (old + 1) & most), ("one less", (old - 1) & most))
    )
    return _overwritten(
        file, at, new.to_bytes(width, order), f"{width} bytes at {at} set to {word} ({order})"
    )


def _length(file: Original, other: Original, draw: random.Random) -> Change:
    """Have the header announce another length: 0, the largest, or one that is somewhat wrong."""
    found = _LENGTHS.get(file.kind.name)
    if found is None:
        return _field(file, other, draw)
    mark, offset, bits, order = found
    width = -(-bits // 8)
    at = file.content.index(mark) + offset
    old = int.from_bytes(file.content[at : at + width], order)
    above = old >> bits << bits  # of FLAC, four bits of the first byte are of another field
    length = old - above
    most = 2**bits - 1
    new = draw.choice((0, most, most // 2, 1, length + 44, length - 44, 2 * length, length // 2)) & most
    value = (above + new).to_bytes(width, order)
    return _overwritten(file, at, value, f"length {length} in the header set to {new}")


def _cut(file: Original, other: Original, draw: random.Random) -> Change:
    at = draw.randrange(1, len(file.content))
    return Change(file.content[:at], [(0, 0, at)], f"cut at byte {at}", at)


def _cut_at_frame(file: Original, other: Original, draw: random.Random) -> Change:
    at = draw.choice(file.places[1:])
    return Change(file.content[:at], [(0, 0, at)], f"cut at byte {at}, where a packet ends", at)


def _blocks(file: Original, draw: random.Random) -> tuple[int, int, int]:
    """Return three places, in order: of packets, or any."""
    places = file.places
    if draw.random() < 0.6 and len(places) > 4:
        first, second, third = sorted(draw.sample(range(len(places)), 3))
        span = draw.randrange(1, 4)
        return places[first], places[min(first + span, second)], places[min(third, second + span)]
    size = len(file.content)
    at, length = draw.randrange(size), draw.choice((1, 4, 100, 512, 4096))
    return at, min(at + length, size), min(at + 2 * length, size)


def _removed(file: Original, other: Original, draw: random.Random) -> Change:
    old, (a, b, _) = file.content, _blocks(file, draw)
    return Change(old[:a] + old[b:], [(0, 0, a), (0, b, len(old))], f"bytes {a} to {b} removed", a)


def _doubled(file: Original, other: Original, draw: random.Random) -> Change:
    old, (a, b, _) = file.content, _blocks(file, draw)
    return Change(old[:b] + old[a:], [(0, 0, b), (0, a, len(old))], f"bytes {a} to {b} doubled", a)


def _swapped(file: Original, other: Original, draw: random.Random) -> Change:
    old, (a, b, c) = file.content, _blocks(file, draw)
    pieces = [(0, 0, a), (0, b, c), (0, a, b), (0, c, len(old))]
    content = old[:a] + old[b:c] + old[a:b] + old[c:]
    return Change(content, pieces, f"bytes {a} to {b} and {b} to {c} swapped", a)


def _inserted(file: Original, other: Original, draw: random.Random) -> Change:
    old, at, length = file.content, draw.randrange(len(file.content)), draw.choice((1, 2, 30, 300, 3000))
    if draw.random() < 0.3:
        at = draw.choice(file.places[:-1])
    content = old[:at] + draw.randbytes(length) + old[at:]
    return Change(content, [(0, 0, at), (0, at, len(old))], f"{length} random bytes inserted at {at}", at)


def _joined(file: Original, other: Original, draw: random.Random) -> Change:
    pieces = [(0, 0, len(file.content)), (1, 0, len(other.content))]
    return Change(file.content + other.content, pieces, "another file joined to its end", len(file.content))


def _tag_before(file: Original, other: Original, draw: random.Random) -> Change:
    size = draw.choice((10, 300, 5000, 70_000))
    sync_safe = bytes(size >> 7 * shift & 127 for shift in (3, 2, 1, 0))
    tag = b"ID3" + bytes([draw.choice((3, 4)), 0, 0]) + sync_safe + bytes(size)
    if draw.random() < 0.25:
        tag += tag
    return Change(tag + file.content, [(0, 0, len(file.content))], f"ID3v2, {len(tag)} bytes, before it", 0)


def _tag_after(file: Original, other: Original, draw: random.Random) -> Change:
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0) + bytes(8)
    name, tag = draw.choice(
        (
            ("ID3v1", b"TAG" + b"a title".ljust(125, b"\0")),
            ("APEv2", ape),
            ("zeros", bytes(draw.choice((1, 100, 5000)))),
            ("text", b"recorded by a program that adds a line\n"),
        )
    )
    size = len(file.content)
    return Change(file.content + tag, [(0, 0, size)], f"{name}, {len(tag)} bytes, behind it", size)


def _misnamed(file: Original, other: Original, draw: random.Random) -> Change:
    suffix = draw.choice([s for s in (".wav", ".mp3", ".flac", ".au", ".dat", "") if s != file.kind.suffix])
    size = len(file.content)
    return Change(file.content, [(0, 0, size)], f"named *{suffix}", size, suffix or ".")


#: Kind → mark before the length in its header, bytes from its start to there, bits of the length, byte order.
_LENGTHS: dict[str, tuple[bytes, int, int, Literal["little", "big"]]] = {
    "wav": (b"data", 4, 32, "little"),
    "wav-float": (b"data", 4, 32, "little"),
    "aiff": (b"SSND", 4, 32, "big"),
    "au": (b".snd", 8, 32, "big"),
    "caf": (b"data", 4, 64, "big"),
    "flac": (b"fLaC", 21, 36, "big"),
    "mp3": (b"Info", 8, 32, "big"),
    "m4a": (b"mdhd", 20, 32, "big"),
    "alac": (b"mdhd", 20, 32, "big"),
    "wavpack": (b"wvpk", 12, 32, "little"),
    "tta": (b"TTA1", 14, 32, "little"),
}

#: Way → its weight, and its function.
_WAYS: dict[str, tuple[float, Callable[[Original, Original, random.Random], Change]]] = {
    "flip": (4, _flip),
    "flip in the header": (3, _flip_head),
    "flip in a frame's header": (3, _flip_frame_head),
    "zeros": (2, _zeros),
    "random bytes": (1, _noise),
    "field": (3, _field),
    "length": (2, _length),
    "cut": (1.5, _cut),
    "cut at a frame": (1.5, _cut_at_frame),
    "removed": (1.5, _removed),
    "doubled": (1, _doubled),
    "swapped": (1, _swapped),
    "inserted": (1.5, _inserted),
    "joined": (1, _joined),
    "tag before": (0.7, _tag_before),
    "tag behind": (0.7, _tag_after),
    "misnamed": (0.6, _misnamed),
}
