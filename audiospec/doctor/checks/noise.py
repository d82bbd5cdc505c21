"""noise: tracks whose sound hardly rises above their noise, beside the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audiospec.doctor.checks.base import Check, checks
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.doctor.measured import MAD_OF_NORMAL, deviations, found, histogram, measured


@checks.register
@dataclass(frozen=True)
class Noise(Check):
    """Tracks with a much smaller estimate of signal to noise than the others.

    Parameters
    ----------
    most : float
        Robust standard deviations below the median beyond which a track is named.
    least : float
        dB below the median from which on one may be.
    """

    most: float = 3.5
    least: float = 6.0

    def run(self, examined: Examined) -> list[Finding]:
        """Return at most one finding."""
        ratios = measured(examined, "snr")
        far = deviations(ratios, self.least * MAD_OF_NORMAL / self.most)
        middle = float(np.nanmedian(ratios)) if np.isfinite(ratios).any() else 0.0
        return found(
            "noise",
            "note",
            far < -self.most,
            -np.nan_to_num(far),
            lambda count: f"{count} perhaps noisy: their levels vary less than by the usual {middle:.0f} dB",
            "listen to them: the estimate compares loud with quiet moments, so a steady sound is low, too",
            lambda number: f"{ratios[number]:.0f} dB between loud and quiet moments",
            histogram(ratios, "snr", "dB"),
        )
