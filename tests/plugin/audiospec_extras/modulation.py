"""modulation: how fast the level of each frequency band rises and falls."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from audiospec.errors import SpecError
from audiospec.features.base import Frontend
from audiospec.specs.base import FeatureSpec, features


@dataclass(frozen=True, kw_only=True)
class ModulationSpec(FeatureSpec, feature="modulation"):
    """Modulation spectrum: spectrum of the level of bands of equal width.

    Parameters
    ----------
    n_fft : int
        Samples in a frame; frames do not overlap.
    bands : int
        Number of frequency bands.
    rates : int
        Number of modulation rates, from the slowest above 0 Hz.
    """

    sample_rate: int = 8000
    n_fft: int = 256
    bands: int = 8
    rates: int = 5

    def validate(self) -> None:
        """Refuse more bands than a frame has frequencies."""
        if not 1 <= self.bands <= self.n_fft // 2:
            raise SpecError(f"parameter bands must be from 1 to {self.n_fft // 2}; got {self.bands}")

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the axes."""
        return "band", "rate"

    def row_shape(self, samples: int) -> tuple[int, ...]:
        """Return (bands, rates)."""
        if samples // self.n_fft < 2 * self.rates:
            raise SpecError(f"a chunk of {samples} samples is too short for {self.rates} rates")
        return self.bands, self.rates

    def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
        """Return the centres of the bands and the rates, in Hz."""
        width = self.sample_rate / 2 / self.bands
        step = self.sample_rate / (samples // self.n_fft * self.n_fft)
        return {
            "band": ([(i + 0.5) * width for i in range(self.bands)], "Hz"),
            "rate": ([i * step for i in range(1, self.rates + 1)], "Hz"),
        }

    @property
    def unit(self) -> str:
        """Unit of the levels."""
        return "dB"


@features.register
class ModulationFrontend(Frontend):
    """Computes a `ModulationSpec`: waves (B, samples) → spectra (B, band, rate)."""

    spec_class = ModulationSpec
    backends = ("fft",)
    spec: ModulationSpec
    window: Tensor

    def __init__(self, spec: FeatureSpec, *, backend: str | None = None) -> None:
        super().__init__(spec, backend=backend)
        # A buffer, so that `double()` makes the frontend compute in float64.
        self.register_buffer("window", torch.hann_window(self.spec.n_fft), persistent=False)

    def compute(self, waves: Tensor) -> Tensor:
        """Return the modulation spectra (B, band, rate) of waves (B, samples)."""
        spec = self.spec
        if not len(waves):
            return waves.new_empty(0, spec.bands, spec.rates)
        frames = waves.to(self.window.dtype).unfold(1, spec.n_fft, spec.n_fft) * self.window
        bins = spec.n_fft // 2 // spec.bands * spec.bands
        power = torch.fft.rfft(frames).abs().square()[..., 1 : 1 + bins]
        levels = 10 * torch.log10(power.unflatten(-1, (spec.bands, -1)).mean(-1) + 1e-10)
        spectrum = torch.fft.rfft(levels, dim=1).abs() / levels.shape[1]
        return spectrum[:, 1 : 1 + spec.rates].transpose(1, 2)

    def parity(self, samples: int) -> float:
        """Return the largest difference from float64 in dB, on noise."""
        noise = torch.randn(1, samples, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        exact = ModulationFrontend(self.spec).double()(noise)
        return float((self(noise.float().to(self.window.device)).cpu().double() - exact).abs().max())
