"""What an ONNX model must not have: weights in other files, operators of its own, false or endless claims."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from audiospec.errors import ModelError
from audiospec.fields import shown

#: Domains of the operators that the standard defines.
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
#: Most nodes of a model whose functions are expanded.
MOST_NODES = 1 << 20
#: Deepest nesting of functions.
MOST_CALLS = 64


def require_harmless(model: Any, name: str) -> frozenset[str]:
    """Check a model that was parsed, without running any of it.

    Parameters
    ----------
    model : onnx.ModelProto
    name : str
        Name of the file, for messages.

    Returns
    -------
    frozenset of str
        Outputs that depend on no input.

    Raises
    ------
    ModelError
        Weights are in other files, or claim more numbers than they hold; an operator is not of the standard,
        or functions call each other without end; or `onnx.checker` finds the model invalid.
    """
    graphs = [model.graph, *_inner_graphs(model.graph.node)]
    for function in model.functions:
        graphs += _inner_graphs(function.node)
    for graph in graphs:
        for tensor in graph.initializer:
            _require_whole(tensor, name)
        if graph.sparse_initializer:
            raise ModelError(f"{name} has sparse weights", "export it with dense weights")
    for node in _all_nodes(model):
        for attribute in node.attribute:
            for tensor in (attribute.t, *attribute.tensors):
                _require_whole(tensor, name)
            if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
                raise ModelError(f"{name} has sparse constants", "export it with dense constants")
    _require_standard(model, name)
    _require_valid(model, name)
    return _constant_outputs(model.graph)


def _inner_graphs(nodes: Any) -> list[Any]:
    """Return the graphs in the attributes of nodes, such as the branches of an If, and those in them."""
    waiting, found = list(nodes), []
    while waiting:
        for attribute in waiting.pop().attribute:
            for graph in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                found.append(graph)
                waiting.extend(graph.node)
    return found


def _all_nodes(model: Any) -> Iterator[Any]:
    """Yield every node of the graph, of its functions, and of graphs inside them."""
    for body in (model.graph, *model.functions):
        yield from body.node
        for graph in _inner_graphs(body.node):
            yield from graph.node


def _require_whole(tensor: Any, name: str) -> None:
    """Raise unless a tensor's numbers are in the file, as many as its shape claims."""
    if tensor.external_data or tensor.data_location == tensor.EXTERNAL:
        entry = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
        raise ModelError(
            f"{name} keeps weights in another file ({shown(entry)}), which is not read",
            "save the model as one file: onnx.save(onnx.load(FILE), NEW_FILE)",
        )
    typed = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")
    held = len(tensor.raw_data) + sum(len(getattr(tensor, field)) for field in typed)
    # A byte, or an entry of a typed field, holds two numbers of 4 bits at most.
    if any(length < 0 for length in tensor.dims) or math.prod(tensor.dims) > 2 * held + (not tensor.dims):
        raise ModelError(
            f"{name} claims {' × '.join(map(str, tensor.dims))} numbers for tensor {shown(tensor.name)}, and "
            f"holds {held} bytes of it",
            "the file is damaged: restore a complete copy",
        )


def _require_standard(model: Any, name: str) -> None:
    """Raise unless every operator is of the standard, or a function of the model that is made of such."""
    versions = {entry.domain: entry.version for entry in model.opset_import}
    functions = {
        (function.domain, function.name, getattr(function, "overload", "")): function
        for function in model.functions
    }
    counted: dict[Any, int] = {}

    def count(body: Any, opsets: dict[str, int], inside: tuple[Any, ...]) -> int:
        """Count the nodes of a graph or function, with its functions expanded."""
        total = 0
        for node in (node for part in [body, *_inner_graphs(body.node)] for node in part.node):
            key = (node.domain, node.op_type, getattr(node, "overload", ""))
            if key not in functions:
                _require_operator(node, opsets, name)
                total += 1
                continue
            if key in inside or len(inside) >= MOST_CALLS:
                raise ModelError(f"{name} has functions that call each other without end, such as {key[1]!a}")
            if key not in counted:
                called = functions[key]
                own = {entry.domain: entry.version for entry in called.opset_import}
                counted[key] = count(called, own or opsets, (*inside, key))
            total += counted[key]
        if total > MOST_NODES:
            raise ModelError(f"{name} has more than {MOST_NODES} nodes, with its functions expanded")
        return total

    count(model.graph, versions, ())
    for key, function in functions.items():  # also those that are not called
        own = {entry.domain: entry.version for entry in function.opset_import}
        count(function, own or versions, (key,))


def _require_operator(node: Any, opsets: dict[str, int], name: str) -> None:
    """Raise unless the standard defines a node's operator."""
    import onnx

    if node.domain not in DOMAINS:
        raise ModelError(
            f"{name} has the operator {shown(node.op_type)} of domain {shown(node.domain)}: custom operators "
            "are code of their own, and are not run",
            "export the model with standard operators (ai.onnx, ai.onnx.ml) alone, before onnxruntime "
            "optimises it",
        )
    domain = "" if node.domain == "ai.onnx" else node.domain
    version = opsets.get(domain, opsets.get("ai.onnx", 0) if not domain else 0)
    # A newer opset than this onnx knows may define more; onnxruntime then says whether it has them.
    known = onnx.defs.onnx_opset_version() if not domain else 1 << 30
    if version <= known and not onnx.defs.has(node.op_type, max(version, 1), domain):
        raise ModelError(
            f"{name} has the operator {shown(node.op_type)}, which opset {version} of ONNX does not define",
            "export the model again",
        )


def _require_valid(model: Any, name: str) -> None:
    """Raise unless the checker of `onnx` accepts a model."""
    import onnx

    try:
        onnx.checker.check_model(model)
    except Exception as error:  # the checker has several classes, one of them in C++
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"{name} is not a valid ONNX model ({reason})", "export the model again") from error


def _constant_outputs(graph: Any) -> frozenset[str]:
    """Return the outputs of a graph that depend on none of its inputs."""
    weights = {tensor.name for tensor in graph.initializer}
    dependent = {value.name for value in graph.input} - weights
    for node in graph.node:  # the standard demands that a node follows those that it reads
        read = set(node.input)
        for inner in _inner_graphs([node]):
            for each in inner.node:
                read.update(each.input)
            read.update(value.name for value in inner.output)
        if not read.isdisjoint(dependent):
            dependent.update(filter(None, node.output))
    return frozenset(value.name for value in graph.output if value.name not in dependent)
