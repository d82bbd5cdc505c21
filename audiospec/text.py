"""Text from files, made printable."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    """Text from a file name as printable, valid UTF-8.

    Bytes that are no UTF-8 (surrogates, to Python), control characters and line separators are
    escaped with a backslash; all else stays.
    """
    if text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode("ascii")
        if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}
        else char
        for char in text
    )
