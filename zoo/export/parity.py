"""Compare an export with its run: on the run's own path from decoded samples, in any batch and length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.audio.waves import Wave
from audiospec.errors import AudiospecError
from audiospec.onnx_files.metadata import WAVE
from audiospec.zoo.base import Model
from audiospec.zoo.export.clips import Clips
from audiospec.zoo.export.formats import Compute, Traced
from audiospec.zoo.export.graph import FEATURES
from audiospec.zoo.runs.run import Run
from audiospec.zoo.targets.frames import Frames
from audiospec.zoo.targets.number import Number
from audiospec.zoo.windows.cutting import Cutter
from audiospec.zoo.windows.rows import RowComputer

#: Largest difference between an export and its run: of probabilities, and of numbers in deviations.
MOST_DIFFERENCE = 1e-4
#: Other lengths of a chunk that are tried, in chunks.
LENGTHS = (0.7, 1.9)


@dataclass(frozen=True)
class Case:
    """A batch to compare.

    Attributes
    ----------
    name : str
        Such as ``"chunks"`` or ``"0.7 chunks"``.
    inputs : ndarray, shape (n, …), float32
    outputs : ndarray, shape (n, …), float64
        What the run predicts.
    """

    name: str
    inputs: NDArray[np.float32]
    outputs: NDArray[np.float64]


def cases_of_waves(run: Run, model: Model, clips: Clips, *, traced: Traced, kind: str) -> list[Case]:
    """Return the chunks of clips, and chunks of other lengths, with what the run predicts of them.

    Parameters
    ----------
    run : Run
    model : Model
        The run's.
    clips : Clips
    traced : Traced
        What says which lengths the export reads.
    kind : str
        `WAVE`, or `FEATURES`: the cases have rows in place of waves, of the chunk's length alone.
    """
    computer = RowComputer(run)
    by_length: dict[int, list[tuple[Wave, NDArray[np.float32]]]] = {}
    for wave in clips.waves:
        try:
            rows = computer.of_wave(wave)
        except AudiospecError:  # too short for a chunk, or too loud for bytes
            continue
        chunks = Cutter(run.spec, run.chunking).whole(wave)
        for chunk, row in zip(chunks, rows, strict=True):
            by_length.setdefault(len(chunk.wave), []).append((chunk.wave, row))
    cases = []
    length = run.chunking.samples(run.spec.sample_rate)
    # Without padding, a last chunk has a length of its own, which is a case if the export reads it.
    whole = by_length.pop(length, [])
    for name, pairs in (("chunks", whole), *(("a last chunk", pairs) for pairs in by_length.values())):
        if not pairs or (name != "chunks" and kind == WAVE and not traced.reads(len(pairs[0][0]))):
            continue
        rows = np.stack([row for _, row in pairs])
        inputs = rows if kind == FEATURES else np.stack([wave for wave, _ in pairs])
        cases.append(Case(name, inputs, model.predict_proba(rows)))
    if kind == WAVE and whole:
        wave = np.concatenate([wave for wave, _ in whole])
        lengths = [chunks for chunks in LENGTHS if traced.reads(int(chunks * length))]
        cases += _other_lengths(run, computer, model, wave, lengths)
    return cases


def _other_lengths(
    run: Run, computer: RowComputer, model: Model, wave: Wave, lengths: list[float]
) -> list[Case]:
    """Return chunks of other lengths, each cut anew from the clips."""
    cases = []
    spec = run.spec
    for chunks in lengths:
        samples = int(chunks * run.chunking.samples(spec.sample_rate))
        waves = np.resize(wave, (3, samples))
        try:
            rows = np.empty((3, *spec.row_shape(samples)), spec.dtype)
        except AudiospecError:  # too short for a row
            continue
        for row, one in zip(rows, waves, strict=True):
            computer.writer.write([one], [row])
        read = rows.astype(np.float32) if spec.code is None else spec.code.decode(rows)
        cases.append(Case(f"{chunks:g} chunks", waves, _outputs(model, read)))
    return cases


def _outputs(model: Model, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return a model's outputs of rows of another length than it learnt from."""
    target = model.target
    if not isinstance(target, Frames):
        return model.predict_proba(rows)
    try:
        model.target = target.with_frames(_frames(model, rows))
        return model.predict_proba(rows)
    finally:
        model.target = target


def _frames(model: Any, rows: NDArray[np.float32]) -> int:
    """Return the frames of a network's output for rows of any length."""
    import torch

    with torch.inference_mode():
        return int(model.net(torch.from_numpy(rows[:1])).shape[1])


def cases_of_rows(model: Model, rows: NDArray[np.float32]) -> list[Case]:
    """Return the case of rows of a store."""
    return [Case("rows", rows, model.predict_proba(rows))]


def largest_difference(compute: Compute, cases: list[Case], model: Model) -> tuple[float, str]:
    """Return the largest difference of an export from its run, and the case that it is in.

    Each case is computed together, and its first inputs one by one, and three together.
    """
    unit = model.target.deviation if isinstance(model.target, Number) else 1.0
    worst, where = 0.0, cases[0].name
    for case in cases:
        for size in sorted({1, min(3, len(case.inputs)), len(case.inputs)}):
            computed = compute(np.ascontiguousarray(case.inputs[:size]))
            expected = case.outputs[:size]
            same = computed.shape == expected.shape and bool(np.isfinite(computed).all())
            difference = float(np.abs(computed - expected).max()) / unit if same else float("inf")
            if difference > worst:
                worst, where = difference, case.name
    return worst, where
