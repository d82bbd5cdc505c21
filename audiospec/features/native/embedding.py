"""embedding: an ONNX model on the windows of a chunk, by onnxruntime, without torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import AudioError, ModelError
from audiospec.features.native.base import Kernel, kernels
from audiospec.features.rows.writing import row_writer
from audiospec.onnx_files.header import require_onnx
from audiospec.onnx_files.kept import reference_for
from audiospec.onnx_files.reference import check_reference, relative_difference
from audiospec.onnx_files.session import WaveModel
from audiospec.specs.base import FeatureSpec
from audiospec.specs.embedding import EmbeddingSpec
from audiospec.specs.mel import MelSpec


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
        mel = self.spec.frontend
        self._mel = None if mel is None else _Spectrograms(mel)
        self._bins = None if mel is None else mel.n_mels
        self.model = WaveModel(self.spec.sha256, self.spec.output, device, self._bins)
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
        if layout.columns not in (None, spec.size) or layout.length not in (None, spec.window_length):
            raise ModelError(
                f"the spec has size={spec.size} and windows of {spec.window_length}; {self.model.name} "
                f"states {layout.columns} columns and windows of {layout.length}",
                'make the spec from the file, with `model="FILE.onnx"`',
            )

    def write(self, wave: NDArray[np.float32], row: NDArray[Any]) -> None:
        """Compute the columns of a chunk, in the spec's dtype; see `Kernel.write`.

        Raises
        ------
        AudioError
            See `compute`. Also for numbers that float16 cannot hold.
        """
        computed = self.compute(wave)
        top = float(np.abs(computed).max())
        if top > float(np.finfo(row.dtype).max):
            raise AudioError(
                f"an embedding has numbers up to {top:.4g}, which dtype {row.dtype} cannot hold",
                'give `dtype="float32"`',
            )
        row[...] = computed

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
        """Cut a chunk into windows as the model takes them: of samples, or (bins, frames)."""
        length = self.spec.window_samples or len(wave)
        if len(wave) < length:
            wave = np.concatenate([wave, np.zeros(length - len(wave), np.float32)])
        windows = [wave[start : start + length] for start in self.spec.window_starts(len(wave))]
        if self.spec.peak is not None:
            windows = [_scaled(window, self.spec.peak) for window in windows]
        return windows if self._mel is None else [self._mel.compute(window) for window in windows]

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
        plain = WaveModel(self.spec.sha256, self.spec.output, bins=self._bins, optimised=False)
        try:
            difference = relative_difference(self.compute(noise), self._row(plain, noise))
        except AudioError as error:  # noise is no file that could be left out
            raise ModelError(error.reason, "give another `window`, `output` or model") from error
        return max(difference, self.reference_difference or 0.0)


class _Spectrograms:
    """Computes what a model takes in place of waves, without torch where a kernel computes the spec."""

    def __init__(self, mel: MelSpec) -> None:
        self._spec = mel
        self._writer = row_writer(mel)

    def compute(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the spectrogram of a window, (bins, frames)."""
        row = np.empty(self._spec.row_shape(len(window)), np.float32)
        self._writer.write([window], [row])
        return row


def _scaled(window: NDArray[np.float32], peak: float) -> NDArray[np.float32]:
    """Return a window without its mean, and with its largest magnitude at `peak` unless it is silent."""
    centred = window - np.float32(window.mean(dtype=np.float64))  # of a constant, exactly 0
    top = np.abs(centred).max()
    return np.asarray(centred * (peak / top) if top > 0 else centred, np.float32)


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
