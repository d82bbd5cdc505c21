"""Layout: how waves go into an ONNX model, and which axis of its output is the embedding."""

from __future__ import annotations

from dataclasses import dataclass

from audiospec.errors import ModelError, SpecError, nearest
from audiospec.onnx_files.header import Header, Port
from audiospec.onnx_files.metadata import INPUT, WAVE
from audiospec.text import printable

#: Largest embedding, in columns, and longest fixed window, in samples.
MOST_COLUMNS, MOST_SAMPLES = 1 << 20, 1 << 24


@dataclass(frozen=True, slots=True)
class Layout:
    """How a model is fed with waves, and how its output is read.

    Attributes
    ----------
    input : str
        Name of the input.
    rank : int
        1: (samples,). 2: (batch, samples). 3: (batch, 1, samples).
    samples : int or None
        Length of the only window that the model takes; None: any.
    batches : bool
        Whether it takes several windows at once.
    output : str
        Name of the output.
    axis : int
        Axis of the output that is the embedding; all others are pooled.
    columns : int or None
        Length of that axis; None: the file does not state it.
    """

    input: str
    rank: int
    samples: int | None
    batches: bool
    output: str
    axis: int
    columns: int | None


def layout_of(header: Header, output: str, name: str) -> Layout:
    """Return the layout of a model that takes waves.

    Parameters
    ----------
    header : Header
    output : str
        Name of an output; ``""`` if there is one only.
    name : str
        Name of the file, for messages.

    Raises
    ------
    SpecError
        The model has several outputs and none is named, or the named one does not exist.
    ModelError
        The model does not take one wave as float32, or its output is no table of float32.
    """
    if len(header.inputs) != 1:
        raise ModelError(
            f"expected a model with one input, the waves; {name} has {len(header.inputs)}"
            f"{_listed(header.inputs)}",
            "export it with its other inputs as constants",
        )
    (wave,) = header.inputs
    taken = header.metadata.get(INPUT, WAVE)
    if taken != WAVE:
        raise ModelError(
            f"{name} takes {printable(taken)[:99]}, as its metadata state; expected waves",
            "export the run with its frontend inside",
        )
    expected = (
        f"expected waves (samples,), (batch, samples) or (batch, 1, samples) as float32; {name} takes {wave}"
    )
    if wave.dtype != "float32":
        raise ModelError(expected, "export it with an input of float32")
    if wave.dims is None or not 1 <= len(wave.dims) <= 3:
        raise ModelError(expected, "export it with its frontend inside, or with one of these shapes")
    *leading, samples = wave.dims
    if leading[1:] and leading[1] not in (1, None):
        raise ModelError(expected, "export it for waves of one channel, with its frontend inside")
    if leading and leading[0] not in (1, None):
        raise ModelError(
            f"{name} takes {leading[0]} windows at once ({wave}); expected 1, or any number",
            "export it with a free batch axis",
        )
    if samples is not None and not 1 < samples <= MOST_SAMPLES:
        raise ModelError(expected, f"export it for windows of 2 to {MOST_SAMPLES} samples")
    chosen = _output(header, output, name)
    axis, columns = _embedding_axis(chosen, name)
    return Layout(
        input=wave.name,
        rank=len(wave.dims),
        samples=samples,
        batches=bool(leading) and leading[0] is None,
        output=chosen.name,
        axis=axis,
        columns=columns,
    )


def _output(header: Header, output: str, name: str) -> Port:
    """Return the named output, or the only one."""
    if not output and len(header.outputs) > 1:
        raise SpecError(
            f"{name} has {len(header.outputs)} outputs{_listed(header.outputs)}",
            f'name one, such as `output="{printable(header.outputs[0].name)}"`',
        )
    chosen = [port for port in header.outputs if port.name == output or not output]
    if not chosen:
        raise SpecError(
            f"{name} has no output {output!r}{nearest(output, [port.name for port in header.outputs])} "
            f"(it has{_listed(header.outputs)})"
        )
    if chosen[0].name in header.constant:
        raise ModelError(
            f"output {printable(chosen[0].name)} of {name} does not depend on its input",
            "name another `output`",
        )
    return chosen[0]


def _embedding_axis(port: Port, name: str) -> tuple[int, int | None]:
    """Return the axis of an output that is the embedding, from the end, and its length if it is stated.

    It is the last axis; in an output of rank 3 whose last axis is free, as of (batch, features, frames), it
    is the middle one if that has a length.
    """
    expected = f"expected an output of rank 1 to 3 as float32; {name} has {port}"
    if port.dtype != "float32":
        raise ModelError(expected, "name another `output`, or export it as float32")
    if port.dims is None:
        return -1, None
    if not 1 <= len(port.dims) <= 3:
        raise ModelError(expected, "name another `output`")
    axis = -2 if len(port.dims) == 3 and port.dims[-1] is None and port.dims[-2] is not None else -1
    columns = port.dims[axis]
    if columns is not None and columns > MOST_COLUMNS:
        raise ModelError(
            f"{name} claims {columns} columns for {port}; expected at most {MOST_COLUMNS}",
            "name another `output`",
        )
    return axis, columns


def _listed(ports: tuple[Port, ...]) -> str:
    """Return ports for a message; at most eight."""
    more = f", and {len(ports) - 8} more" if len(ports) > 8 else ""
    return f": {', '.join(map(str, ports[:8]))}{more}" if ports else ""
