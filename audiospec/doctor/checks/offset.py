"""offset: tracks whose mean is not 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audiospec.doctor.checks.base import Check, checks
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.doctor.measured import found, histogram, measured


@checks.register
@dataclass(frozen=True)
class Offset(Check):
    """Tracks with a constant offset (DC).

    Parameters
    ----------
    least : float
        Share of full scale from which on a track is named.
    """

    least: float = 0.01

    def run(self, examined: Examined) -> list[Finding]:
        """Return at most one finding."""
        means = measured(examined, "dc")
        sizes = np.abs(means)
        return found(
            "offset",
            "warning",
            sizes >= max(self.least, 1e-9),
            sizes,
            lambda count: (
                f"{count} with a constant offset, up to {100 * np.nanmax(sizes):.2g} % of full scale"
            ),
            "a fault of the recorder: subtract the mean, or raise `fmin` above 20 Hz, so that no label is "
            "told by it",
            lambda number: f"its mean is {100 * means[number]:+.2g} % of full scale",
            histogram(100 * means, "dc", "% of full scale"),
        )
