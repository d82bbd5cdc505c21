"""levels: tracks that are silent, or far louder or quieter than the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audiospec.doctor.checks.base import Check, checks
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.doctor.measured import MAD_OF_NORMAL, deviations, found, histogram, measured

#: Below this level (dBFS) there is nothing but the rounding of 16 bits.
SILENT = -90.0


@checks.register
@dataclass(frozen=True)
class Levels(Check):
    """Tracks whose level is far from that of the others.

    Parameters
    ----------
    most : float
        Robust standard deviations from the median beyond which a track is named.
    least : float
        dB from the median below which none is.
    """

    most: float = 3.5
    least: float = 12.0

    def run(self, examined: Examined) -> list[Finding]:
        """Return a finding of silent tracks, and one of outliers."""
        levels = measured(examined, "level")
        is_silent = levels < SILENT
        heard = np.where(is_silent, np.nan, levels)
        far = deviations(heard, self.least * MAD_OF_NORMAL / self.most)
        middle = float(np.nanmedian(heard)) if np.isfinite(heard).any() else 0.0
        bins = histogram(heard, "level", "dBFS")
        return [
            *found(
                "levels",
                "warning",
                is_silent,
                -levels,
                lambda count: f"{count} silent",
                "exclude them, unless silence is a label of yours",
                lambda number: f"{levels[number]:.0f} dBFS",
                bins,
            ),
            *found(
                "levels",
                "warning",
                np.abs(far) > self.most,
                np.abs(far),
                lambda count: f"{count} far from the usual level of {middle:.0f} dBFS",
                "listen to them: they are faint, too loud or of another source; features relative to each "
                "chunk's peak (`ref=max`) do not depend on levels",
                lambda number: f"{levels[number]:.0f} dBFS ({levels[number] - middle:+.0f} dB)",
                bins,
            ),
        ]
