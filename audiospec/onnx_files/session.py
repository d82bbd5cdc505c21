"""WaveModel: runs an ONNX model on windows of a wave, by onnxruntime on one thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import AudioError, ModelError, SpecError
from audiospec.limits import Limits
from audiospec.onnx_files.header import header_of
from audiospec.onnx_files.kept import load
from audiospec.onnx_files.layout import Layout, layout_of

#: Most seconds for loading a model and for one call of it, and bytes that either may take besides the file.
LOAD_SECONDS, CALL_SECONDS, MEMORY = 300.0, 120.0, 4 << 30
#: Bytes that loading takes for each byte of the file: the message, the graph, and what is packed of it.
_COPIES = 6
#: Windows that a device other than a CPU computes at once.
DEVICE_WINDOWS = 64


class WaveModel:
    """A model that was found by its SHA-256 and checked, ready to run.

    In a worker process, time and memory are limited: a model that asks for more fails, or ends the worker.

    Parameters
    ----------
    sha256 : str
        SHA-256 of its file.
    output : str
        Name of the output that is computed.
    device : str
        A torch device: ``"cpu"``, or one of CUDA where onnxruntime has its provider.
    bins : int or None
        Bins of the spectrograms that it is fed with; None: waves.
    optimised : bool
        Whether onnxruntime may fuse and rearrange operators.

    Attributes
    ----------
    path : Path
        The file.
    name : str
        Its name, for messages.
    layout : Layout

    Raises
    ------
    ModelError
        There is no such file, it is refused, or onnxruntime cannot load it.
    SpecError
        onnxruntime cannot compute on the device.
    """

    def __init__(
        self, sha256: str, output: str, device: str = "cpu", bins: int | None = None, optimised: bool = True
    ) -> None:
        self._arguments = sha256, output, device, bins, optimised
        self.path, content = load(sha256)
        # A copy that was kept is called after its SHA-256.
        self.name = self.path.name.replace(sha256, f"{sha256[:12]}…")
        # The file may be another than the one that the spec was made from: it only has the same SHA-256 then,
        # but a spec may come from elsewhere, too.
        self.layout: Layout = layout_of(header_of(content, self.name), output, self.name, bins)
        self._providers = providers(device)
        self._session = self._load(content, optimised)
        self._on_cpu = self._providers[0] == "CPUExecutionProvider"

    def __reduce__(self) -> tuple[Any, ...]:
        # Copies and pickles are loaded from the file again: a session is no Python.
        return type(self), self._arguments

    def _load(self, content: bytes, optimised: bool) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.log_severity_level = 4  # errors become exceptions; what else it prints is not for a terminal
        if not optimised:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            with Limits(LOAD_SECONDS, MEMORY + _COPIES * len(content)):
                return onnxruntime.InferenceSession(content, options, providers=self._providers)
        except Exception as error:  # onnxruntime has a class for each kind of failure, all from C++
            raise ModelError(
                f"onnxruntime cannot load {self.name} ({_reason(error)})", "export the model again"
            ) from error

    def run(self, windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Compute the embeddings of windows.

        Parameters
        ----------
        windows : sequence of ndarray, shape (samples,) or (bins, frames), float32
            At least one, all of one length.

        Returns
        -------
        ndarray, shape (frames, columns), float32
            One row for each window, or for each frame of each window.

        Raises
        ------
        AudioError
            The model cannot compute a window, or its output is not finite.
        ModelError
            The output has another rank or length than the file states.
        """
        step = DEVICE_WINDOWS if self.layout.batches and not self._on_cpu else 1
        places = range(0, len(windows), step)
        fed = (self._arranged(np.stack(windows[place : place + step])) for place in places)
        parts = [self._frames(self.feed(each)) for each in fed]
        frames = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if not np.isfinite(frames).all():
            raise AudioError(
                f"model {self.name} gives numbers that are not finite",
                "check the model, or leave the file out",
            )
        return frames

    def feed(self, fed: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the output for an input of the shape that the model takes.

        Raises
        ------
        AudioError
            The model cannot compute it.
        ModelError
            The output is not float32.
        """
        try:
            with Limits(CALL_SECONDS, MEMORY):
                (output,) = self._session.run(
                    [self.layout.output], {self.layout.input: np.ascontiguousarray(fed, np.float32)}
                )
        except Exception as error:  # as above
            raise AudioError(
                f"model {self.name} cannot compute an input of shape {fed.shape} ({_reason(error)})",
                "give `window`, or another chunk",
            ) from error
        if not isinstance(output, np.ndarray) or output.dtype != np.float32:
            raise ModelError(f"output {self.layout.output!r} of {self.name} is not float32")
        return output

    def _arranged(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return windows in the axes that the model takes."""
        if self.layout.frames_first:
            windows = windows.swapaxes(1, 2)
        if self.layout.rank < windows.ndim:  # without a batch
            return np.asarray(windows[0])
        return windows[:, None] if self.layout.rank > windows.ndim else windows

    def _frames(self, output: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return an output as (frames, columns)."""
        layout = self.layout
        if not 1 <= output.ndim <= 3 or (layout.axis == -2 and output.ndim != 3) or not output.size:
            raise ModelError(
                f"expected an output of rank 1 to 3 with at least one frame; {layout.output!r} of "
                f"{self.name} has shape {output.shape}",
                "give a longer window, or another `output`",
            )
        moved = np.moveaxis(output, layout.axis, -1)
        return moved.reshape(-1, moved.shape[-1])


def providers(device: str) -> list[str]:
    """Return the execution providers of onnxruntime for a torch device, with their fallback.

    Raises
    ------
    SpecError
        This onnxruntime has none for it.
    """
    import onnxruntime

    kind = device.partition(":")[0]
    if kind == "cpu":
        return ["CPUExecutionProvider"]
    available = onnxruntime.get_available_providers()
    if kind == "cuda" and "CUDAExecutionProvider" in available:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]
    raise SpecError(
        f"onnxruntime cannot compute on device {device!r}; it has: {', '.join(available)}",
        'give `device="cpu"`, or install onnxruntime-gpu in place of onnxruntime',
    )


def _reason(error: Exception) -> str:
    """Return the message of an error of onnxruntime in one line."""
    return (" ".join(str(error).split()) or type(error).__name__)[:300]
