"""wave: the samples themselves, for networks that compute their features (backends native, torch).

``native`` (default on a CPU) copies samples without torch; ``torch`` does so on any device.
"""

from __future__ import annotations

import torch
from torch import Tensor

from audiospec.features.base import Frontend
from audiospec.features.native.base import NATIVE, native_reason
from audiospec.specs.base import FeatureSpec, features
from audiospec.specs.wave import WaveSpec


@features.register
class WaveFrontend(Frontend):
    """Computes a `WaveSpec`: waves (..., samples) → the same, as a copy."""

    spec_class = WaveSpec
    backends = (NATIVE, "torch")

    spec: WaveSpec

    @classmethod
    def reason_missing(cls, backend: str, spec: FeatureSpec, device: str | None = None) -> str:
        """Return why a backend cannot compute a spec on this machine; ``""`` if it can."""
        return native_reason(spec, device) if backend == NATIVE else ""

    def compute(self, waves: Tensor) -> Tensor:
        """Copy waves (B, samples)."""
        return waves.clone(memory_format=torch.contiguous_format)

    def parity(self, samples: int) -> float:
        """Return 0: a copy has no error."""
        return 0.0

    def extra_repr(self) -> str:
        """Return the spec and the backend, for the module's `repr`."""
        return f"{self.spec}, backend={self.backend!r}"
