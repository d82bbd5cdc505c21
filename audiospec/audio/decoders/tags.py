"""Tags (ID3, APE, Lyrics3) before, between and behind the frames of an audio file: how long each is.

Sources: the descriptions of ID3v1, ID3v2.4 (id3.org), APEv2 (wiki.hydrogenaud.io) and Lyrics3.
"""

from __future__ import annotations

from collections.abc import Callable

#: Reads up to a number of bytes from a place: ``get(at, length)``.
Reader = Callable[[int, int], bytes]
#: Most bytes of lyrics: five or six digits state their length.
_MOST_LYRICS = 1_000_000


def tag_bytes(get: Reader, at: int, size: int) -> int:
    """Return the length in bytes of the tag that begins at `at` in a file of `size` bytes; 0 if none does."""
    head = get(at, 32)
    if head[:3] == b"ID3" and len(head) >= 10 and head[3] < 0xFF and max(head[6:10]) < 0x80:
        # Four groups of seven bits, without the header and the footer.
        length = sum(byte << 7 * (3 - i) for i, byte in enumerate(head[6:10]))
        length += 20 if head[5] & 0x10 else 10
    elif head[:8] == b"APETAGEX" and len(head) == 32:
        length = 32 + int.from_bytes(head[12:16], "little")
    elif head[:4] == b"TAG+":
        length = 227
    elif head[:3] == b"TAG":
        length = 128
    elif head[:11] == b"LYRICSBEGIN":
        lyrics = get(at, _MOST_LYRICS)
        ends = [lyrics.find(mark) for mark in (b"LYRICSEND", b"LYRICS200")]
        length = min((end + 9 for end in ends if end > 0), default=0)
    else:
        length = 0
    return length if at + length <= size else 0


def tags_end(get: Reader, at: int, size: int) -> int:
    """Return where the tags that begin at `at`, one behind the other, end."""
    while at < size and (length := tag_bytes(get, at, size)):
        at += length
    return at


def tags_begin(get: Reader, size: int) -> int:
    """Return where the tags at the end of a file of `size` bytes begin; `size` if there are none."""
    end = size
    while True:
        tail = get(max(0, end - 128), min(end, 128))
        if tail[:3] == b"TAG" and tail[:5] != b"TAGEX" and len(tail) == 128:  # the end of an APE tag's mark
            length = 128
        elif tail[-32:-24] == b"APETAGEX":
            length = int.from_bytes(tail[-20:-16], "little") + (32 if tail[-9] & 0x80 else 0)
        elif tail[-9:] == b"LYRICS200" and tail[-15:-9].isdigit():
            length = int(tail[-15:-9]) + 15
        elif tail[-10:-7] == b"3DI" and max(tail[-4:]) < 0x80:
            length = sum(byte << 7 * (3 - i) for i, byte in enumerate(tail[-4:])) + 20
        else:
            enhanced = get(end - 227, 4) if end >= 227 else b""
            length = 227 if enhanced == b"TAG+" else 0
        if not 0 < length <= end:
            return end
        end -= length
