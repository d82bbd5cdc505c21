"""Read an ONNX file: what it takes and returns, after checks that need nothing to be run.

A file is a claim. It is parsed by `onnx`, which runs nothing; weights in other files, operators outside the
standard, functions that expand without end, and tensors that claim more numbers than they hold are refused
before onnxruntime sees the file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from audiospec.errors import AudiospecError, ModelError
from audiospec.files import open_plain
from audiospec.onnx_files.checks import require_harmless
from audiospec.text import printable

#: Largest file in bytes: the most that one message of protobuf can hold.
MOST_BYTES = (1 << 31) - 1
#: How `onnx` is installed.
INSTALL = "install it with pip install 'audiospec[onnx]'"
_LFS = b"version https://git-lfs"


@dataclass(frozen=True, slots=True)
class Port:
    """An input or an output of a model.

    Attributes
    ----------
    name : str
    dtype : str
        Such as ``"float32"``; ``"other"`` for what is no tensor.
    dims : tuple of (int or None), or None
        Length of each axis; None for one that is free. None: the model does not state the rank.
    """

    name: str
    dtype: str
    dims: tuple[int | None, ...] | None

    def __str__(self) -> str:
        if self.dims is None:
            return f"{printable(self.name)} ({self.dtype}, of any shape)"
        lengths = " × ".join("free" if length is None else str(length) for length in self.dims)
        return f"{printable(self.name)} ({self.dtype}, {lengths or 'a single number'})"


@dataclass(frozen=True)
class Header:
    """What a model says of itself.

    Attributes
    ----------
    sha256 : str
        SHA-256 of the whole file.
    inputs, outputs : tuple of Port
        Without weights.
    metadata : mapping
        Key → value of its `metadata_props`.
    producer : str
        The program that wrote it; ``""`` if it is not stated.
    constant : frozenset of str
        Outputs that depend on no input.
    """

    sha256: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    metadata: Mapping[str, str]
    producer: str
    constant: frozenset[str]


def require_onnx() -> None:
    """Raise `ModelError` unless `onnx` and `onnxruntime` are installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise ModelError(
            f"ONNX models need {error.name or 'onnx'}, which is not installed", INSTALL
        ) from None


def read_header(path: Path) -> Header:
    """Read and check a file; the result is cached until the file changes.

    Raises
    ------
    ModelError
        It cannot be read, is not ONNX, or is refused; see `header_of`.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise ModelError(
            f"cannot read the ONNX model {path} ({error.strerror})", "check the path in `model`"
        ) from error
    return _read_header(path, stat.st_ino, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=32)
def _read_header(path: Path, _inode: int, _modified: int, _size: int) -> Header:
    return header_of(read_content(path), path.name)


def read_content(path: Path) -> bytes:
    """Return the bytes of a model's file.

    Raises
    ------
    ModelError
        It is no regular file, cannot be read, or is too large.
    """
    try:
        with open_plain(path, MOST_BYTES) as file:
            # `read` allocates as much as it is given.
            content = file.read(os.fstat(file.fileno()).st_size)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(
            f"cannot read the ONNX model {path} ({reason})", "check the path in `model`"
        ) from error
    return content


def header_of(content: bytes, name: str) -> Header:
    """Parse and check a model.

    Parameters
    ----------
    content : bytes
        The whole file.
    name : str
        Its name, for messages.

    Raises
    ------
    ModelError
        It is not ONNX, is cut off, or is refused by `require_harmless`; or `onnx` is not installed.
    """
    require_onnx()
    try:
        return _header(content, name)
    except AudiospecError:
        raise
    except Exception as error:  # such as a name that is no text: protobuf checks the form alone
        raise ModelError(
            f"{name} is not a valid ONNX model ({' '.join(str(error).split())[:300]})",
            "restore a complete copy",
        ) from error


def _header(content: bytes, name: str) -> Header:
    model = _parsed(content, name)
    constant = require_harmless(model, name)
    weights = {tensor.name for tensor in model.graph.initializer}
    return Header(
        sha256=hashlib.sha256(content).hexdigest(),
        inputs=tuple(_port(value) for value in model.graph.input if value.name not in weights),
        outputs=tuple(map(_port, model.graph.output)),
        metadata=MappingProxyType({entry.key: entry.value for entry in model.metadata_props}),
        producer=" ".join(filter(None, (model.producer_name, model.producer_version))),
        constant=constant,
    )


def _parsed(content: bytes, name: str) -> Any:
    """Parse a model's bytes."""
    import onnx
    from google.protobuf.message import DecodeError

    hint = "give a whole file that was exported as ONNX"
    if content.startswith(_LFS):
        raise ModelError(
            f"{name} is no ONNX model but a pointer of Git LFS", "fetch the file itself with git lfs pull"
        )
    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError as error:
        raise ModelError(f"{name} is not an ONNX model, or is cut off ({error})", hint) from error
    # Text and other messages of protobuf may parse as an empty model.
    if not (model.ir_version and model.opset_import and model.graph.node and model.graph.output):
        raise ModelError(f"{name} is not an ONNX model: it has no graph with nodes and outputs", hint)
    return model


def _port(value: Any) -> Port:
    """Return an input or output as the file states it."""
    import onnx

    if value.type.WhichOneof("value") != "tensor_type":
        return Port(value.name, "other", None)
    tensor = value.type.tensor_type
    try:
        dtype = str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    except KeyError:
        dtype = "other"
    if not tensor.HasField("shape"):
        return Port(value.name, dtype, None)
    dims = (axis.dim_value if axis.WhichOneof("value") == "dim_value" else None for axis in tensor.shape.dim)
    # Exporters write 0 or a negative number for an axis that they do not know.
    return Port(value.name, dtype, tuple(dim if dim and dim > 0 else None for dim in dims))
