"""musicnn's weights, from the files of its wheel; its code is not imported, nor is TensorFlow.

The wheel is installed without its dependencies, because it requires a numpy older than this Python's.
"""

from __future__ import annotations

import hashlib
import types
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import ModelError
from audiospec.features.pretrained.checkpoint import MOST_DATA, MOST_INDEX, read_tensors
from audiospec.files import open_plain
from audiospec.specs.musicnn import SHA256

VERSION = "0.1.0"
LICENCE = f"ISC (weights of the wheel musicnn {VERSION})"
INSTALL = f"run `pip install --no-deps musicnn=={VERSION}` (ISC licence)"
REPAIR = f"run `pip install --no-deps --force-reinstall musicnn=={VERSION}`"
#: SHA-256 of the index of each file of weights, which says what tensor its bytes are.
_INDEX: Mapping[str, str] = types.MappingProxyType(
    {
        SHA256["msd"]: "87f3e0f3550c8d3bafc840374003e5c8af5eeb5ecf6add61af09a7822d3282c8",
        SHA256["mtt"]: "da2d7bb670b2b31e9bc441bb1bd75eca31b5b061f963cc1f9630c1aff3238f57",
    }
)
#: Convolutions of the checkpoint, in its order: our name, and shape (time, mel, 1, filters).
_CONVOLUTIONS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("network.timbral.0", (7, 38, 1, 204)),
    ("network.timbral.1", (7, 67, 1, 204)),
    ("network.temporal.0", (128, 1, 1, 51)),
    ("network.temporal.1", (64, 1, 1, 51)),
    ("network.temporal.2", (32, 1, 1, 51)),
    ("network.middle.0", (7, 561, 1, 64)),
    ("network.middle.1", (7, 64, 1, 64)),
    ("network.middle.2", (7, 64, 1, 64)),
)
#: Dense layers, and shape (inputs, outputs).
_DENSE: tuple[tuple[str, tuple[int, ...]], ...] = (("network.dense", (1506, 200)), ("tags", (200, 50)))
#: Batch normalisations, in the order of the checkpoint, and number of channels.
_NORMS: tuple[tuple[str, int], ...] = (
    ("network.norm", 1),
    *((f"{name}.norm", shape[3]) for name, shape in _CONVOLUTIONS),
    ("network.pooled_norm", 1506),
    ("network.dense_norm", 200),
)
_NORM_PARTS = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean"}
_NORM_PARTS["moving_variance"] = "running_var"


def musicnn_weights(name: str, sha256: str = "") -> dict[str, NDArray[np.float32]]:
    """Return pretrained weights, by their names: ``network.…`` as in `Musicnn`, and ``tags.…``.

    Parameters
    ----------
    name : "msd" or "mtt"
        What the network was trained on.
    sha256 : str
        SHA-256 that the file of weights must have. ``""``: that of version 0.1.0.

    Returns
    -------
    dict of str to ndarray, float32

    Raises
    ------
    ModelError
        The wheel is not installed or is of another version, or a file is missing, has another SHA-256, or is
        damaged.
    """
    folder = _folder() / f"{name.upper()}_musicnn"
    expected = sha256 or SHA256[name]
    data = _content(folder / ".data-00000-of-00001", MOST_DATA, expected)
    index = _content(folder / ".index", MOST_INDEX, _INDEX.get(expected, ""))
    return from_checkpoint(index, data)


def from_checkpoint(index: bytes, data: bytes) -> dict[str, NDArray[np.float32]]:
    """Return the weights of a checkpoint of musicnn, by the names of `musicnn_weights`.

    Kernels, (time, mel, 1, filters) in the checkpoint, become (filters, 1, mel, time), or (filters, mel,
    time) where they span all rows, as torch's convolutions expect.

    Raises
    ------
    ModelError
        The checkpoint is damaged, or of another network.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    ours: dict[str, str] = {}

    def add(theirs: str, name: str, shape: tuple[int, ...]) -> None:
        shapes[theirs] = shape
        ours[theirs] = name

    for number, (name, shape) in enumerate(_CONVOLUTIONS):
        layer = f"conv2d{f'_{number}' if number else ''}"
        add(f"{layer}/kernel", f"{name}.convolution.weight", shape)
        add(f"{layer}/bias", f"{name}.convolution.bias", shape[3:])
    for number, (name, shape) in enumerate(_DENSE):
        layer = f"dense{f'_{number}' if number else ''}"
        add(f"{layer}/kernel", f"{name}.weight", shape)
        add(f"{layer}/bias", f"{name}.bias", shape[1:])
    for number, (name, channels) in enumerate(_NORMS):
        layer = f"batch_normalization{f'_{number}' if number else ''}"
        for part, ours_of_part in _NORM_PARTS.items():
            add(f"{layer}/{part}", f"{name}.{ours_of_part}", (channels,))
    tensors = read_tensors(index, data, shapes)
    return {ours[theirs]: _turned(ours[theirs], values) for theirs, values in tensors.items()}


def _turned(name: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a kernel with the axes that torch expects; other weights as they are."""
    if values.ndim == 4:
        values = values.transpose(3, 2, 1, 0)
        values = values[:, 0] if name.startswith("network.middle.") else values
    elif values.ndim == 2:
        values = values.T
    return np.ascontiguousarray(values)


def _folder() -> Path:
    """Return the wheel's folder, which is not imported."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        found = distribution("musicnn")
    except PackageNotFoundError as error:
        raise ModelError(f"musicnn's weights are in a wheel that is not installed: {INSTALL}") from error
    if found.version != VERSION:
        raise ModelError(f"expected the wheel musicnn {VERSION}; got {found.version}", INSTALL)
    return Path(str(found.locate_file("musicnn")))


def _content(path: Path, most: int, sha256: str) -> bytes:
    """Return a file's bytes, which must have a SHA-256 unless that is empty."""
    try:
        with open_plain(path, most) as file:
            content = file.read(most + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ModelError(f"musicnn's weights at {path} cannot be read ({reason})", REPAIR) from error
    got = hashlib.sha256(content).hexdigest()
    if sha256 and got != sha256:
        hint = "leave out `sha256`, or install the wheel that it is of" if got in _INDEX else REPAIR
        raise ModelError(f"expected musicnn's weights with SHA-256 {sha256}; {path} has {got}", hint)
    return content
