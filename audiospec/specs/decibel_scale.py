"""What the specs of spectrograms in decibels have in common: checks of their scale, and its offset."""

from __future__ import annotations

import math
from typing import Literal, Protocol

from audiospec.errors import SpecError
from audiospec.specs.base import require


class DecibelScale(Protocol):
    """The fields of a spec that place its values on a scale."""

    @property
    def scale(self) -> str:
        """``"db"`` or ``"linear"``."""

    @property
    def ref(self) -> float | Literal["max"]:
        """Value at 0 dB."""

    @property
    def amin(self) -> float:
        """Lower limit of values before the logarithm."""

    @property
    def top_db(self) -> float | None:
        """Range below the peak."""

    @property
    def dtype(self) -> str:
        """Type of the stored numbers."""


def require_scale(spec: DecibelScale, least: float) -> None:
    """Raise `SpecError` if the fields of a scale are invalid or contradict each other.

    Parameters
    ----------
    spec : DecibelScale
    least : float
        Smallest `amin` that float32 can compute with.
    """
    require(spec.amin >= least, "amin", f"at least {least:g}", spec.amin)
    require(spec.ref == "max" or spec.ref > 0, "ref", 'above 0, or "max"', spec.ref)
    require(spec.top_db is None or spec.top_db > 0, "top_db", "above 0, or none", spec.top_db)
    if spec.scale == "linear":
        for name, unset in (("top_db", None), ("ref", 1.0)):
            value = getattr(spec, name)
            if value != unset:
                raise SpecError(
                    f'scale="linear" and {name}={value!r} contradict each other: `{name}` is of decibels',
                    f'give `scale="db"`, or leave `{name}` out',
                )
        if spec.dtype != "float32":
            raise SpecError(
                f'scale="linear" needs dtype="float32", as values span more than {spec.dtype} can hold',
                'give `dtype="float32"`',
            )


def reference_decibels(spec: DecibelScale, power: int) -> float:
    """Return `ref` in decibels, relative to 1; 0 if it is the peak.

    Parameters
    ----------
    spec : DecibelScale
    power : int
        10 for values that are powers, 20 for magnitudes.
    """
    return 0.0 if spec.ref == "max" else power * math.log10(max(spec.ref, spec.amin))
