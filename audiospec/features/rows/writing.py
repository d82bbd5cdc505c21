"""Compute the rows of a store: by a kernel where there is one, else by a frontend of torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.features.native.base import NATIVE, Kernel, kernel_of, native_reason, require_native
from audiospec.features.rows.base import RowWriter
from audiospec.specs.base import FeatureSpec


class KernelWriter(RowWriter):
    """Computes rows by a kernel, without torch."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__()
        self.backend = kernel.backend
        self.kernel = kernel

    def write(self, waves: Sequence[NDArray[np.float32]], rows: Sequence[NDArray[Any]]) -> None:
        """Compute chunks one by one; see `RowWriter.write`."""
        for wave, row in zip(waves, rows, strict=True):
            self.kernel.write(wave, row)

    def measure_parity(self, samples: int) -> float:
        """Measure the kernel's largest difference from float64."""
        return self.kernel.parity(samples)


def row_writer(spec: FeatureSpec, backend: str | None = None, device: str = "cpu") -> RowWriter:
    """Return what computes the rows of a spec. A kernel of a CPU is used without importing torch.

    Parameters
    ----------
    spec : FeatureSpec
    backend : str or None
        One of the frontend's backends. None: that of the kernel, where one computes the spec on a CPU, else
        the frontend's default.
    device : str
        A torch device.

    Raises
    ------
    SpecError, RegistryError
        The backend or device is unknown or cannot compute the spec, or the feature is not registered.
    """
    return _row_writer(spec, backend, device)


@lru_cache(maxsize=16)
def _row_writer(spec: FeatureSpec, backend: str | None, device: str) -> RowWriter:
    kernel = kernel_of(spec)
    if kernel is not None and backend in (None, kernel.backend):
        if backend == NATIVE:
            require_native(spec, device)
        if not native_reason(spec, device):
            return KernelWriter(kernel(spec))
    from audiospec.features.rows.frontend import FrontendWriter

    return FrontendWriter(spec, backend, device)
