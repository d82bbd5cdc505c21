"""VqtSpec: how a variable-Q transform is computed."""

from __future__ import annotations

from dataclasses import dataclass

from audiospec.specs.base import require
from audiospec.specs.cqt import CqtSpec


@dataclass(frozen=True, kw_only=True)
class VqtSpec(CqtSpec, feature="vqt"):
    """A variable-Q transform: a constant-Q transform whose low bins are wider, and so shorter in time.

    It is `CqtSpec` with wavelets of N = ⌈Q · sample_rate / (f + gamma / α)⌉ samples, where
    α = filter_scale / Q is the relative bandwidth. Source: Schörkhuber et al., AES Conference on Semantic
    Audio, 2014.

    Parameters
    ----------
    gamma : float or None
        What is added to the bandwidth of every bin, in Hz. None: 24.7 α / 0.108, with which bandwidths are
        proportional to the ear's (Glasberg and Moore, Hearing Research 47, 1990), as in librosa.
        0 is a constant-Q transform.

    Raises
    ------
    SpecError
        See `CqtSpec`.
    """

    gamma: float | None = None

    def _require_bands(self) -> None:
        require(self.gamma is None or self.gamma >= 0, "gamma", "at least 0 Hz, or none", self.gamma)

    @property
    def offset(self) -> float:
        """What is added to each bandwidth in Hz: `gamma`, or its default."""
        return 24.7 * self.alpha / 0.108 if self.gamma is None else self.gamma
