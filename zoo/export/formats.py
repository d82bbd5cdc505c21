"""The formats of exports: a graph as bytes, and how those bytes are run to compare them."""

from __future__ import annotations

import io
import json
import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from audiospec.errors import ModelError
from audiospec.version import __version__
from audiospec.zoo.export.converted import OPSET, converted_in, insert

#: More samples than any limit that torch finds in a graph.
_ENDLESS = 1 << 30
#: Values in, values out.
Compute = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Traced:
    """What torch recorded of a graph.

    Attributes
    ----------
    program : torch.export.ExportedProgram
    any_length : bool
        Whether the second axis is free.
    least, most : int or None
        Fewest and most samples that it was recorded for. None: no limit.
    converted : mapping
        Digest → bytes of each estimator that is in ONNX already.
    """

    program: Any
    any_length: bool
    least: int | None = None
    most: int | None = None
    converted: Mapping[str, bytes] = field(default_factory=dict)

    def reads(self, samples: int) -> bool:
        """Return whether it was recorded for another length than the example's."""
        return (
            self.any_length and (self.least or 0) <= samples and (self.most is None or samples <= self.most)
        )


class Names(NamedTuple):
    """Names in a file.

    Attributes
    ----------
    input, output : str
    axes : tuple of str
        Of the input's free axes: the first, and the second if it is free.
    """

    input: str
    output: str
    axes: tuple[str, ...]


class Format(ABC):
    """A format of exports.

    Attributes
    ----------
    suffix : str
        Of its files.
    onnx : bool
        Whether recurrent layers are ONNX's operators.
    """

    suffix: ClassVar[str]
    onnx: ClassVar[bool]

    @abstractmethod
    def write(self, traced: Traced, names: Names, about: Mapping[str, str]) -> bytes:
        """Return the file's bytes.

        Parameters
        ----------
        traced : Traced
        names : Names
        about : mapping
            Metadata, all text.
        """

    @abstractmethod
    def opened(self, content: bytes) -> Compute:
        """Return the function that a file computes."""


class Onnx(Format):
    """ONNX, computed by onnxruntime."""

    suffix = ".onnx"
    onnx = True

    def __init__(self) -> None:
        missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
        if missing:
            raise ModelError(
                f"an export to ONNX needs {', '.join(missing)}, which is not installed",
                "pip install 'audiospec[onnx]'",
            )

    def write(self, traced: Traced, names: Names, about: Mapping[str, str]) -> bytes:
        """Return the bytes of a model."""
        with quietly():
            exported = torch.onnx.export(
                traced.program,
                dynamo=True,
                opset_version=OPSET,
                verbose=False,
                input_names=[names.input],
                output_names=[names.output],
            )
        assert exported is not None
        model = exported.model_proto
        insert(model, traced.converted)
        model.producer_name, model.producer_version = "audiospec", __version__
        model.doc_string = about["audiospec.description"]
        (given,) = model.graph.input
        renamed = {
            dimension.dim_param: axis
            for dimension, axis in zip(given.type.tensor_type.shape.dim, names.axes, strict=False)
            if dimension.dim_param
        }
        _rename_axes(model.graph, renamed)
        for key, value in about.items():
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
        content: bytes = model.SerializeToString()
        return content

    def opened(self, content: bytes) -> Compute:
        """Return what onnxruntime computes, on one thread."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        (given,) = session.get_inputs()

        def compute(values: NDArray[np.float32]) -> NDArray[np.float32]:
            outputs: NDArray[np.float32] = session.run(None, {given.name: values})[0]
            return outputs

        return compute


class Torch(Format):
    """torch.export's archive, computed by torch."""

    suffix = ".pt2"
    onnx = False

    def write(self, traced: Traced, names: Names, about: Mapping[str, str]) -> bytes:
        """Return the bytes of an archive; the metadata is its extra file ``audiospec.json``."""
        buffer = io.BytesIO()
        with quietly():
            torch.export.save(traced.program, buffer, extra_files={"audiospec.json": json.dumps(dict(about))})
        return buffer.getvalue()

    def opened(self, content: bytes) -> Compute:
        """Return what the archive's module computes."""
        with quietly():
            module = torch.export.load(io.BytesIO(content)).module()

        def compute(values: NDArray[np.float32]) -> NDArray[np.float32]:
            with torch.inference_mode(), quietly():
                outputs: NDArray[np.float32] = module(torch.from_numpy(values)).numpy()
            return outputs

        return compute


def format_of(path: Path) -> Format:
    """Return the format of a file, by its suffix.

    Raises
    ------
    ModelError
        It has none, or an extra is missing.
    """
    formats = {one.suffix: one for one in (Onnx, Torch)}
    kind = formats.get(path.suffix.lower())
    if kind is None:
        raise ModelError(
            f"expected a file with the suffix {' or '.join(formats)}; got {path.name!r}",
            "give the file another name, such as model.onnx",
        )
    return kind()


def trace(graph: nn.Module, example: torch.Tensor, *, any_length: bool) -> Traced:
    """Record a graph for any batch, and for any length where that is possible.

    Parameters
    ----------
    graph : Module
        (B, n, …) → (B, …).
    example : Tensor, shape (2, n, …), float32
    any_length : bool
        Whether to try to leave the second axis free.

    Raises
    ------
    Exception
        What torch raises if a part cannot be recorded: it documents no types.
    """
    batch = {0: torch.export.Dim("batch", min=1, max=1 << 16)}
    if any_length:
        try:
            free = _recorded(graph, example, {**batch, 1: torch.export.Dim.DYNAMIC})
        except Exception:  # noqa: S110 - see Raises; the fixed length may be possible
            pass
        else:
            return Traced(free, True, *_range(free), converted=converted_in(graph))
    return Traced(_recorded(graph, example, batch), False, converted=converted_in(graph))


def _recorded(graph: nn.Module, example: torch.Tensor, axes: Mapping[int, Any]) -> Any:
    with quietly(), torch.no_grad():
        return torch.export.export(
            graph.eval(),
            (example,),
            dynamic_shapes=(dict(axes),),
            strict=False,
            prefer_deferred_runtime_asserts_over_guards=True,
        )


def _range(program: Any) -> tuple[int | None, int | None]:
    """Return the fewest and the most samples that a program was recorded for."""
    given = next(node for node in program.graph.nodes if node.name == program.graph_signature.user_inputs[0])
    symbol = given.meta["val"].shape[1].node.expr
    limits = program.range_constraints[symbol]
    most = None if limits.upper > _ENDLESS else int(limits.upper)  # infinity, in symbols
    return int(limits.lower), most


def _rename_axes(graph: Any, names: Mapping[str, str]) -> None:
    """Give the free axes of an ONNX graph's values names that say what they are."""
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param in names:
                dimension.dim_param = names[dimension.dim_param]
            elif dimension.dim_param in names.values():
                continue
            elif dimension.dim_param and value in graph.output:
                dimension.dim_param = "frames"


@contextmanager
def quietly() -> Iterator[None]:
    """Keep the warnings and the progress of torch's exporters from the terminal."""
    loggers = [
        logging.getLogger(name) for name in ("torch", "torch.export", "torch.onnx", "onnxscript", "onnx_ir")
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
