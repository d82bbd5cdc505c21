"""Mel scales, and the triangles of mel filters, without numpy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple


def hz_to_mel(hz: float, scale: str) -> float:
    """Return a frequency in Hz on a mel scale, ``"htk"`` or ``"slaney"``."""
    if scale == "htk":
        return 2595.0 * math.log10(1.0 + hz / 700.0)
    if hz < 1000.0:
        return hz * 3.0 / 200.0
    return 15.0 + 27.0 * math.log(hz / 1000.0) / math.log(6.4)


def mel_to_hz(mel: float, scale: str) -> float:
    """Return the frequency in Hz of a place on a mel scale, ``"htk"`` or ``"slaney"``."""
    if scale == "htk":
        return 700.0 * (math.pow(10.0, mel / 2595.0) - 1.0)
    if mel < 15.0:
        return mel * 200.0 / 3.0
    return 1000.0 * math.exp((mel - 15.0) * math.log(6.4) / 27.0)


class Triangles(NamedTuple):
    """Triangular mel filters over Fourier bins.

    Attributes
    ----------
    edges : sequence of float
        Corner frequencies in Hz; filter i rises from [i] to [i + 1], falls to [i + 2].
    bin_hz : float
        Distance of Fourier bins in Hz.
    of_area_1 : bool
        Whether each has area 1 over Hz, or height 1.
    straight_over : str
        The mel scale over which the sides are straight; ``"hz"``: Hz.
    """

    edges: Sequence[float]
    bin_hz: float
    of_area_1: bool
    straight_over: str

    def empty(self) -> list[int]:
        """Return the numbers of the filters that contain no Fourier bin."""
        # In units of Fourier bins. The weight of a bin on a filter's edge is 0, or a rounding error.
        edges = [hz / self.bin_hz for hz in self.edges]
        pairs = enumerate(zip(edges, edges[2:], strict=False))
        return [i for i, (low, high) in pairs if math.floor(low + 1e-6) + 1 >= high - 1e-6]

    def weights(self) -> Iterator[list[float]]:
        """Yield, for each filter, the weights of the Fourier bins in it."""
        for low, top, high in zip(self.edges, self.edges[1:], self.edges[2:], strict=False):
            height = 2 / (high - low) if self.of_area_1 else 1.0
            bins = range(math.floor(low / self.bin_hz) + 1, math.ceil(high / self.bin_hz))
            places = [k * self.bin_hz for k in bins]
            if self.straight_over != "hz":
                low, top, high, *places = (
                    hz_to_mel(f, self.straight_over) for f in (low, top, high, *places)
                )
            yield [height * max(0.0, min((f - low) / (top - low), (high - f) / (high - top))) for f in places]

    def largest(self, power: float) -> float:
        """Return the maximum of Σ w |X|^power over all filters, subject to Σ |X|² = 1."""
        return max(_dual_norm(weights, power) for weights in self.weights() if weights)


def _dual_norm(weights: list[float], power: float) -> float:
    """Return the maximum of Σ w |X|^power subject to Σ |X|² = 1, by Hölder's inequality."""
    largest = max(weights)
    if power >= 2 or not largest:
        return largest
    dual = 2 / (2 - power)
    shares = math.fsum(math.pow(weight / largest, dual) for weight in weights)
    return largest * math.pow(shares, 1 / dual)
