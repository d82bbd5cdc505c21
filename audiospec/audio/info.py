"""What is known of an audio file: length, sample rate and channels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a file's header says.

    Attributes
    ----------
    sample_rate : int
        Hz.
    channels : int
    frames : int
        Samples in each channel.
    exact : bool
        Whether `frames` is a count; else it is an estimate, and only decoding tells.
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
        """Length in samples once it is resampled to `sample_rate` (Hz), to the nearest sample."""
        return (self.frames * sample_rate + self.sample_rate // 2) // self.sample_rate
