"""The rules for what counts as sound: its sample rate, its range, and what is silent."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.audio.info import AudioInfo
from audiospec.audio.waves import Wave
from audiospec.errors import AudioError

#: Sample rates in Hz. Recordings of seismometers and hearts begin at some 100 Hz, those of ultrasound end at
#: a few MHz. Beyond these, a header is damaged, and resampling would make hours of a few samples.
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 50, 10_000_000
#: Most channels. Microphone arrays have up to some hundred; a header may state 65535.
MAX_CHANNELS = 1024
#: Largest sample; full scale is 1. Recorders with 32-bit float samples have some 24 dB of headroom, lossy
#: decoders overshoot by less than 12 dB. Beyond +30 dB, a file holds integers that were stored as floats,
#: from ±127 on, or no audio at all.
MAX_AMPLITUDE = 32.0
#: A signal is silent if its highest and lowest sample differ by less than a step of 24-bit samples: nothing
#: that a converter has recorded is below that. A constant is no sound, whatever its value.
SILENT_SPAN = 2.0**-23

#: A problem of one channel, as the functions below word it.
_CHANNEL = re.compile(r"(?:silent: all \d+ samples of|no) channel (\w+)")


def check_header(info: AudioInfo) -> None:
    """Raise `AudioError` if the sample rate or the number of channels cannot be those of audio."""
    if not MIN_SAMPLE_RATE <= info.sample_rate <= MAX_SAMPLE_RATE:
        raise AudioError(
            f"not audio: the sample rate is {info.sample_rate} Hz, expected {MIN_SAMPLE_RATE} Hz to "
            f"{MAX_SAMPLE_RATE // 1_000_000} MHz"
        )
    if not 1 <= info.channels <= MAX_CHANNELS:
        raise AudioError(f"not audio: {info.channels} channels, expected 1 to {MAX_CHANNELS}")


class Signal:
    """What is checked of one signal while its blocks pass by: that it is finite, in range and not silent.

    Parameters
    ----------
    channel : str
        Which channel of the file it is, as in `FeatureSpec`.

    Attributes
    ----------
    low, high : float
        Its lowest and highest sample so far, of as many as it took to see that it is not silent.
    """

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.low, self.high = math.inf, -math.inf

    @property
    def is_flat(self) -> bool:
        """Whether it has been constant so far, or nearly so."""
        return not self.high - self.low >= SILENT_SPAN

    def is_silent(self, frames: int) -> bool:
        """Whether all of it is silent, now that it has ended with `frames` samples."""
        return self.is_flat and (frames > 1 or abs(self.low) < SILENT_SPAN)  # one sample may be a click

    def check(self, block: Wave, frames: int, sample_rate: int) -> None:
        """Check the next block; `frames` samples came before it.

        Raises
        ------
        AudioError
            A sample is not finite, or is beyond `MAX_AMPLITUDE`.
        """
        low, high = float(block.min()), float(block.max())  # NaN if any sample is
        if not (low >= -MAX_AMPLITUDE and high <= MAX_AMPLITUDE):
            finite = np.isfinite(block)
            if not finite.all():
                at = (frames + int(np.flatnonzero(~finite)[0])) / sample_rate
                raise AudioError(f"not finite: NaN or infinity at {at:.3f} s")
            raise AudioError(
                f"out of range: samples reach {max(-low, high):.3g}, full scale is 1 and the most is "
                f"{MAX_AMPLITUDE:g}",
                "divide floats that hold integers by their full scale, such as 32768",
            )
        self.low, self.high = min(self.low, low), max(self.high, high)


class Channels:
    """The lowest and highest sample of each channel, to explain why their mean is silent."""

    def __init__(self) -> None:
        self.low: NDArray[np.float64] = np.zeros(0)
        self.high: NDArray[np.float64] = np.zeros(0)

    def add(self, samples: NDArray[Any]) -> None:
        """Take the next block of samples (n, channels), int16 or float32."""
        scale = 1 / 32768 if samples.dtype == np.int16 else 1.0
        low, high = samples.min(axis=0) * scale, samples.max(axis=0) * scale
        if len(low) != len(self.low):
            self.low, self.high = low, high
        else:
            self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)

    @property
    def are_heard(self) -> bool:
        """Whether a channel is not silent."""
        return bool((self.high - self.low >= SILENT_SPAN).any())


def silence(signal: Signal, frames: int, channels: Channels | None) -> AudioError:
    """Return the error that says in which way a signal of `frames` samples is silent.

    Parameters
    ----------
    signal : Signal
    frames : int
    channels : Channels or None
        The channels that it is the mean of, if it is one of several.
    """
    if channels is not None and channels.are_heard:
        count = len(channels.low)
        each = "each other's opposite" if count == 2 else "in opposite phases"
        return AudioError(
            f"silent: the mean of the {count} channels is silent, the channels are not: they are {each}",
            'take one of them: `channel="left"`',
        )
    low, high = signal.low, signal.high
    samples = f"all {frames} samples" + ("" if signal.channel == "mix" else f" of channel {signal.channel}")
    if low == high == 0:
        return AudioError(f"silent: {samples} are zero")
    if low == high:
        return AudioError(f"silent: {samples} have the same value, {low:.3g}")
    return AudioError(
        f"silent: {samples} are between {low:.3g} and {high:.3g}, which is less than a step of 24-bit samples"
    )


def refused_channel(problem: str) -> str:
    """Return the channel for which a file was refused; ``""`` if it was refused for something else."""
    match = _CHANNEL.match(problem)
    return "mix" if match is None and problem.startswith("silent:") else match[1] if match else ""


def picked(channel: str, channels: int, loudest: int) -> int | None:
    """Return the number of the channel to take of `channels`; None for the mean of all.

    Parameters
    ----------
    channel : str
        ``"mix"``, ``"left"``, ``"right"``, ``"loudest"``, or a number from 0.
    channels : int
    loudest : int
        Number of the loudest channel.

    Raises
    ------
    AudioError
        The file does not have that channel.
    """
    if channel == "mix":
        return None
    if not channel.isdecimal():
        number = {"left": 0, "right": 1, "loudest": loudest}[channel]
        return min(number, channels - 1)
    if int(channel) >= channels:
        have = "1 channel, number 0" if channels == 1 else f"{channels} channels, 0 to {channels - 1}"
        raise AudioError(f"no channel {channel}: the file has {have}", "choose another `channel`")
    return int(channel)


def loudest_channel(sums: Sequence[NDArray[np.float64]]) -> int:
    """Return the number of the channel with the most energy.

    Parameters
    ----------
    sums : sequence of ndarray, shape (3, channels)
        Of each block: number of samples, sum, and sum of squares of each channel. What is constant is no
        energy.
    """
    width = max(part.shape[1] for part in sums)
    total = np.zeros((3, width))
    for part in sums:
        total[:, : part.shape[1]] += part
    count, mean, square = total
    return int((square - mean**2 / np.maximum(count, 1)).argmax())
