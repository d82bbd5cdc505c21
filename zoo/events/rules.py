"""EventRules: which outputs are events, and which of these are kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import ModelError, nearest

#: Part of a frame by which times may differ and be equal: they are sums of periods.
_EQUAL = 1e-6


@dataclass(frozen=True, kw_only=True)
class EventRules:
    """How events are made of outputs: threshold, median filter, merging, dropping, in this order.

    Parameters
    ----------
    threshold : float or mapping of str to float
        Output from which a class counts as present: one for all classes, or one for each, 0 to 1.
    median : float
        Seconds of the median filter over a class's presence: the nearest odd number of frames, with the ends
        repeated. Of a presence, the median is that of the outputs, before the threshold. 0: no filter.
    merge : float
        Seconds: two events of one class whose gap is shorter are one.
    min : float
        Seconds: a shorter event is dropped, after merging.

    Raises
    ------
    ModelError
        A value is outside its range.
    """

    threshold: float | Mapping[str, float] = 0.5
    median: float = 0.0
    merge: float = 0.0
    min: float = 0.0

    def __post_init__(self) -> None:
        values = [self.threshold] if isinstance(self.threshold, int | float) else self.threshold.values()
        for value in values:
            if not 0 <= value <= 1:
                raise ModelError(f"parameter threshold must be from 0 to 1; got {value:g}")
        for name in ("median", "merge", "min"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ModelError(f"parameter {name} must be a number of seconds, at least 0; got {value:g}")

    def thresholds(self, classes: list[str]) -> NDArray[np.float64]:
        """Return the threshold of each class, shape (classes,).

        Raises
        ------
        ModelError
            A class has none, or there is one of another class.
        """
        if isinstance(self.threshold, int | float):
            return np.full(len(classes), float(self.threshold))
        for name in self.threshold:
            if name not in classes:
                raise ModelError(
                    f"a threshold is given for {name!r}, which is no class{nearest(name, classes)} "
                    f"(there are: {', '.join(classes)})"
                )
        missing = [name for name in classes if name not in self.threshold]
        if missing:
            raise ModelError(
                f"class {missing[0]!r} has no threshold", "give one for each class, or one for all"
            )
        return np.array([self.threshold[name] for name in classes], np.float64)

    def width(self, period: float) -> int:
        """Return the frames of the median filter: an odd number."""
        return 2 * max(0, round((self.median / period - 1) / 2)) + 1

    def gap(self, period: float) -> int:
        """Return the smallest number of frames that a gap must have to stay."""
        return max(1, math.ceil(self.merge / period - _EQUAL))

    def is_kept(self, seconds: float, period: float) -> bool:
        """Return whether an event of this length is kept."""
        return seconds >= self.min - _EQUAL * period
