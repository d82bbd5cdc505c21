"""Export a run as one file, and show that it predicts what the run predicts before anything is written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from audiospec.errors import AudiospecError, ModelError, RunError
from audiospec.features.base import Frontend, frontend
from audiospec.files import write_bytes
from audiospec.onnx_files.metadata import PREFIX, WAVE
from audiospec.specs.base import features
from audiospec.specs.table import TableSpec
from audiospec.storage.location import Location
from audiospec.stores.base import open_store
from audiospec.zoo.base import Model
from audiospec.zoo.calibration.calibrated import CalibratedModel
from audiospec.zoo.export.clips import clips_of
from audiospec.zoo.export.formats import Format, Names, Traced, format_of, trace
from audiospec.zoo.export.graph import FEATURES, Graph, Stored, model_module
from audiospec.zoo.export.metadata import about, output_name
from audiospec.zoo.export.parity import (
    MOST_DIFFERENCE,
    Case,
    cases_of_rows,
    cases_of_waves,
    largest_difference,
)
from audiospec.zoo.export.recurrent import has_recurrence
from audiospec.zoo.hub.load import load_run
from audiospec.zoo.network import NetworkModel
from audiospec.zoo.runs.run import Run

#: Rows of a store that an export of features alone is compared on.
MOST_ROWS = 64


@dataclass(frozen=True, kw_only=True)
class Export:
    """A file that was written, and what it was compared on.

    Attributes
    ----------
    path : Path
    bytes : int
    input : str
        ``"wave"`` or ``"features"``.
    any_length : bool
        Whether chunks of other lengths than the run's can be predicted.
    difference : float
        Largest difference from the run: of probabilities, and of numbers in deviations.
    compared : str
        What it was compared on: ``"test tracks"``, ``"given"``, ``"synthesised"`` or ``"rows"``.
    clips : list of str
        The audio that it was compared on; empty for rows.
    cases : list of str
        Batches that were compared, such as ``"chunks"`` and ``"0.7 chunks"``.
    licence : str
        As its metadata has it; ``""`` if none is known.
    """

    path: Path
    bytes: int
    input: str
    any_length: bool
    difference: float
    compared: str
    clips: list[str]
    cases: list[str]
    licence: str

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as plain JSON values."""
        return {**asdict(self), "path": str(self.path)}


def export_run(
    run: Run | Path | str,
    out: Path | str,
    *,
    input: str = WAVE,
    audio: Sequence[Location | str] | None = None,
    backend: str | None = None,
    licence: str = "",
) -> Export:
    """Write a run as one file that other programs run: waves in, probabilities out.

    The file has the frontend, the rounding of the run's store, the model and its calibration. Its input
    ``wave`` is float32 of shape (batch, samples): chunks at the run's sample rate, mono, full scale at ±1.
    Its output, float32, is ``probabilities`` of shape (batch, labels), or (batch, frames, labels) for labels
    in time, or ``values`` of shape (batch, 1) for a number. Before it is written, it predicts ten clips, in
    several batches and lengths, and each output must be within 1e-4 of the run's.

    Parameters
    ----------
    run : Run, path or ``hf://user/name``
        A run of one model.
    out : path
        ``NAME.onnx``, which needs ``pip install 'audiospec[onnx]'``; or ``NAME.pt2``, for torch. A file that
        exists is replaced.
    input : "wave" or "features"
        ``"features"``: rows of the feature in place of waves, of shape (batch, *row_shape), for a frontend
        that cannot be exported, or a table without one.
    audio : sequence of path or URL, or None
        Audio to compare on, and folders of it. None: test tracks of the run's store if their audio is there,
        or else synthesised clips.
    backend : str or None
        How the frontend computes in the file. None: ``"fft"`` where the frontend has it, which ONNX's Fourier
        transform computes. ``"conv"``: by convolution, for runtimes without that operator.
    licence : str
        The licence of the model, for the file's metadata. Those of pretrained weights are added.

    Returns
    -------
    Export

    Raises
    ------
    ModelError
        A part cannot be exported, an extra is missing, or the file's outputs differ from the run's by more
        than 1e-4. Nothing is written then.
    RunError
        The run is a cross-validation, or was trained on an imported table.
    """
    opened = run if isinstance(run, Run) else load_run(run)
    path = Path(out)
    if input not in (WAVE, FEATURES):
        raise ModelError(f"parameter input must be {WAVE!r} or {FEATURES!r}; got {input!r}")
    form = format_of(path)
    model = opened.model("cpu")
    traced = _traced(opened, model, form, input, backend)
    spec = opened.spec
    length = 0 if isinstance(spec, TableSpec) else opened.chunking.samples(spec.sample_rate)
    least, most = (traced.least, traced.most) if traced.any_length else (length, length)
    source, clips, cases = _cases(opened, model, input, audio, traced)
    stated = about(opened, kind=input, licence=licence, samples=(least, most, length))
    axes = ("batch", "samples") if traced.any_length else ("batch",)
    names = Names(input, output_name(opened), axes)
    names_of_cases = [case.name for case in cases]
    compared = {"on": source, "clips": len(clips), "cases": names_of_cases, "within": MOST_DIFFERENCE}
    content = _written(form, traced, names, stated | {f"{PREFIX}parity": json.dumps(compared)})
    try:
        difference, where = largest_difference(form.opened(content), cases, model)
    except AudiospecError:
        raise
    except Exception as error:  # onnxruntime and torch document no types
        raise ModelError(
            f"the export of run {opened.path} cannot be computed ({_line(error)}), so nothing is written",
            _other_ways(input, backend),
        ) from error
    if not difference <= MOST_DIFFERENCE:
        raise ModelError(
            f"expected outputs within {MOST_DIFFERENCE:g} of the run's; the export of run {opened.path} "
            f"differs by {difference:.2g} on {where} of {source}, so nothing is written",
            _other_ways(input, backend),
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, content)
    return Export(
        path=path,
        bytes=len(content),
        input=input,
        any_length=traced.any_length,
        difference=difference,
        compared=source,
        clips=clips,
        cases=names_of_cases,
        licence=stated[f"{PREFIX}licence"],
    )


