"""clipping: tracks whose crests are cut off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audiospec.doctor.checks.base import Check, checks
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.doctor.measured import found, histogram, measured


@checks.register
@dataclass(frozen=True)
class Clipping(Check):
    """Tracks with samples in runs at full scale, or at their own extreme.

    A lossy codec changes crests that were cut off before, so clipping before it is not seen.

    Parameters
    ----------
    least : float
        Share of clipped samples from which on a track is named.
    """

    least: float = 0.001

    def run(self, examined: Examined) -> list[Finding]:
        """Return at most one finding."""
        shares = measured(examined, "clipped")
        return found(
            "clipping",
            "warning",
            shares >= max(self.least, 1e-9),
            shares,
            lambda count: f"{count} clipped, the worst in {100 * np.nanmax(shares):.2g} % of its samples",
            "record or export them again at a lower level, or exclude them: what was cut off is lost, and a "
            "model may tell a label by it",
            lambda number: f"{100 * shares[number]:.2g} % of its samples are clipped",
            histogram(100 * shares, "clipped", "%"),
        )
