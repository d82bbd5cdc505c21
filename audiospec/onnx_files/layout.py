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
        Of waves, 1: (samples,). 2: (batch, samples). 3: (batch, 1, samples). Of spectrograms, 2: without a
        batch. 3: (batch, …, …). 4: (batch, 1, …, …).
    length : int or None
        Length of the only window that the model takes, in samples or in frames; None: any.
    frames_first : bool
        Whether frames stand before bins in a spectrogram.
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
    length: int | None
    frames_first: bool
    batches: bool
    output: str
    axis: int
    columns: int | None


def layout_of(header: Header, output: str, name: str, bins: int | None = None) -> Layout:
    """Return the layout of a model that takes waves, or spectrograms.

    Parameters
    ----------
    header : Header
    output : str
        Name of an output; ``""`` if there is one only.
    name : str
        Name of the file, for messages.
    bins : int or None
        Bins of the spectrogram that it is to be fed with. None: it takes waves.

    Raises
    ------
    SpecError
        The model has several outputs and none is named, or the named one does not exist.
    ModelError
        The model does not take one wave, or spectrogram, as float32, or its output is no table of float32.
    """
    if len(header.inputs) != 1:
        raise ModelError(
            f"expected a model with one input, the waves; {name} has {len(header.inputs)}"
            f"{_listed(header.inputs)}",
            "export it with its other inputs as constants",
        )
    (port,) = header.inputs
    if bins is None:
        _require_waves(header, name)
    given = _wave_axes(port, name) if bins is None else _spectrogram_axes(port, name, bins)
    batch, length, frames_first = given
    if batch not in (1, None):
        raise ModelError(
            f"{name} takes {batch} windows at once ({port}); expected 1, or any number",
            "export it with a free batch axis",
        )
    if length is not None and not 1 < length <= MOST_SAMPLES:
        raise ModelError(
            f"expected a window of 2 to {MOST_SAMPLES} samples or frames; {name} takes {port}",
            "export it for shorter windows",
        )
    chosen = _output(header, output, name)
    axis, columns = _embedding_axis(chosen, name)
    assert port.dims is not None  # of an unknown rank, the axes were refused
    return Layout(
        input=port.name,
        rank=len(port.dims),
        length=length,
        frames_first=frames_first,
        batches=batch is None,
        output=chosen.name,
        axis=axis,
        columns=columns,
    )


def _require_waves(header: Header, name: str) -> None:
    """Raise if an export of audiospec states that it takes something else."""
    taken = header.metadata.get(INPUT, WAVE)
    if taken != WAVE:
        raise ModelError(
            f"{name} takes {printable(taken)[:99]}, as its metadata state; expected waves",
            "export the run with its frontend inside",
        )


def _wave_axes(port: Port, name: str) -> tuple[int | None, int | None, bool]:
    """Return the length of the batch (1 if there is none) and of a window of waves, and False."""
    fits = port.dtype == "float32" and port.dims is not None and 1 <= len(port.dims) <= 3
    dims = port.dims or ()
    if not fits or (len(dims) == 3 and dims[1] not in (1, None)):
        raise ModelError(
            "expected waves (samples,), (batch, samples) or (batch, 1, samples) as float32; "
            f"{name} takes {port}",
            "export it so, with its frontend inside; or name the preset of its spectrogram by `frontend`",
        )
    return (dims[0] if len(dims) > 1 else 1), dims[-1], False


def _spectrogram_axes(port: Port, name: str, bins: int) -> tuple[int | None, int | None, bool]:
    """Return the length of the batch (1 if there is none), of a window in frames, and if frames are first."""
    dims = port.dims or ()
    fits = (
        port.dtype == "float32" and 2 <= len(dims) <= 4 and not (len(dims) == 4 and dims[1] not in (1, None))
    )
    last = dims[-2:]
    if not fits or last.count(bins) != 1:  # two axes of that length do not say which are the bins
        raise ModelError(
            f"expected a spectrogram (batch, {bins}, frames) or (batch, frames, {bins}), or with an axis of "
            f"1 after the batch, as float32; {name} takes {port}",
            "name another preset by `frontend`, or export the model with that axis stated",
        )
    frames_first = last[1] == bins
    return (dims[0] if len(dims) > 2 else 1), last[0 if frames_first else 1], frames_first


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
