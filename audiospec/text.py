"""Printable text from file names and other foreign text; counts and sizes as text."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    """Return text from a file name as printable, valid UTF-8.

    Bytes that are not UTF-8 (which Python represents as surrogates), control characters and line
    separators are escaped with a backslash. Other characters stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode("ascii")
        if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}
        else char
        for char in text
    )


def count(number: int, noun: str) -> str:
    """Format a count, such as ``"1 track"`` or ``"2 tracks"``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def size(count: float) -> str:
    """Format a number of bytes, such as ``"84.4 MB"``."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}" if count < 999.5 * scale else f"{count / scale:.0f} {unit}"
    return f"{count:.0f} bytes"


def too_little(needed: int, free: int) -> str:
    """Format two different numbers of bytes, such as ``"84.4 MB are needed, 3.2 MB are free"``.

    To the byte, if they would look the same otherwise.
    """
    texts = size(needed), size(free)
    if texts[0] == texts[1]:
        texts = f"{needed} bytes", f"{free} bytes"
    return f"{texts[0]} are needed, {texts[1]} are free"
