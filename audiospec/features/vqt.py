"""vqt: variable-Q transforms, constant-Q transforms whose low bins are wider, by nnAudio's wavelets.

nnAudio's own VQT computes lower octaves from downsampled audio and interpolates their frames; here its
wavelets are applied at the full rate, as those of cqt.
"""

from __future__ import annotations

from audiospec.features.cqt import CqtFrontend
from audiospec.specs.base import features
from audiospec.specs.vqt import VqtSpec


@features.register
class VqtFrontend(CqtFrontend):
    """Computes a `VqtSpec`: waves (..., samples) → spectrograms (..., n_bins, frames)."""

    spec_class = VqtSpec

    spec: VqtSpec
