"""An ONNX file is a claim: what it must not have is refused before onnxruntime sees it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiospec.errors import AudiospecError, ModelError, SpecError
from audiospec.onnx_files.header import Header, Port, header_of, read_header
from audiospec.onnx_files.layout import layout_of
from audiospec.testing.onnx_models import COLUMNS, conv_model, write_model

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def header(model: Any) -> Header:
    return header_of(model.SerializeToString(), "m.onnx")


def with_node(*node: Any, **attributes: Any) -> Any:
    """Return the model with a node before its output."""
    model = conv_model()
    model.graph.node[-1].CopyFrom(helper.make_node("Identity", ["embedding"], ["before"]))
    model.graph.node.append(helper.make_node(*node, **attributes))
    return model


def function(domain: str, name: str, *ops: tuple[str, str]) -> Any:
    """Return a function of the model: a chain of operators (domain, name) with one input and output."""
    nodes = [helper.make_node(op, [f"x{i}"], [f"x{i + 1}"], domain=home) for i, (home, op) in enumerate(ops)]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    return helper.make_function(domain, name, ["x0"], [f"x{len(ops)}"], nodes, opsets)


def with_functions(called: str, *functions: Any) -> Any:
    model = with_node(called, ["before"], ["after"], domain="own")
    model.opset_import.append(helper.make_opsetid("own", 1))
    model.functions.extend(functions)
    return model


def branching(tensor: Any) -> Any:
    """Return a model whose tensor is deep inside: a constant in a branch in a branch."""
    constant = helper.make_node("Constant", [], ["deep"], value=tensor)
    inner = helper.make_graph([constant], "inner", [], [helper.make_tensor_value_info("deep", 1, None)])
    outer = helper.make_graph(
        [helper.make_node("If", ["yes"], ["deeper"], then_branch=inner, else_branch=inner)],
        "outer",
        [],
        [helper.make_tensor_value_info("deeper", 1, None)],
    )
    model = with_node("If", ["yes"], ["chosen"], then_branch=outer, else_branch=outer)
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    return model


def external(location: str) -> Any:
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def with_weight(tensor: Any) -> Any:
    model = conv_model()
    model.graph.initializer.append(tensor)
    return model


def claiming(*dims: int) -> Any:
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "w")
    del tensor.dims[:]
    tensor.dims.extend(dims)
    return tensor


def sparse() -> Any:
    model = conv_model()
    values = numpy_helper.from_array(np.ones(1, np.float32), "s")
    where = numpy_helper.from_array(np.array([7], np.int64), "at")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, where, [1 << 40]))
    return model


REFUSED = {
    "of a foreign domain": (lambda: with_node("Steal", ["before"], ["x"], domain="evil"), "custom operators"),
    "of onnxruntime alone": (
        lambda: with_node("FusedConv", ["before"], ["x"], domain="com.microsoft"),
        "custom operators",
    ),
    "that does not exist": (lambda: with_node("Telepathy", ["before"], ["x"]), "does not define"),
    "in a function": (
        lambda: with_functions("F", function("own", "F", ("", "Relu"), ("evil", "Steal"))),
        "'Steal' of domain 'evil'",
    ),
    "in a function that is not called": (
        lambda: with_functions(
            "F", function("own", "F", ("", "Relu")), function("own", "G", ("evil", "Steal"))
        ),
        "'Steal' of domain 'evil'",
    ),
    "in a branch": (
        lambda: with_node(
            "If",
            ["before"],
            ["x"],
            then_branch=helper.make_graph([helper.make_node("Steal", [], ["y"], domain="evil")], "g", [], []),
        ),
        "'Steal' of domain 'evil'",
    ),
    "of a function that calls itself": (
        lambda: with_functions("F", function("own", "F", ("own", "F"))),
        "without end",
    ),
    "of functions that call each other": (
        lambda: with_functions("F", function("own", "F", ("own", "G")), function("own", "G", ("own", "F"))),
        "without end",
    ),
    "of functions that multiply": (
        lambda: with_functions(
            "F0",
            *(function("own", f"F{i}", *[("own", f"F{i + 1}")] * 10) for i in range(12)),
            function("own", "F12", ("", "Relu")),
        ),
        "more than 1048576 nodes",
    ),
    "with weights elsewhere": (lambda: with_weight(external("weights.bin")), "'weights.bin'"),
    "with a path that leads out": (lambda: with_weight(external("../../etc/passwd")), "another file"),
    "with a constant elsewhere": (lambda: branching(external("/etc/passwd")), "'/etc/passwd'"),
    "with a claim of terabytes": (lambda: with_weight(claiming(1 << 40)), "claims 1099511627776 numbers"),
    "with a claim in a branch": (lambda: branching(claiming(1 << 30, 1 << 30)), "claims"),
    "with a negative shape": (lambda: with_weight(claiming(-4)), "claims -4"),
    "with sparse weights": (sparse, "sparse"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_model_is_refused(name: str) -> None:
    make, reason = REFUSED[name]
    with pytest.raises(ModelError, match=reason):
        header(make())


def test_functions_of_standard_operators_are_not_foreign() -> None:
    functions = function("own", "F", ("", "Relu"), ("own", "G")), function("own", "G", ("", "Abs"))
    assert header(with_functions("F", *functions)).outputs[0].name == "embedding"


def test_weights_in_another_file_are_not_read_even_if_they_are_there(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(np.ones(4, np.float32).tobytes())
    with pytest.raises(ModelError, match="save the model as one file"):
        read_header(write_model(tmp_path / "m.onnx", with_weight(external("weights.bin"))))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not an ONNX model"),
        (b"<!DOCTYPE html><html>404</html>", "not an ONNX model"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "pointer of Git LFS"),
        (b"\x08\x08", "no graph"),
        (os.urandom(4096), "not an ONNX model|not a valid"),
    ],
    ids=["empty", "html", "lfs", "version", "noise"],
)
def test_what_is_not_onnx_says_so(content: bytes, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        header_of(content, "m.onnx")


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_what_is_no_file_says_so(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    {"missing": lambda: None, "folder": path.mkdir, "pipe": lambda: os.mkfifo(path)}[kind]()
    with pytest.raises(ModelError, match="cannot read the ONNX model"):
        read_header(path)


WHOLE = conv_model(outputs=("frames", "embedding"), metadata={"sample_rate": "16000"}).SerializeToString()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, len(WHOLE) - 1))
def test_a_file_that_is_cut_off_is_refused_or_whole(length: int) -> None:
    """A cut between two fields of the message loses only metadata, or is noticed."""
    with suppress(AudiospecError):
        assert header_of(WHOLE[:length], "m.onnx").outputs


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_damage_is_an_error_of_audiospec_or_harmless(place: int, change: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[place] ^= change
    with suppress(AudiospecError):  # any other error fails
        layout_of(header_of(bytes(damaged), "m.onnx"), "embedding", "m.onnx")


def taking(dtype: int, *shape: Any, inputs: int = 1) -> Callable[[], Header]:
    """Return a model of one node that takes inputs of a type and shape."""

    def make() -> Header:
        names = [f"in{i}" for i in range(inputs)]
        graph = helper.make_graph(
            [helper.make_node("Identity", names[:1], ["out"])],
            "g",
            [helper.make_tensor_value_info(name, dtype, list(shape) or None) for name in names],
            [helper.make_tensor_value_info("out", dtype, [None, 4])],
        )
        return header(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10))

    return make


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (taking(TensorProto.FLOAT16, 1, "n"), r"as float32; m.onnx takes in0 \(float16, 1 × free\)"),
        (taking(TensorProto.DOUBLE, 1, "n"), "float64"),
        (taking(TensorProto.INT16, "n"), "int16"),
        (taking(TensorProto.FLOAT), "'shape' of 'type' is required"),
        (taking(TensorProto.FLOAT, 1, 1, 64, "t"), "1 × 1 × 64 × free"),
        (taking(TensorProto.FLOAT, 1, 64, "t"), "1 × 64 × free"),
        (taking(TensorProto.FLOAT, 8, "n"), "8 windows at once"),
        (taking(TensorProto.FLOAT, 1, 1 << 40), "a window of 2 to"),
        (taking(TensorProto.FLOAT, 1, "n", inputs=2), r"has 2: in0 \(.*, in1 \("),
    ],
    ids=["float16", "float64", "int16", "no rank", "rank 4", "a mel", "batch of 8", "days", "two inputs"],
)
def test_an_input_that_is_no_wave_is_refused(make: Callable[[], Header], reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        layout_of(make(), "", "m.onnx")


def test_several_outputs_are_listed() -> None:
    several = header(conv_model(outputs=("frames", "embedding")))
    with pytest.raises(SpecError, match=r"has 2 outputs: frames \(float32, free × 6 × free\), embedding"):
        layout_of(several, "", "m.onnx")
    with pytest.raises(SpecError, match="no output 'embeding'; did you mean 'embedding'"):
        layout_of(several, "embeding", "m.onnx")


def test_an_output_that_depends_on_nothing_is_refused() -> None:
    model = conv_model()
    model.graph.node.append(helper.make_node("Identity", ["weights"], ["fixed"]))
    model.graph.output.append(helper.make_tensor_value_info("fixed", TensorProto.FLOAT, [None, 1, None]))
    with pytest.raises(ModelError, match=r"fixed of m\.onnx does not depend on its input"):
        layout_of(header(model), "fixed", "m.onnx")


def test_an_export_for_features_is_no_embedding_of_waves() -> None:
    with pytest.raises(ModelError, match="takes features, as its metadata state"):
        layout_of(header(conv_model(metadata={"audiospec.input": "features"})), "", "m.onnx")


@pytest.mark.parametrize(
    ("dims", "axis", "columns"),
    [
        ((6,), -1, 6),
        ((1, 6), -1, 6),
        ((None, None, 6), -1, 6),
        ((None, 6, None), -2, 6),
        ((None, None), -1, None),
        (None, -1, None),
    ],
)
def test_the_axis_of_the_embedding(dims: Any, axis: int, columns: int | None) -> None:
    stated = Header(
        "", (Port("w", "float32", (None, None)),), (Port("e", "float32", dims),), {}, "", frozenset()
    )
    layout = layout_of(stated, "", "m.onnx")
    assert (layout.axis, layout.columns) == (axis, columns)


@pytest.mark.parametrize(
    ("dtype", "dims"),
    [("float16", (1, 6)), ("int64", (6,)), ("float32", (1, 6, 1, 1)), ("float32", (1, 1 << 40))],
)
def test_an_output_that_is_no_embedding_is_refused(dtype: str, dims: tuple[int, ...]) -> None:
    stated = Header("", (Port("w", "float32", (None, None)),), (Port("e", dtype, dims),), {}, "", frozenset())
    with pytest.raises(ModelError, match="expected"):
        layout_of(stated, "", "m.onnx")


def test_columns_of_the_small_model() -> None:
    assert layout_of(header(conv_model()), "", "m.onnx").columns == COLUMNS
