"""wave: samples copied into rows, which needs neither torch nor the compiled extension."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.features.native.base import Kernel, kernels
from audiospec.specs.base import FeatureSpec
from audiospec.specs.wave import WaveSpec


@kernels.register
class WaveKernel(Kernel):
    """Computes a `WaveSpec`."""

    spec_class = WaveSpec
    spec: WaveSpec

    @classmethod
    def reason_missing(cls) -> str:
        """Return ``""``: every machine can copy."""
        return ""

    @classmethod
    def reason_unsupported(cls, spec: FeatureSpec) -> str:
        """Return why a spec cannot be computed; ``""`` if it can."""
        return "" if isinstance(spec, WaveSpec) else f"it computes a WaveSpec; got {type(spec).__name__}"

    def write(self, wave: NDArray[np.float32], row: NDArray[Any]) -> None:
        """Copy samples, (samples,) of the spec's dtype; see `Kernel.write`."""
        self._require_shape(wave, row)
        row[...] = wave

    def compute(
        self, wave: NDArray[np.float32], row: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Copy samples, (samples,), in float32; see `Kernel.compute`."""
        if row is None:
            row = np.empty(self.spec.row_shape(len(wave)), np.float32)
        self.write(wave, row)
        return row

    def _require_shape(self, wave: NDArray[np.float32], row: NDArray[Any]) -> None:
        shape = self.spec.row_shape(len(wave))  # NumPy would repeat a single sample
        if row.shape != shape:
            raise ValueError(f"expected a row of shape {shape}; got {row.shape}")

    def parity(self, samples: int) -> float:
        """Return 0: a copy has no error."""
        return 0.0
