"""embedding: the output of an ONNX model of yours, pooled over the windows of a chunk (onnxruntime).

The model is computed by onnxruntime, on one thread of a CPU, window by window, so that a row depends only on
its own chunk; on CUDA where onnxruntime has a provider for it. The output of a model of rank 1 is one frame
of a window; of a higher rank, all frames of all windows of a chunk are pooled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audiospec.errors import AudioError, ModelError, SpecError
from audiospec.features.base import Frontend
from audiospec.onnx_files.header import require_onnx
from audiospec.onnx_files.kept import reference_for
from audiospec.onnx_files.reference import check_reference, relative_difference
from audiospec.onnx_files.session import WaveModel
from audiospec.specs.base import FeatureSpec, features
from audiospec.specs.embedding import EmbeddingSpec


@features.register
class EmbeddingFrontend(Frontend):
    """Computes an `EmbeddingSpec`: waves (..., samples) → columns (..., columns).

    It is not differentiable, and computes in float32 whatever its precision. If the model has a reference
    (see `audiospec.onnx_files.reference`), it is checked when the frontend is made.

    Raises
    ------
    ModelError
        The model is not on this machine, is refused, or differs from its reference.
    """

    spec_class = EmbeddingSpec
    backends = ("onnxruntime",)
    keeps_half = False  # the range of an embedding is not known

    spec: EmbeddingSpec
    anchor: Tensor

    def __init__(self, spec: FeatureSpec, *, backend: str | None = None) -> None:
        super().__init__(spec, backend=backend)
        require_onnx()
        # It only follows the module's device and precision; the weights are onnxruntime's.
        self.register_buffer("anchor", torch.zeros(0), persistent=False)
        self.models = {"cpu": WaveModel(self.spec.sha256, self.spec.output)}
        self._require_layout()
        reference = reference_for(self.spec.sha256, self.models["cpu"].path)
        self.reference_difference = (
            None if reference is None else check_reference(self.models["cpu"], reference)
        )

    def _require_layout(self) -> None:
        """Raise unless the spec, which may come from elsewhere, is of what the file states."""
        model, spec = self.models["cpu"], self.spec
        stated = model.layout.columns, model.layout.samples
        fits = (stated[0] in (None, spec.size), stated[1] in (None, spec.window_samples))
        if not all(fits):
            raise ModelError(
                f"the spec has size={spec.size} and a window of {spec.window_samples} samples; "
                f"{model.path.name} states {stated[0]} and {stated[1]}",
                'make the spec from the file, with `model="FILE.onnx"`',
            )

    def _model(self, device: torch.device) -> WaveModel:
        """Return the model on a device."""
        name = str(device)
        if name not in self.models:
            self.models[name] = WaveModel(self.spec.sha256, self.spec.output, name)
        return self.models[name]

    def compute(self, waves: Tensor) -> Tensor:
        """Compute the columns (B, columns) of waves (B, samples)."""
        if self.anchor.dtype not in (torch.float32, torch.float64):
            raise SpecError(
                f"an embedding is computed in float32; this frontend was cast to {self.anchor.dtype}",
                "leave it out of the cast (waves may be of any floating type)",
            )
        model = self._model(waves.device)
        plain: NDArray[np.float32] = waves.detach().to("cpu", torch.float32).numpy()
        rows = waves.new_empty(len(waves), *self.spec.row_shape(waves.shape[1]), dtype=self.anchor.dtype)
        with torch.no_grad():
            for row, wave in zip(rows, plain, strict=True):
                row.copy_(torch.from_numpy(self._row(model, wave)))
        return rows

    def _row(self, model: WaveModel, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the columns of one chunk."""
        frames = model.run(self._windows(wave))
        if frames.shape[1] != self.spec.size:
            raise ModelError(
                f"expected {self.spec.size} columns of output {self.spec.output!r}; {model.path.name} gives "
                f"{frames.shape[1]}",
                f"give `size={frames.shape[1]}`",
            )
        return np.concatenate([_pooled(frames, pooling) for pooling in self.spec.pooling])

    def _windows(self, wave: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Cut a chunk into windows, each of shape (samples,)."""
        length = self.spec.window_samples or len(wave)
        if len(wave) < length:
            wave = np.concatenate([wave, np.zeros(length - len(wave), np.float32)])
        return [wave[start : start + length] for start in self.spec.window_starts(len(wave))]

    def parity(self, samples: int) -> float:
        """Return the largest difference, as a share of the largest magnitude, from the two that are known.

        They are the model's reference, if there is one, and noise computed by the graph as it is in the file,
        on a CPU, without onnxruntime's optimisations.
        """
        noise = np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)
        plain = WaveModel(self.spec.sha256, self.spec.output, optimised=False)
        try:
            expected = self._row(plain, noise)
            computed = self._row(self._model(self.anchor.device), noise)
        except AudioError as error:  # noise is no file that could be left out
            raise ModelError(error.reason, "give another `window`, `output` or model") from error
        return max(relative_difference(computed, expected), self.reference_difference or 0.0)

    def extra_repr(self) -> str:
        """Return the spec and the backend, for the module's `repr`."""
        return f"{self.spec}, backend={self.backend!r}"


def _pooled(frames: NDArray[np.float32], pooling: str) -> NDArray[np.float32]:
    """Pool frames (frames, columns) to (columns,); in float64, as many frames would lose digits."""
    if pooling == "max":
        return np.asarray(frames.max(axis=0), np.float32)
    exact = (
        frames.mean(axis=0, dtype=np.float64) if pooling == "mean" else frames.std(axis=0, dtype=np.float64)
    )
    return np.asarray(exact, np.float32)


def measured(request: dict[str, Any], step: Any) -> dict[str, Any]:
    """Return a spec's parity with its reference and without optimisation, in a process that may die.

    Parameters
    ----------
    request : dict
        ``spec``, as `EmbeddingSpec.to_dict` returns it, and ``samples``.
    step : callable
        Not called.
    """
    frontend = EmbeddingFrontend(FeatureSpec.from_dict(request["spec"]))
    return {"parity": frontend.parity(request["samples"]), "reference": frontend.reference_difference}
