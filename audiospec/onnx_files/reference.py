"""A model's reference: an input and the output that its owner computed, stored beside the model.

``NAME.reference.npz`` beside ``NAME.onnx`` holds the arrays ``input``, in the shape that the model takes, and
``output``, in the shape of the named output. ``tolerance``, a single number, is optional.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import AudioError, ModelError
from audiospec.onnx_files.kept import MOST_REFERENCE, reference_bytes
from audiospec.onnx_files.session import WaveModel

#: Largest difference allowed, as a share of the reference's largest magnitude, unless it states its own.
TOLERANCE = 1e-3


def check_reference(model: WaveModel, path: Path) -> float:
    """Compute the input of a reference, and compare with its output.

    Parameters
    ----------
    model : WaveModel
    path : Path
        The ``.npz`` file.

    Returns
    -------
    float
        Largest difference, as a share of the largest magnitude of the reference's output.

    Raises
    ------
    ModelError
        The file cannot be read, is not of the model's shapes, or the difference exceeds the tolerance.
    """
    arrays = _arrays(path)
    given, expected = arrays["input"].astype(np.float32), arrays["output"].astype(np.float64)
    if given.ndim != model.layout.rank or not given.size:
        raise ModelError(
            f"{path.name} has an input of shape {given.shape}; the model takes rank {model.layout.rank}",
            "store the input as the model takes it",
        )
    try:
        computed = model.feed(given).astype(np.float64)
    except AudioError as error:
        raise ModelError(f"{path.name}: {error.reason}", "store the input as the model takes it") from error
    if computed.shape != expected.shape:
        raise ModelError(
            f"{path.name} has an output of shape {expected.shape}; {model.layout.output!r} has shape "
            f"{computed.shape}",
            "store the output that `output` names",
        )
    difference = relative_difference(computed, expected)
    tolerance = float(arrays["tolerance"]) if "tolerance" in arrays else TOLERANCE
    if not difference <= tolerance:  # also true of NaN
        raise ModelError(
            f"{model.name} differs from its reference {path.name} by {difference:.2g} of the largest "
            f"value; expected at most {tolerance:g}",
            "store the reference of this very model, or remove it",
        )
    return difference


def relative_difference(computed: NDArray[Any], expected: NDArray[Any]) -> float:
    """Return the largest difference as a share of the largest magnitude that is expected."""
    scale = float(np.abs(expected).max(initial=0.0)) or 1.0
    return float(np.abs(computed - expected).max(initial=0.0)) / scale


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read a reference: real numbers alone, and no more of them than the file may hold."""
    content = reference_bytes(path) or b""
    hint = "make it with numpy.savez(FILE, input=..., output=...)"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            total = sum(member.file_size for member in archive.infolist())
        if total > MOST_REFERENCE:
            raise ValueError(f"it holds more than {MOST_REFERENCE} bytes")
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            names = [name for name in ("input", "output", "tolerance") if name in stored.files]
            arrays = {name: np.asarray(stored[name]) for name in names}
    except Exception as error:  # zip and npy have many ways to be damaged
        raise ModelError(f"cannot read the reference {path} ({error})", hint) from error
    for name in ("input", "output"):
        if name not in arrays or arrays[name].dtype.kind not in "fiu":
            raise ModelError(f"the reference {path} has no array {name!r} of numbers", hint)
    return arrays
