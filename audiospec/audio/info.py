"""AudioInfo: the length, sample rate and channels of an audio file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """Length, sample rate and channels of an audio file.

    Attributes
    ----------
    sample_rate : int
        Hz.
    channels : int
        Number of channels.
    frames : int
        Samples in each channel.
    exact : bool
        Whether `frames` is a count. If not, it is an estimate, and only decoding gives the count.
    """

    sample_rate: int
    channels: int
    frames: int
    exact: bool = True

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate

    def samples(self, sample_rate: int) -> int:
        """Return the length after resampling to `sample_rate` (Hz), rounded to the nearest sample."""
        return (self.frames * sample_rate + self.sample_rate // 2) // self.sample_rate
