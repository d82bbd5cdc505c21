"""Small ONNX models for tests: one convolution over waves, with any input, outputs and metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

#: Columns, samples of a filter, and samples from one frame to the next of the convolution.
COLUMNS, WIDTH, HOP = 6, 64, 16


def conv_model(
    shape: Sequence[int | str | None] = ("batch", "samples"),
    outputs: Sequence[str] = ("embedding",),
    metadata: Mapping[str, str] = MappingProxyType({}),
    seed: int = 0,
) -> Any:
    """Return a model of waves: reshape → convolution → ReLU → frames, their mean, and a softmax of that.

    Parameters
    ----------
    shape : sequence
        Shape of the input ``waves``, of rank 1 to 3; a text is a free axis.
    outputs : sequence of str
        Some of ``"frames"`` (batch, `COLUMNS`, frames), ``"embedding"`` (batch, `COLUMNS`) and ``"classes"``
        (batch, `COLUMNS`).
    metadata : mapping
        Key → value of the metadata.
    seed : int
        Of the weights.

    Returns
    -------
    onnx.ModelProto
    """
    from onnx import TensorProto, helper, numpy_helper

    batch = shape[0] if len(shape) > 1 else 1
    shapes = {
        "frames": [batch, COLUMNS, "frames"],
        "embedding": [batch, COLUMNS],
        "classes": [batch, COLUMNS],
    }
    weights = np.random.default_rng(seed).normal(0, 1 / 8, (COLUMNS, 1, WIDTH)).astype(np.float32)
    nodes = [
        helper.make_node("Reshape", ["waves", "shape"], ["batched"]),
        helper.make_node("Conv", ["batched", "weights"], ["convolved"], strides=[HOP]),
        helper.make_node("Relu", ["convolved"], ["frames"]),
        helper.make_node("ReduceMean", ["frames", "last"], ["embedding"], keepdims=0),
        helper.make_node("Softmax", ["embedding"], ["classes"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "conv",
        [helper.make_tensor_value_info("waves", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in outputs],
        [
            numpy_helper.from_array(weights, "weights"),
            # 0 keeps the batch, which waves of rank 1 do not have
            numpy_helper.from_array(np.array([int(len(shape) == 1), 1, -1], np.int64), "shape"),
            numpy_helper.from_array(np.array([2], np.int64), "last"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, dict(metadata))
    return model


def write_model(path: Path, model: Any) -> Path:
    """Write a model as one file, and return its path."""
    path.write_bytes(model.SerializeToString())
    return path
