"""DecibelCode: decibels as one byte each, on an affine scale that the spec determines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audiospec.errors import AudioError

if TYPE_CHECKING:  # a spec has a code, and specs must not import numpy
    import numpy as np
    from numpy.typing import NDArray

#: The largest byte.
LAST = 255


@dataclass(frozen=True)
class DecibelCode:
    """Decibels as bytes: value = offset + scale × byte, rounded to the nearest byte.

    Attributes
    ----------
    scale : float
        Decibels between neighbouring bytes.
    offset : float
        Decibels of byte 0.
    """

    scale: float
    offset: float

    @classmethod
    def spanning(cls, low: float, high: float) -> DecibelCode:
        """Return the code whose bytes 0 and 255 are `low` and `high` dB; low < high."""
        return cls((high - low) / LAST, low)

    @classmethod
    def of_levels(
        cls, silence: float, loudest: float, reference: float | None, top_db: float | None
    ) -> DecibelCode:
        """Return the code for the decibels of a spectrogram.

        Parameters
        ----------
        silence, loudest : float
            The least and the largest value in dB, relative to 1.
        reference : float or None
            What is 0 dB, in dB relative to 1. None: each chunk's peak, where the code ends.
        top_db : float or None
            Range below the peak. It is where the code begins if the peak is 0 dB.
        """
        if reference is None:
            return cls.spanning(silence - loudest if top_db is None else -top_db, 0.0)
        return cls.spanning(silence - reference, loudest - reference)

    @property
    def high(self) -> float:
        """Decibels of byte 255."""
        return self.offset + LAST * self.scale

    @property
    def max_error(self) -> float:
        """Largest rounding error in dB, without the rounding of float32 (about 0.00001 dB)."""
        return self.scale / 2

    def encode(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the nearest byte for each value.

        Parameters
        ----------
        values : ndarray of float32
            Decibels; any shape.

        Returns
        -------
        ndarray of uint8
            Of the same shape.

        Raises
        ------
        AudioError
            A value is NaN, or is outside the range of the code by more than half a step.
        """
        import numpy as np

        if values.size:
            self.require_range(float(values.min()), float(values.max()))
        encoded: NDArray[np.uint8] = self._scaled(values).astype(np.uint8)
        return encoded

    def require_range(self, least: float, most: float) -> None:
        """Raise if values from `least` to `most`, float32 in dB, cannot be encoded.

        Raises
        ------
        AudioError
            One is NaN, or is outside the range of the code by more than half a step.
        """
        import numpy as np

        first, last = self._scaled(np.asarray([least, most], np.float32)).tolist()
        if not (first >= 0 and last <= LAST):  # also true of NaN
            raise AudioError(
                self._out_of_range(least, most),
                "reduce the level of the file, or use dtype float16 and another store",
            )

    def _scaled(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return values in steps from byte 0, to the nearest."""
        import numpy as np

        with np.errstate(invalid="ignore"):
            scaled: NDArray[np.float32] = np.rint(
                (values - np.float32(self.offset)) * np.float32(1 / self.scale)
            )
        return scaled

    def _out_of_range(self, least: float, most: float) -> str:
        """Return why values from `least` to `most` cannot be encoded."""
        excess = max(most - self.high, self.offset - least)
        amount = f"{excess:.1f} dB" if 0 < excess < float("inf") else "infinitely far"
        return (
            f"too loud for dtype uint8: features are {amount} outside {self.offset:.1f} to {self.high:.1f} "
            "dB, which covers audio up to twice full scale"
        )

    def decode(self, encoded: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the values of bytes in dB, in the same shape."""
        import numpy as np

        values: NDArray[np.float32] = encoded.astype(np.float32)
        values *= np.float32(self.scale)
        values += np.float32(self.offset)
        return values

    def to_attributes(self) -> dict[str, float]:
        """Return the attributes that a view stores: ``scale`` and ``offset``."""
        return {"scale": self.scale, "offset": self.offset}

    def is_of(self, attributes: Mapping[str, Any]) -> bool:
        """Whether a view's attributes describe this code, up to rounding on another machine."""
        tolerance = 1e-6 * self.scale
        stored = [float(attributes[name]) for name in ("scale", "offset")]
        return all(abs(a - b) <= tolerance for a, b in zip(stored, (self.scale, self.offset), strict=True))
