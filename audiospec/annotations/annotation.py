"""Annotation: a stretch of a track with a label or a value. Labelling: how rows get targets from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from audiospec.errors import DatasetError, nearest
from audiospec.fields import shown

#: What can be predicted of a row: its one label, several labels, a number, or the labels of its frames.
TARGETS = ("single", "multi-label", "number", "frames")
Background = Literal["drop", "keep", "class"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """A stretch of a track with a label or a value.

    Attributes
    ----------
    start : float
        Seconds from the start of the track, at least 0.
    end : float
        Seconds from the start of the track, at least `start`; infinite: the end of the track.
    label : str
        ``""`` if the annotation has a value.
    value : float or None
        None if it has a label.
    column : str
        Column of the dataset that the label or value is from.
    """

    start: float = 0.0
    end: float = math.inf
    label: str = ""
    value: float | None = None
    column: str = "label"

    @property
    def is_whole(self) -> bool:
        """Whether it is of the whole track."""
        return self.start == 0 and math.isinf(self.end)


@dataclass(frozen=True, kw_only=True)
class Labelling:
    """How the rows of a store get their targets.

    Parameters
    ----------
    target : str
        What is to be predicted; one of `TARGETS`.
    column : str
        Column of the dataset that labels or values are from.
    min_overlap : float
        Share of the chunk, or of an annotation, that has to overlap for the chunk to have the label; above 0,
        at most 1.
    background : "drop", "keep" or "class"
        What becomes of a chunk that no annotation overlaps enough: it is no row; a row without a label; or a
        row of the class `background_class`. It matters only for tracks with annotations.
    background_class : str

    Raises
    ------
    DatasetError
        A value is not one of these.
    """

    target: str = "single"
    column: str = "label"
    min_overlap: float = 0.5
    background: Background = "drop"
    background_class: str = "background"

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise DatasetError(
                f"parameter target must be one of {', '.join(TARGETS)}; got {shown(self.target)}"
                f"{nearest(str(self.target), TARGETS)}"
            )
        if self.background not in get_args(Background):
            raise DatasetError(
                f"parameter background must be one of {', '.join(get_args(Background))}; "
                f"got {shown(self.background)}"
            )
        number = isinstance(self.min_overlap, int | float) and not isinstance(self.min_overlap, bool)
        if not number or not 0 < self.min_overlap <= 1:
            raise DatasetError(
                f"parameter min_overlap must be above 0 and at most 1; got {shown(self.min_overlap)}"
            )
        if not isinstance(self.background_class, str) or not self.background_class:
            raise DatasetError("parameter background_class must be the name of a class; got an empty text")
        if self.background == "class" and self.target != "single":
            raise DatasetError(
                f"background is a class of its own only for the target 'single'; got {self.target!r}",
                'keep it without a label with `background="keep"`',
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the labelling as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Labelling:
        """Return the labelling that `to_dict` described.

        Raises
        ------
        DatasetError
            It did not describe this.
        """
        names = {field.name for field in fields(cls)}
        if not isinstance(values, Mapping) or set(values) != names:
            raise DatasetError(f"a labelling has {', '.join(sorted(names))}; got {shown(values)}")
        return cls(**values)
