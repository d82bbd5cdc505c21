"""Refuse annotations of one file that contradict each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from audiospec.annotations.annotation import Annotation
from audiospec.errors import DatasetError
from audiospec.text import printable


def refuse_doubled_segments(
    file: object, path: str, annotations: Iterable[tuple[int, Annotation]], target: str, unit: str = "row"
) -> None:
    """Refuse two annotations of one segment: the same ones, and for one label (or number) different ones.

    Parameters
    ----------
    file : object
        The table, for the message.
    path : str
        The audio file.
    annotations : iterable of (int, Annotation)
        Number, and annotation.
    target : str
    unit : str
        What is numbered, for the message.

    Raises
    ------
    DatasetError
        The message names both.
    """
    several = target in ("multi-label", "frames")
    seen: dict[Any, tuple[int, Annotation]] = {}
    for number, one in annotations:
        key = (one.start, one.end, one.label) if several else (one.start, one.end)
        before, other = seen.setdefault(key, (number, one))
        if other is one:
            continue
        segment = "" if one.is_whole else f" from {one.start:g} to {one.end:g} s"
        place = f"{file}, {unit} {number}: {printable(path)!r}{segment}"
        values = [annotation.label or annotation.value for annotation in (other, one)]
        what = "label" if one.value is None else "number"
        if values[0] == values[1]:
            raise DatasetError(
                f"{place} with the {what} {values[1]!r} is already in {unit} {before}", "keep one"
            )
        raise DatasetError(
            f"{place} has the {what} {values[0]!r} in {unit} {before}, here {values[1]!r}",
            'keep one, or read several with `target="multi-label"` or `target="frames"`'
            if what == "label"
            else "keep one, such as their mean",
        )
