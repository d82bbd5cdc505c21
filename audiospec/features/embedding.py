"""embedding: the output of an ONNX model of yours, pooled over the windows of a chunk (onnxruntime).

The model is computed by onnxruntime, on one thread of a CPU, window by window, so that a row depends only on
its own chunk; on CUDA where onnxruntime has a provider for it. Workers on a CPU load no torch; see
`features.native.embedding`. All frames of all windows of a chunk are pooled.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audiospec.errors import SpecError
from audiospec.features.base import Frontend
from audiospec.features.native.embedding import EmbeddingKernel
from audiospec.specs.base import FeatureSpec, features
from audiospec.specs.embedding import EmbeddingSpec


@features.register
class EmbeddingFrontend(Frontend):
    """Computes an `EmbeddingSpec`: waves (..., samples) → columns (..., columns).

    It is not differentiable, and computes in float32 whatever its precision.

    Raises
    ------
    ModelError
        See `EmbeddingKernel`.
    """

    spec_class = EmbeddingSpec
    backends = (EmbeddingKernel.backend,)
    #: Licence of the weights, for whoever shows it.
    licence: ClassVar[str] = "that of the ONNX model"
    keeps_half = False  # the range of an embedding is not known

    spec: EmbeddingSpec
    anchor: Tensor

    def __init__(self, spec: FeatureSpec, *, backend: str | None = None) -> None:
        super().__init__(spec, backend=backend)
        # It only follows the module's device and precision; the weights are onnxruntime's.
        self.register_buffer("anchor", torch.zeros(0), persistent=False)
        self._kernels = {"cpu": EmbeddingKernel(self.spec)}

    def kernel_on(self, device: str) -> EmbeddingKernel:
        """Return what computes on a torch device, such as ``"cuda:0"``.

        Raises
        ------
        SpecError
            onnxruntime cannot compute on it.
        """
        if device not in self._kernels:
            self._kernels[device] = EmbeddingKernel(self.spec, device)
        return self._kernels[device]

    @classmethod
    def reason_not_exported(cls, spec: FeatureSpec) -> str:
        """Return why the feature cannot be a part of an exported model."""
        return "its model is a file of its own, which onnxruntime computes"

    def compute(self, waves: Tensor) -> Tensor:
        """Compute the columns (B, columns) of waves (B, samples)."""
        if self.anchor.dtype not in (torch.float32, torch.float64):
            raise SpecError(
                f"an embedding is computed in float32; this frontend was cast to {self.anchor.dtype}",
                "leave it out of the cast (waves may be of any floating type)",
            )
        kernel = self.kernel_on(str(waves.device))
        plain: NDArray[np.float32] = waves.detach().to("cpu", torch.float32).numpy()
        rows = waves.new_empty(len(waves), *self.spec.row_shape(waves.shape[1]), dtype=self.anchor.dtype)
        with torch.no_grad():
            for row, wave in zip(rows, plain, strict=True):
                row.copy_(torch.from_numpy(kernel.compute(wave)))
        return rows

    def parity(self, samples: int) -> float:
        """Return the largest difference, by magnitude; see `EmbeddingKernel.parity`."""
        return self.kernel_on(str(self.anchor.device)).parity(samples)

    def extra_repr(self) -> str:
        """Return the spec and the backend, for the module's `repr`."""
        return f"{self.spec}, backend={self.backend!r}"
