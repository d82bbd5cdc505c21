"""What `features embedding` shows of an ONNX model, and of the spec that is made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from audiospec.cli._text import by, facts, say, table
from audiospec.onnx_files.header import Port, read_header
from audiospec.onnx_files.kept import beside, find
from audiospec.onnx_files.metadata import LABELS, stated_licence, stated_rate
from audiospec.specs.embedding import EmbeddingSpec
from audiospec.text import size

#: Labels that are shown.
MOST_LABELS = 5


def print_model(values: Mapping[str, str]) -> None:
    """Print what a model's file says, then the spec that is made of it, and how near its numbers are.

    Parameters
    ----------
    values : mapping of str to str
        Fields of the spec, among them ``model``.

    Raises
    ------
    ModelError, SpecError
        The file is refused, or a value contradicts it; what the file says is printed by then.
    """
    file = Path(values["model"]).expanduser()
    header = read_header(file)
    rate = stated_rate(header.metadata)
    licence, labels = stated_licence(header.metadata), _labels(header.metadata)
    stated = {
        "SHA-256": header.sha256,
        "size": size(file.stat().st_size),
        "rate": "not stated" if rate is None else f"{rate} Hz",
        "licence": licence or "not stated",
        **({"labels": labels} if labels else {}),
        **({"written by": header.producer} if header.producer else {}),
    }
    say(str(file), "bold")
    facts(stated)
    say()
    ports = [("input", port) for port in header.inputs] + [("output", port) for port in header.outputs]
    table(
        [(kind, port.name, port.dtype, _shape(port)) for kind, port in ports], ("", "name", "type", "shape")
    )
    say()
    spec = EmbeddingSpec.replace_in(values)
    samples, mel = spec.window_samples or spec.sample_rate, spec.frontend
    from audiospec.pipeline.trial import try_out

    measured = try_out(spec, samples)
    reference = measured["reference"]
    window = "the whole chunk" if spec.window is None else f"{spec.window:g} s every {spec.hop:g} s"
    facts(
        {
            "output": f"{spec.output}, {spec.size} columns",
            "windows": window,
            **({} if mel is None else {"frontend": f"log-mel spectrogram, {by(mel.row_shape(samples))}"}),
            "row": f"{spec.row_shape(samples)[0]} columns: {', '.join(spec.pooling)} over frames",
            "reference": f"none; it would be {beside(file).name} beside the file"
            if reference is None
            else f"differs by at most {reference:.2g} of the largest value",
            "parity": f"at most {measured['parity']:.2g} from {spec.exact}",
            "fingerprint": spec.fingerprint,
            "found again": str(find(spec.sha256)),
        }
    )
    say()


def _labels(metadata: Mapping[str, str]) -> str:
    """Return the labels that a model states, as text; ``""`` if it states none that can be read."""
    try:
        labels = json.loads(metadata.get(LABELS, "[]"))
    except (ValueError, RecursionError):
        return ""
    if not isinstance(labels, list) or not labels:
        return ""
    more = ", …" if len(labels) > MOST_LABELS else ""
    return f"{len(labels)}: {', '.join(str(label)[:40] for label in labels[:MOST_LABELS])}{more}"


def _shape(port: Port) -> str:
    if port.dims is None:
        return "not stated"
    return " × ".join("free" if length is None else str(length) for length in port.dims) or "a single number"
