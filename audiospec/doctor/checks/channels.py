"""channels: channels that are dead, inverted, or the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audiospec.doctor.checks.base import Check, checks
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.doctor.measured import found, histogram, measured


@checks.register(name="channels")
@dataclass(frozen=True)
class ChannelFaults(Check):
    """Tracks of several channels of which one is silent, or the opposite of another, or a copy.

    Parameters
    ----------
    inverted : float
        Correlation of channels below which one of them is inverted.
    same : float
        Correlation above which they are one channel.
    """

    inverted: float = -0.9
    same: float = 0.9999

    def run(self, examined: Examined) -> list[Finding]:
        """Return a finding of dead channels, one of inverted ones, and one of copies beside real stereo."""
        dead = measured(examined, "dead_channels")
        correlation = measured(examined, "channel_correlation")
        channels = examined.tracks["channels"]
        is_copy = correlation > self.same
        bins = histogram(correlation, "channel_correlation", "")
        has_stereo = bool((correlation <= self.same).any())
        return [
            *found(
                "channels",
                "warning",
                (dead > 0) & (dead < channels),
                dead,
                lambda count: f"{count} with a dead channel",
                'choose the channel with the sound (`channel="loudest"`): in the mix of two it is 6 dB '
                "quieter than in other tracks",
                lambda number: f"{dead[number]:.0f} of {channels[number]} channels are silent",
                histogram(dead, "dead_channels", ""),
            ),
            *found(
                "channels",
                "error",
                correlation < self.inverted,
                -np.nan_to_num(correlation),
                lambda count: f"{count} with an inverted channel: mixed to mono, the sound is lost",
                'take one channel (`channel="left"`), or invert one in the files',
                lambda number: f"its channels have a correlation of {correlation[number]:.3f}",
                bins,
            ),
            *found(
                "channels",
                "note",
                is_copy & has_stereo,
                np.nan_to_num(correlation),
                lambda count: f"{count} mono in several channels, beside others in stereo",
                "nothing is wrong with them; check that this is not what tells a label (`confounds`)",
                lambda number: f"{channels[number]} channels that are the same",
                bins,
            ),
        ]