def _traced(run: Run, model: Model, form: Format, kind: str, backend: str | None) -> Traced:
    """Return what torch records of the graph of a run."""
    spec, of_model = run.spec, model_module(model, onnx=form.onnx)
    if kind == FEATURES:
        graph = Graph(None, Stored(spec), of_model)
        example = torch.zeros(2, *run.info.row_shape)
        return _recorded(run, graph, example, any_length=False)
    if isinstance(spec, TableSpec):
        raise RunError(
            f"run {run.path} was trained on an imported table, whose columns cannot be computed from audio",
            'give `input="features"`: the file then reads rows of the table',
        )
    front = _frontend(run, backend)
    graph = Graph(front, Stored(spec), of_model)
    samples = run.chunking.samples(spec.sample_rate)
    example = 0.1 * torch.randn(2, samples, generator=torch.Generator().manual_seed(0))
    return _recorded(run, graph, example, any_length=_any_length(model, form))


def _frontend(run: Run, backend: str | None) -> Frontend:
    """Return the frontend in the backend that is exported."""
    spec = run.spec
    kind = cast(type[Frontend], features[spec.feature])
    reason = kind.reason_not_exported(spec)
    if reason:
        raise ModelError(
            f"feature {spec.feature!r} of run {run.path} cannot be exported: {reason}",
            'give `input="features"`: the file then reads rows of the feature',
        )
    usual = "fft" if "fft" in kind.backends else None
    return frontend(spec, backend=backend or usual)


def _any_length(model: Model, form: Format) -> bool:
    """Return whether to try to leave the length free."""
    inner = model.model if isinstance(model, CalibratedModel) else model
    if not isinstance(inner, NetworkModel):
        return True
    return inner.any_length and (form.onnx or not has_recurrence(inner.net))


def _recorded(run: Run, graph: Graph, example: torch.Tensor, *, any_length: bool) -> Traced:
    """Return what torch records of a graph, or say which part is in the way."""
    try:
        return trace(graph, example, any_length=any_length)
    except Exception as error:  # see `trace`
        if graph.frontend is not None and not _can_be_traced(graph, example):
            what, hint = f"feature {run.spec.feature!r}", 'give `input="features"`'
        else:
            what, hint = f"model {run.info.model!r}", ""
        raise ModelError(f"{what} of run {run.path} cannot be exported: {_line(error)}", hint) from error


def _can_be_traced(graph: Graph, example: torch.Tensor) -> bool:
    """Return whether a graph's frontend alone can be recorded."""
    try:
        trace(Graph(graph.frontend, graph.stored, torch.nn.Identity()), example, any_length=False)
    except Exception:
        return False
    return True


def _written(form: Format, traced: Traced, names: Names, stated: dict[str, str]) -> bytes:
    try:
        return form.write(traced, names, stated)
    except AudiospecError:
        raise
    except Exception as error:  # the exporters document no types
        raise ModelError(
            f"the model cannot be written as {form.suffix}: {_line(error)}",
            "give another format with `out`, or train another model",
        ) from error


def _cases(
    run: Run,
    model: Model,
    kind: str,
    audio: Sequence[Location | str] | None,
    traced: Traced,
) -> tuple[str, list[str], list[Case]]:
    """Return what an export is compared on: where it is from, its names, and the batches."""
    if isinstance(run.spec, TableSpec):
        return "rows", [], cases_of_rows(model, _stored_rows(run))
    clips = clips_of(run, audio)
    cases = cases_of_waves(run, model, clips, traced=traced, kind=kind)
    if not cases:
        raise ModelError(
            f"none of {len(clips.waves)} clips has a chunk of {run.chunking.seconds:g} s to compare on",
            "give longer files with `audio`",
        )
    return clips.source, clips.names, cases


def _stored_rows(run: Run) -> NDArray[np.float32]:
    """Return some rows of a run's store."""
    try:
        view = open_store(run.info.store).view(run.info.view)
    except (AudiospecError, OSError) as error:
        raise RunError(
            f"an export of run {run.path}, which is of a table, is compared on rows of {run.info.store}, "
            f"which cannot be opened ({_line(error)})",
            "put the store back",
        ) from error
    numbers = np.unique(np.linspace(0, len(view) - 1, MOST_ROWS).astype(np.int64))
    return view.read(numbers).astype(np.float32)


def _other_ways(kind: str, backend: str | None) -> str:
    if kind == FEATURES:
        return "export to the other format, .onnx or .pt2"
    other = "fft" if backend == "conv" else "conv"
    return f'give `backend="{other}"`, or `input="features"`, or the other format, .onnx or .pt2'


def _line(error: Exception) -> str:
    """Return an error of a library in one line."""
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
