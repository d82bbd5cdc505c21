"""bandwidth: tracks that end far below the highest frequency of their rate: upsampled, or cut by a codec."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audiospec.doctor.checks.base import Check, checks
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.doctor.measured import found, histogram, measured


@checks.register
@dataclass(frozen=True)
class Bandwidth(Check):
    """Tracks without sound in the upper part of the frequencies that their sample rate has room for.

    Parameters
    ----------
    share : float
        Share of half the sample rate; a track that ends below is named. MP3 at 128 kbit/s ends at 73 % of
        that of 44.1 kHz, at 16 kHz.
    """

    share: float = 0.8

    def run(self, examined: Examined) -> list[Finding]:
        """Return at most one finding: a warning if most tracks reach higher, else a note."""
        bandwidth = measured(examined, "bandwidth")
        room = examined.tracks["sample_rate"] / 2
        # A bandwidth of 0 is that of silence.
        shares = np.divide(
            bandwidth, room, out=np.full(len(room), np.nan), where=(room > 0) & (bandwidth > 0)
        )
        is_low = shares < self.share
        known = np.isfinite(shares)
        few = 2 * int(is_low.sum()) <= int(known.sum())
        return found(
            "bandwidth",
            "warning" if few else "note",
            is_low,
            -shares,
            lambda count: f"{count} without sound above {100 * self.share:.0f} % of half their sample rate",
            "a codec has cut them, they were upsampled, or the sound is dull: keep `fmax` below where the "
            "lowest end, so that no label is told by it",
            lambda number: f"ends at {bandwidth[number] / 1000:.1f} of {room[number] / 1000:.1f} kHz",
            histogram(bandwidth / 1000, "bandwidth", "kHz"),
        )
