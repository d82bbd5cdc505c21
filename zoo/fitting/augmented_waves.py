"""Augmentation of waves in training, by torch-audiomentations: pitch, shift, room, noise, gain.

Rooms are made up, where the library reads them from files: recorded impulse responses would have to be
downloaded, each under a licence of its own, and a run would depend on files that it does not hold. A made-up
response is the direct sound and, behind it, noise that decays exponentially (J.-D. Polack, *La transmission
de l'énergie sonore dans les salles*, 1988: the late part of a room's response).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from audiospec.errors import ModelError

if TYPE_CHECKING:
    from audiospec.zoo.fitting.settings import NetworkSettings

#: Decibels that the direct sound of a made-up room is above its reverberation, from a far source to a near.
DIRECT = (0.0, 12.0)
#: Third number of the seeds of augmentation, so that they differ from those of the order of rows.
_STREAM = 3


class WaveAugmentation:
    """Augments batches of waves, as the settings choose.

    Each augmentation is applied to a row with the probability `augment_share`, in the order of
    `AUGMENTATIONS`: a sound, then the room it is in, then what the recording adds.

    Parameters
    ----------
    settings : NetworkSettings
    sample_rate : int
        Of the waves, in Hz.

    Raises
    ------
    ModelError
        torch-audiomentations is not installed, or cannot shift pitch within this range at this rate.
    """

    def __init__(self, settings: NetworkSettings, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.steps = list(_steps(settings, sample_rate))

    def __call__(self, waves: Tensor, seed: Sequence[int]) -> Tensor:
        """Return augmented waves (B, samples), as float32 on the same device.

        What is drawn follows from the seed alone; torch's and Python's random states are as before.
        """
        with _drawing(seed, waves.device), torch.no_grad():
            for step in self.steps:
                waves = step(waves)
        return waves


@contextmanager
def _drawing(seed: Sequence[int], device: torch.device) -> Iterator[None]:
    """Seed all that the library draws from, and restore it afterwards."""
    number = int(np.random.SeedSequence([*seed, _STREAM]).generate_state(1, np.uint32)[0])
    before = random.getstate()
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(number)
            random.seed(number)
            yield
    finally:
        random.setstate(before)


def _steps(settings: NetworkSettings, rate: int) -> Iterator[Callable[[Tensor], Tensor]]:
    """Yield the chosen augmentations in their order."""
    try:
        import torch_audiomentations as library
    except ModuleNotFoundError as error:
        raise ModelError(
            "augmentation of waves needs torch-audiomentations, which is not installed",
            "pip install 'audiospec[augment]', or leave out `augment`",
        ) from error
    common: dict[str, Any] = {"p": settings.augment_share, "sample_rate": rate, "output_type": "dict"}
    chosen = settings.augment
    if "pitch" in chosen:
        low, high = settings.pitch
        try:
            yield _ByLibrary(library.PitchShift(low, high, **common), rate)
        except ValueError as error:
            raise ModelError(
                f"no pitch from {low:g} to {high:g} semitones is possible at {rate} Hz",
                "widen the range `pitch`, or leave pitch out of `augment`",
            ) from error
    if "shift" in chosen:
        yield _ByLibrary(library.Shift(*settings.shift, shift_unit="fraction", **common), rate)
    if "room" in chosen:
        yield _Rooms(settings, rate, library.convolve)
    if "noise" in chosen:
        yield _ByLibrary(library.AddColoredNoise(*settings.noise, *settings.noise_decay, **common), rate)
    if "gain" in chosen:
        yield _ByLibrary(library.Gain(*settings.gain, **common), rate)


class _ByLibrary:
    """An augmentation of the library, for mono waves (B, samples)."""

    def __init__(self, transform: Any, rate: int) -> None:
        self.transform, self.rate = transform, rate

    def __call__(self, waves: Tensor) -> Tensor:
        augmented: Tensor = self.transform(waves.unsqueeze(1), sample_rate=self.rate).samples
        return augmented.squeeze(1)


class _Rooms:
    """Puts waves into made-up rooms; a wave keeps its energy."""

    def __init__(
        self, settings: NetworkSettings, rate: int, convolve: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        self.share, self.seconds = settings.augment_share, settings.room
        self.rate, self.convolve = rate, convolve

    def __call__(self, waves: Tensor) -> Tensor:
        # Drawn on the CPU, so that the same seed gives the same rooms on every device.
        chosen = torch.nonzero(torch.rand(len(waves)) < self.share)[:, 0].to(waves.device)
        if not len(chosen):
            return waves
        dry = waves[chosen]
        wet = self.convolve(dry, self.responses(*dry.shape).to(dry.device))[:, : dry.shape[1]]
        before, after = (sound.square().sum(1, keepdim=True).sqrt() for sound in (dry, wet))
        augmented = waves.clone()
        augmented[chosen] = wet * (before / after.clamp_min(1e-20))
        return augmented

    def responses(self, count: int, samples: int) -> Tensor:
        """Return made-up impulse responses (count, at most samples), which begin with the direct sound."""
        low, high = self.seconds
        seconds = low + (high - low) * torch.rand(count, 1)
        level = DIRECT[0] + (DIRECT[1] - DIRECT[0]) * torch.rand(count, 1)
        length = max(2, min(samples, round(high * self.rate)))
        # The energy falls by 60 dB within the reverberation time: the amplitude to a thousandth.
        time = torch.arange(length) / self.rate
        tails = torch.randn(count, length) * torch.exp(-np.log(1000) * time / seconds)
        tails[:, 0] = 0
        tails *= 10 ** (-level / 20) / tails.square().sum(1, keepdim=True).sqrt()
        tails[:, 0] = 1
        return tails
