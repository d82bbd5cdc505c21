"""Recognise names of folds: of a folder, or in a column of a table."""

from __future__ import annotations

import re

#: Fold → the names for it that Hugging Face's AudioFolder knows, in lower case.
KEYWORDS = {
    "train": ("train", "training"),
    "valid": ("valid", "validation", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_FOLDS = {keyword: fold for fold, keywords in KEYWORDS.items() for keyword in keywords}
#: A keyword that is one word with what it is of: "trainset", "testdata".
_COMPOUND = re.compile(rf"({'|'.join(_FOLDS)})(set|data|files|audio|clips|wavs?)s?")
_NUMBERED = re.compile(r"fold[-._ ]?(\d+)")


def fold_named(name: str) -> str:
    """Return the fold that a name is the whole name of, such as ``"test"`` of ``Testing``; ``""`` if none."""
    return _FOLDS.get(name.strip().lower(), "")


def fold_in(name: str) -> str:
    """Return the fold in a folder's name; ``""`` if there is none, or there are several.

    A keyword counts if it is the whole name, or if ``-._``, blanks, digits or a capital separate it from the
    rest, as in ``train_clean``, ``my test 2`` and ``TestData``; ``trainset`` counts too. ``fold3`` is the
    fold ``"3"``.
    """
    name = re.sub("(?<=[a-z])(?=[A-Z])", "_", name.strip()).lower()
    if match := _NUMBERED.fullmatch(name):
        return match[1].lstrip("0") or "0"
    words = (_COMPOUND.sub(r"\1", word) for word in re.split(r"[-._ 0-9]+", name))
    found = {_FOLDS[word] for word in words if word in _FOLDS}
    return found.pop() if len(found) == 1 else ""
