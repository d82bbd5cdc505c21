"""mfcc: mel-frequency cepstral coefficients of each frame, as librosa computes them.

The log-mel spectrogram is that of feature mel, by any of its backends; then one matrix product.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audiospec.features.kernels.chunkwise import Chunkwise
from audiospec.features.kernels.mel_reference import mel_reference
from audiospec.features.mel import MelFrontend
from audiospec.features.native.base import NATIVE
from audiospec.specs.base import FeatureSpec, features
from audiospec.specs.mfcc import MfccSpec


@features.register
class MfccFrontend(Chunkwise):
    """Computes an `MfccSpec`: waves (..., samples) → coefficients (..., n_mfcc, frames)."""

    spec_class = MfccSpec
    backends = (NATIVE, "fft", "conv")  # of the mel part

    spec: MfccSpec
    transform: Tensor

    def __init__(self, spec: FeatureSpec, *, backend: str | None = None) -> None:
        super().__init__(spec, backend=backend)
        self.mel = MelFrontend(self.spec.mel_spec, backend=self.backend)
        # Constants are not in a checkpoint: they are computed from the spec.
        transform = torch.from_numpy(cosines(self.spec)).float()
        self.register_buffer("transform", transform, persistent=False)

    @classmethod
    def reason_missing(cls, backend: str, spec: FeatureSpec, device: str | None = None) -> str:
        """Return why a backend cannot compute a spec on this machine; ``""`` if it can."""
        if not isinstance(spec, MfccSpec):
            return ""
        return MelFrontend.reason_missing(backend, spec.mel_spec, device)

    def together(self, waves: Tensor) -> Tensor:
        """Compute the coefficients (B, n_mfcc, frames) of waves (B, samples)."""
        return self.transform @ self.mel.compute(waves)

    def parity(self, samples: int) -> float:
        """Return the largest difference in dB from float64, on noise."""
        spec = self.spec
        samples = min(samples, max(2 * spec.sample_rate, 2 * spec.n_fft))
        noise = np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)
        exact = cosines(spec) @ mel_reference(spec.mel_spec, noise)
        return float(np.abs(exact - self.function()(noise)).max())


def cosines(spec: MfccSpec) -> NDArray[np.float64]:
    """Return the matrix from mel bins to coefficients: an orthonormal DCT-II, and the lifter.

    Returns
    -------
    ndarray, shape (n_mfcc, n_mels), float64
    """
    number, bins = np.arange(spec.n_mfcc)[:, None], np.arange(spec.n_mels)[None]
    matrix = np.sqrt(2 / spec.n_mels) * np.cos(np.pi * number * (2 * bins + 1) / (2 * spec.n_mels))
    matrix[0] /= np.sqrt(2)
    if spec.lifter > 0:
        matrix *= 1 + spec.lifter / 2 * np.sin(np.pi * (number + 1) / spec.lifter)
    transform: NDArray[np.float64] = matrix
    return transform
