"""silence: tracks of which a part is exactly constant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audiospec.doctor.checks.base import Check, checks
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.doctor.measured import found, histogram, measured


@checks.register
@dataclass(frozen=True)
class Silence(Check):
    """Tracks with stretches of digital silence, such as zeros behind a clip that was made longer.

    Parameters
    ----------
    least : float
        Share of the track from which on it is named.
    """

    least: float = 0.1

    def run(self, examined: Examined) -> list[Finding]:
        """Return at most one finding."""
        shares = measured(examined, "digital_silence")
        seconds = examined.tracks["seconds"]
        return found(
            "silence",
            "warning",
            shares >= max(self.least, 1e-9),
            shares,
            lambda count: f"{count} with digital silence, the worst for {100 * np.nanmax(shares):.0f} %",
            "cut the silence off: chunks of nothing have the label, too, and a model may learn its length",
            lambda number: (
                f"{100 * shares[number]:.0f} % is constant ({shares[number] * seconds[number]:.1f} s)"
            ),
            histogram(100 * shares, "digital_silence", "%"),
        )
