"""Estimators of scikit-learn that have no module here: skl2onnx converts them, for ONNX alone."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor, nn

from audiospec.errors import ModelError

#: Version of ONNX's operators. Version 17 brought the Fourier transform, and 20 its form that the exporter
#: writes; onnxruntime reads it since version 1.17.
OPSET = 20
#: The operator that torch records in place of an estimator, until `insert` puts in the estimator's own.
DOMAIN, OPERATOR = "audiospec", "Estimator"
#: Input and output of a converted estimator.
_COLUMNS, _OUTPUTS = "columns", "outputs"


class Converted(nn.Module):
    """An estimator as ONNX: columns (B, n) float64 → probabilities (B, classes), or numbers (B, 1), float64.

    Computed by torch, it returns zeros: it stands for the estimator while torch records the graph.

    Parameters
    ----------
    estimator : classifier or regressor of scikit-learn
        Fitted.
    columns : int
    classes : int
        0 for numbers.

    Raises
    ------
    ModelError
        skl2onnx cannot convert it, or is not installed, or torch is too old.
    """

    def __init__(self, estimator: Any, columns: int, classes: int) -> None:
        super().__init__()
        self.content = _converted(estimator, columns)
        self.digest = hashlib.sha256(self.content).hexdigest()
        self.outputs = classes or 1

    def forward(self, columns: Tensor) -> Tensor:
        """Record the operator; see the class."""
        outputs: Tensor = torch.onnx.ops.symbolic(
            f"{DOMAIN}::{OPERATOR}",
            (columns,),
            {"digest": self.digest},
            dtype=torch.float64,
            shape=(columns.shape[0], self.outputs),
            version=1,
        )
        return outputs


def converted_in(graph: nn.Module) -> dict[str, bytes]:
    """Return the converted estimators of a graph, by digest."""
    return {one.digest: one.content for one in graph.modules() if isinstance(one, Converted)}


def insert(model: Any, converted: Mapping[str, bytes]) -> None:
    """Put the operators of converted estimators into an ONNX model, each in its recorded place.

    Parameters
    ----------
    model : onnx.ModelProto
        Changed in place.
    converted : mapping
        Digest → bytes of an ONNX model.
    """
    if not converted:
        return
    import onnx

    versions = {entry.domain: entry.version for entry in model.opset_import if entry.domain != DOMAIN}
    nodes: list[Any] = []
    for number, node in enumerate(model.graph.node):
        if node.domain != DOMAIN:
            nodes.append(node)
            continue
        (digest,) = (one.s.decode() for one in node.attribute if one.name == "digest")
        part = onnx.compose.add_prefix(onnx.load_from_string(converted[digest]), f"estimator_{number}_")
        for entry in part.opset_import:
            versions[entry.domain] = max(versions.get(entry.domain, 0), entry.version)
        (given,), (result,) = part.graph.input, part.graph.output
        model.graph.initializer.extend(part.graph.initializer)
        nodes += [
            onnx.helper.make_node("Identity", node.input, [given.name]),
            *part.graph.node,
            onnx.helper.make_node("Identity", [result.name], node.output),
        ]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    del model.opset_import[:]
    model.opset_import.extend(onnx.helper.make_opsetid(*entry) for entry in versions.items())
    onnx.checker.check_model(model)


def _converted(estimator: Any, columns: int) -> bytes:
    """Return the bytes of an ONNX model with one input and one output, both float64."""
    name = type(estimator).__name__
    if find_spec("skl2onnx") is None:
        raise ModelError(
            f"an export of the estimator {name} needs skl2onnx, which is not installed",
            "pip install 'audiospec[onnx]'",
        )
    if not hasattr(torch.onnx, "ops"):
        raise ModelError(
            f"an export of the estimator {name} needs torch 2.8 or later; got {torch.__version__}",
            "install a later torch, or train one of svm, knn-1, knn-5, rf, lr, or a network",
        )
    problem = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for model in _attempts(estimator, columns):
            if isinstance(model, bytes):
                return model
            problem = shorten(str(model), 160, placeholder=" …") or type(model).__name__
    raise ModelError(
        f"the estimator {name} cannot be exported: skl2onnx: {problem}",
        "train one of svm, knn-1, knn-5, rf, lr, or a network",
    )


def _attempts(estimator: Any, columns: int) -> Iterator[bytes | Exception]:
    """Yield the converted estimator, or why not: in float64 as scikit-learn computes, then in float32.

    onnxruntime has some operators, such as those of trees, for float32 alone.
    """
    from onnx import TensorProto

    for kind in (TensorProto.DOUBLE, TensorProto.FLOAT):
        try:
            content = _in_dtype(estimator, columns, kind)
            _open(content)
        except Exception as error:  # skl2onnx and onnxruntime document no types
            yield error
        else:
            yield content


def _in_dtype(estimator: Any, columns: int, kind: int) -> bytes:
    """Return the bytes of the estimator, which computes in a dtype of ONNX."""
    import onnx
    from onnx import TensorProto, helper
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
    from sklearn.base import is_classifier

    column_type = DoubleTensorType if kind == TensorProto.DOUBLE else FloatTensorType
    whole = to_onnx(
        estimator,
        initial_types=[("rows", column_type([None, columns]))],
        # Without it, probabilities are a list of mappings.
        options={"zipmap": False} if is_classifier(estimator) else None,
        target_opset={"": OPSET, "ai.onnx.ml": 3},
    )
    last = whole.graph.output[-1]  # a classifier's first output is the predicted class
    part = onnx.utils.Extractor(whole).extract_model(["rows"], [last.name])
    nodes = [
        helper.make_node("Cast", [_COLUMNS], ["rows"], to=kind),
        *part.graph.node,
        helper.make_node("Cast", [last.name], [_OUTPUTS], to=TensorProto.DOUBLE),
    ]
    graph = helper.make_graph(
        nodes,
        "estimator",
        [helper.make_tensor_value_info(_COLUMNS, TensorProto.DOUBLE, [None, columns])],
        [helper.make_tensor_value_info(_OUTPUTS, TensorProto.DOUBLE, [None, None])],
        list(part.graph.initializer),
    )
    versions: dict[str, int] = {"": OPSET}
    for entry in part.opset_import:
        versions[entry.domain] = max(versions.get(entry.domain, 0), entry.version)
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(*entry) for entry in versions.items()],
        ir_version=part.ir_version,
    )
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _open(content: bytes) -> None:
    """Raise if onnxruntime has no operator for a dtype of the model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
