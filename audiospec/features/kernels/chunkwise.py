"""Chunkwise: a frontend that a CPU computes chunk by chunk."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audiospec.features.base import Frontend, one_thread


class Chunkwise(Frontend):
    """A frontend of products and convolutions, whose rounding would depend on the batch and on threads.

    On a CPU chunks are computed one by one on one thread, so that a row depends on its own chunk alone, to
    the bit. Other devices compute a batch together.
    """

    @property
    def constant(self) -> Tensor:
        """One of the module's constants, which has its precision and device."""
        return next(self.buffers())

    def compute(self, waves: Tensor) -> Tensor:
        """Compute the rows of waves (B, samples) in the module's precision."""
        dtype = self.constant.dtype
        self.require_full_precision(dtype)
        waves = waves.to(dtype)
        # An exported graph has any number of chunks, and no loop over them.
        if waves.device.type != "cpu" or torch.compiler.is_compiling():
            return self.together(waves)
        if not len(waves):
            return waves.new_empty(0, *self.spec.row_shape(waves.shape[1]))
        with one_thread():
            return torch.cat([self.together(wave) for wave in torch.tensor_split(waves, len(waves))])

    @abstractmethod
    def together(self, waves: Tensor) -> Tensor:
        """Compute the rows of waves (B, samples), of the module's precision, all at once; B is at least 1."""

    def function(self) -> Callable[[NDArray[np.float32]], NDArray[np.float64]]:
        """Return the frontend as a function of one wave (samples,) of numpy, for `parity`."""

        def compute(wave: NDArray[np.float32]) -> NDArray[np.float64]:
            row: NDArray[Any] = self(torch.from_numpy(wave).to(self.constant.device)).cpu().numpy()
            return row.astype(np.float64)

        return compute

    def extra_repr(self) -> str:
        """Return the spec and the backend, for the module's `repr`."""
        return f"{self.spec}, backend={self.backend!r}"
