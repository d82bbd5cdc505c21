"""Printable text from file names and other foreign text."""

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
