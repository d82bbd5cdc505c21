"""What a file says of itself: the keys of an export's metadata, and their values as text."""

from __future__ import annotations

import json
from typing import Any

from audiospec.onnx_files.metadata import PREFIX, WAVE
from audiospec.specs.table import TableSpec
from audiospec.version import __version__
from audiospec.zoo.export.graph import FEATURES
from audiospec.zoo.runs.info import split_name
from audiospec.zoo.runs.licences import licences_inside
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.measuring.stored import stored_scores
from audiospec.zoo.targets.number import Number


def output_name(run: Run) -> str:
    """Return the name of the output: ``"probabilities"``, or ``"values"`` of numbers."""
    return "values" if isinstance(run.target, Number) else "probabilities"


def licence_of(run: Run, licence: str) -> str:
    """Return the given licence, and those of pretrained weights that are inside; ``""`` if there is none."""
    inside = licences_inside(run.spec.feature, run.info.model)
    parts = [licence, *(f"{name}: {stated}" for _, name, stated in inside)]
    return "; ".join(part for part in parts if part)


def about(
    run: Run, *, kind: str, licence: str, samples: tuple[int | None, int | None, int]
) -> dict[str, str]:
    """Return the metadata of an export, without what its comparison found.

    Parameters
    ----------
    run : Run
    kind : str
        `WAVE` or `FEATURES`.
    licence : str
    samples : (int or None, int or None, int)
        Fewest and most samples of a chunk that it reads, and those of the run's chunks.
    """
    info, spec = run.info, run.spec
    least, most, length = samples
    values: dict[str, Any] = {
        "description": f"{info.model} on {info.view}, of {info.dataset}: {kind} in, {output_name(run)} out",
        "version": __version__,
        "model": info.model,
        "run": run.digest,
        "dataset": info.dataset,
        "input": kind,
        "output": output_name(run),
        "target": info.target,
        "labels": info.classes,
        "licence": licence_of(run, licence),
        "spec": info.spec,
        "fingerprint": spec.fingerprint,
        "row_shape": info.row_shape,
        "scores": _scores(run),
        "split": split_name(info.split),
    }
    if not isinstance(spec, TableSpec):
        values |= {
            "sample_rate": spec.sample_rate,
            "channel": spec.channel,
            "chunk_seconds": run.chunking.seconds,
            "hop_seconds": run.chunking.hop,
            "chunk_samples": length,
            "pads": spec.pads,
        }
    if kind == WAVE:
        values["samples"] = length if least == most == length else "any"
        values["least_samples"] = least
        if most is not None:
            values["most_samples"] = most
    if kind == FEATURES and spec.kind == "table":
        values["columns"] = list(getattr(spec, "columns", ()))
    return {
        f"{PREFIX}{name}": value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
    }


def _scores(run: Run) -> dict[str, dict[str, Any]]:
    """Return the scores on the test rows, each with its interval, by chunk and by track."""
    tables = {level: run.metrics["test"][level] for level in ("chunk", "track")}
    keys = stored_scores(tables.values())
    return {
        level: {name: table[name] for key in keys for name in (key, f"{key}_interval") if name in table}
        | {"count": table["count"]}
        for level, table in tables.items()
    }
