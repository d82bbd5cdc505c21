"""Code: decibels in one byte each, by an affine rule that follows from the spec alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audiospec.errors import AudioError

if TYPE_CHECKING:  # specs have codes, and are made without numpy
    import numpy as np
    from numpy.typing import NDArray

#: The largest byte.
LAST = 255


@dataclass(frozen=True)
class DecibelCode:
    """Decibels as bytes: value = offset + scale × byte, rounded to nearest.

    Attributes
    ----------
    scale : float
        dB between two neighbouring bytes.
    offset : float
        dB of byte 0.
    """

    scale: float
    offset: float

    @classmethod
    def spanning(cls, low: float, high: float) -> DecibelCode:
        """The code whose bytes 0 and 255 are `low` and `high` dB; low < high."""
        return cls((high - low) / LAST, low)

    @property
    def high(self) -> float:
        """dB of byte 255."""
        return self.offset + LAST * self.scale

    @property
    def worst(self) -> float:
        """The most in dB that a value is off by, but for float32's own rounding (about 0.00001 dB)."""
        return self.scale / 2

    def encode(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The nearest byte of each value.

        Parameters
        ----------
        values : ndarray of float32
            dB; any shape.

        Raises
        ------
        AudioError
            A value is not a number, or lies more than half a step beyond the code.
        """
        import numpy as np

        with np.errstate(invalid="ignore"):
            scaled = np.rint((values - np.float32(self.offset)) * np.float32(1 / self.scale))
        least, most = (float(scaled.min()), float(scaled.max())) if scaled.size else (0.0, 0.0)
        if not (least >= 0 and most <= LAST):  # nor is NaN
            raise AudioError(self._beyond(float(values.min()), float(values.max())))
        held: NDArray[np.uint8] = scaled.astype(np.uint8)
        return held

    def _beyond(self, least: float, most: float) -> str:
        """Why values from `least` to `most` cannot be encoded."""
        beyond = max(most - self.high, self.offset - least)
        how = f"{beyond:.1f} dB" if 0 < beyond < float("inf") else "without bound"
        span = f"{self.offset:.1f} to {self.high:.1f} dB"
        return (
            f"too loud for dtype uint8: its features reach {how} beyond {span}, which has room for audio of "
            "twice full scale; turn the file down, or use --dtype float16 and another --store"
        )

    def decode(self, held: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The values of bytes, in dB; of the same shape."""
        import numpy as np

        values: NDArray[np.float32] = held.astype(np.float32)
        values *= np.float32(self.scale)
        values += np.float32(self.offset)
        return values

    def to_attributes(self) -> dict[str, float]:
        """What a view says of its code: ``scale`` and ``offset``."""
        return {"scale": self.scale, "offset": self.offset}

    def is_of(self, attributes: Mapping[str, Any]) -> bool:
        """Whether `to_attributes` of this code gave attributes, on whatever machine."""
        near = 1e-6 * self.scale
        said = [float(attributes[name]) for name in ("scale", "offset")]
        return all(abs(a - b) <= near for a, b in zip(said, (self.scale, self.offset), strict=True))
