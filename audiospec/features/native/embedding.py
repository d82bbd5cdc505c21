"""embedding: an ONNX model on the windows of a chunk, by onnxruntime, without torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import AudioError, ModelError
from audiospec.features.native.base import Kernel, kernels
from audiospec.onnx_files.header import require_onnx
from audiospec.onnx_files.kept import reference_for
from audiospec.onnx_files.reference import check_reference, relative_difference
from audiospec.onnx_files.session import WaveModel
from audiospec.specs.base import FeatureSpec
from audiospec.specs.embedding import EmbeddingSpec


@kernels.register
class EmbeddingKernel(Kernel):
    """Computes an `EmbeddingSpec`, one window at a time on a CPU.

    If the model has a reference (see `audiospec.onnx_files.reference`), it is checked here.

    Parameters
    ----------
    spec : EmbeddingSpec
    device : str
        A torch device that onnxruntime has a provider for.

    Attributes
    ----------
    reference_difference : float or None
        Largest difference from the reference, as a share of its largest magnitude; None if there is none.

    Raises
    ------
    ModelError
        The model is not on this machine, is refused, does not fit the spec or differs from its reference; or
        onnxruntime is not installed.
    SpecError
        onnxruntime cannot compute on the device.
    """

    spec_class = EmbeddingSpec
    backend = "onnxruntime"
    spec: EmbeddingSpec

    def __init__(self, spec: FeatureSpec, device: str = "cpu") -> None:
        super().__init__(spec)
        require_onnx()
        self._device = device
        self.model = WaveModel(self.spec.sha256, self.spec.output, device)
        self._require_layout()
        reference = reference_for(self.spec.sha256, self.model.path)
        self.reference_difference = None if reference is None else check_reference(self.model, reference)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.spec, self._device)

    @classmethod
    def reason_missing(cls) -> str:
        """Return ``""``: without onnxruntime there is no other way, and making the kernel says so."""
        return ""

    @classmethod
    def reason_unsupported(cls, spec: FeatureSpec) -> str:
        """Return why a spec cannot be computed; ``""`` if it can."""
        if not isinstance(spec, EmbeddingSpec):
            return f"it computes an EmbeddingSpec; got {type(spec).__name__}"
        return cls.reason_missing()

    def _require_layout(self) -> None:
        """Raise unless the spec, which may come from elsewhere, is of what the file states."""
        layout, spec = self.model.layout, self.spec
        fits = layout.columns in (None, spec.size) and layout.samples in (None, spec.window_samples)
        if not fits:
            raise ModelError(
                f"the spec has size={spec.size} and a window of {spec.window_samples} samples; "
                f"{self.model.name} states {layout.columns} and {layout.samples}",
                'make the spec from the file, with `model="FILE.onnx"`',
            )

    def write(self, wave: NDArray[np.float32], row: NDArray[Any]) -> None:
        """Compute the columns of a chunk, in the spec's dtype; see `Kernel.write`."""
        row[...] = self.compute(wave)

    def compute(
        self, wave: NDArray[np.float32], row: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return the columns of a chunk, (columns,), in float32; see `Kernel.compute`.

        Raises
        ------
        AudioError
            The model cannot compute a window, or its output is not finite.
        ModelError
            The output is not what the file, or the spec, states.
        """
        return self._row(self.model, wave, row)

    def _row(
        self, model: WaveModel, wave: NDArray[np.float32], row: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        if row is None:
            row = np.empty(self.spec.row_shape(len(wave)), np.float32)
        frames = model.run(self._windows(wave))
        if frames.shape[1] != self.spec.size:
            raise ModelError(
                f"expected {self.spec.size} columns of output {self.spec.output!r}; {model.name} gives "
                f"{frames.shape[1]}",
                f"give `size={frames.shape[1]}`",
            )
        for part, pooling in zip(row.reshape(-1, self.spec.size), self.spec.pooling, strict=True):
            part[:] = _pooled(frames, pooling)
        return row

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

        Raises
        ------
        ModelError
            The model cannot compute noise, or gives numbers that are not finite.
        """
        noise = np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)
        plain = WaveModel(self.spec.sha256, self.spec.output, optimised=False)
        try:
            difference = relative_difference(self.compute(noise), self._row(plain, noise))
        except AudioError as error:  # noise is no file that could be left out
            raise ModelError(error.reason, "give another `window`, `output` or model") from error
        return max(difference, self.reference_difference or 0.0)


def _pooled(frames: NDArray[np.float32], pooling: str) -> NDArray[Any]:
    """Pool frames (frames, columns) to (columns,); sums are in float64, as float32 would lose digits."""
    if pooling == "max":
        return np.asarray(frames.max(axis=0))
    return np.asarray((frames.mean if pooling == "mean" else frames.std)(axis=0, dtype=np.float64))


def measured(request: dict[str, Any], step: Any) -> dict[str, Any]:
    """Return a spec's parity, and the difference from its reference, in a process that may die.

    Parameters
    ----------
    request : dict
        ``spec``, as `EmbeddingSpec.to_dict` returns it, and ``samples``.
    step : callable
        Not called.
    """
    kernel = EmbeddingKernel(FeatureSpec.from_dict(request["spec"]))
    return {"parity": kernel.parity(request["samples"]), "reference": kernel.reference_difference}
