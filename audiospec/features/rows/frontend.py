"""FrontendWriter: rows by a frontend of torch, on any device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from audiospec.errors import SpecError
from audiospec.features.base import Frontend, make_frontend, one_thread, store_row
from audiospec.features.rows.base import RowWriter
from audiospec.specs.base import FeatureSpec, features

#: Chunks that a frontend computes together, on a device other than a CPU.
DEVICE_BATCH = 64


class FrontendWriter(RowWriter):
    """Computes rows by a frontend, on one thread of the CPU.

    Raises
    ------
    SpecError, RegistryError
        The backend or device is unknown or cannot compute the spec, or the feature is not registered.
    """

    def __init__(self, spec: FeatureSpec, backend: str | None, device: str) -> None:
        super().__init__()
        self.device = device
        kind = cast(type[Frontend], features[spec.feature])
        reason = kind.reason_missing(backend, spec, device) if backend is not None else ""
        if reason:
            raise SpecError(f"backend {backend!r}: {reason}", "choose another `backend`, or none")
        with one_thread(), torch.inference_mode():
            self.frontend = make_frontend(spec, backend, device)
        self.backend = self.frontend.backend
        self.batch = 1 if device == "cpu" else DEVICE_BATCH

    def write(self, waves: Sequence[NDArray[np.float32]], rows: Sequence[NDArray[Any]]) -> None:
        """Compute chunks together; see `RowWriter.write`."""
        batch = waves[0][None] if len(waves) == 1 else np.stack(waves)
        if not batch.flags.writeable:  # torch warns of arrays that it must not write to
            batch = batch.copy()
        with one_thread(), torch.inference_mode():
            computed = self.frontend(torch.from_numpy(batch).to(self.device)).cpu()
            for feature, row in zip(computed, rows, strict=True):
                store_row(self.frontend.spec, feature, row)

    def measure_parity(self, samples: int) -> float:
        """Measure the frontend's largest difference from float64."""
        with one_thread(), torch.inference_mode():
            return self.frontend.parity(samples)
