"""opensmile: eGeMAPS, GeMAPS, ComParE and emobase, statistics of voices, by openSMILE (for research only).

openSMILE is C++ code on a CPU, one chunk at a time; its wheel is the extra ``audiospec[opensmile]``.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audiospec.errors import SpecError
from audiospec.features.base import Frontend
from audiospec.machine import versions
from audiospec.specs.base import FeatureSpec, features
from audiospec.specs.opensmile import OpensmileSpec

#: openSMILE has state for a whole process, such as its log: one thread computes at a time.
_lock = threading.Lock()
#: openSMILE multiplies by 2^15 and converts to 16 bits without a limit: a sample of 1 would become -1.
_LARGEST = 1 - 2**-15


@features.register
class OpensmileFrontend(Frontend):
    """Computes an `OpensmileSpec`: waves (..., samples) → columns (..., columns).

    It is not differentiable, and computes on a CPU for waves on any device.
    """

    spec_class = OpensmileSpec
    backends = ("opensmile",)
    keeps_half = False  # columns exceed the range of half precision
    #: What exports and cards of models say about this frontend.
    licence: ClassVar[str] = "audEERING Research License (openSMILE): non-commercial use and research only"

    spec: OpensmileSpec
    precision: Tensor

    def __init__(self, spec: FeatureSpec, *, backend: str | None = None) -> None:
        super().__init__(spec, backend=backend)
        _require_release(self.spec.release)
        # It has no constants; this has the precision of the module.
        self.register_buffer("precision", torch.zeros(()), persistent=False)

    @classmethod
    def reason_not_exported(cls, spec: FeatureSpec) -> str:
        """Return why a model cannot be exported with it."""
        return "openSMILE computes it, which is no part of torch"

    def compute(self, waves: Tensor) -> Tensor:
        """Compute the columns (B, columns) of waves (B, samples)."""
        chunks = waves.detach().to("cpu", torch.float32).clamp(-1, _LARGEST).numpy()
        rows = np.empty((len(chunks), len(self.spec.columns)), np.float32)
        for chunk, row in zip(chunks, rows, strict=True):
            row[:] = _functionals(self.spec, chunk)
        return torch.from_numpy(rows).to(waves.device, self.precision.dtype)

    def parity(self, samples: int) -> float:
        """Return 0, the largest difference from openSMILE, which has single precision only."""
        return 0.0

    def extra_repr(self) -> str:
        """Return the spec and the backend, for the module's `repr`."""
        return f"{self.spec}, backend={self.backend!r}"


def _functionals(spec: OpensmileSpec, chunk: NDArray[np.float32]) -> NDArray[np.float32]:
    with _lock:
        smile = _smile(spec.set)
        table = smile.process_signal(chunk, spec.sample_rate)
    names = tuple(table.columns)
    if names != spec.columns:
        raise SpecError(
            f"expected the columns of {spec.set} as opensmile {spec.release} has them; got other columns",
            "install the package opensmile anew",
        )
    values: NDArray[np.float32] = table.to_numpy()[0]
    return values


@cache
def _smile(name: str) -> Any:
    """Return openSMILE, set up for a feature set."""
    import opensmile

    level = opensmile.FeatureLevel.Functionals
    return opensmile.Smile(feature_set=opensmile.FeatureSet[name], feature_level=level)


def _require_release(release: str) -> None:
    """Raise `SpecError` unless the package opensmile is installed in a version."""
    installed = versions(["opensmile"]).get("opensmile")
    if installed is None:
        raise SpecError(
            "feature 'opensmile' needs the package opensmile", "pip install 'audiospec[opensmile]'"
        )
    if installed != release:
        raise SpecError(
            f"expected opensmile {release}, of which the spec is; installed is {installed}",
            f'pip install opensmile=={release}, or make other rows with `release="{installed}"`',
        )
