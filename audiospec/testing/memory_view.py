"""A view in memory, for the contract of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.annotation import Annotation, Labelling
from audiospec.annotations.table import RowTargets
from audiospec.audio.chunking import Chunking
from audiospec.errors import SpecError
from audiospec.specs.base import FeatureSpec, spec_class
from audiospec.specs.mel import MelSpec
from audiospec.specs.table import TableSpec
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.schema import ROW_DTYPE, TrackRecord
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View

#: Input of a model → shapes of rows that it must accept, unless its contract has other shapes.
SHAPES: Mapping[str, tuple[tuple[int, ...], ...]] = {
    "table": ((1,), (2,), (57,)),
    "spectrogram": ((64, 87), (24, 33)),
}
_RATE, _HOP = 22050, 256


class MemoryView(View):
    """A view of rows in memory; it can be pickled, so that loader workers can read it.

    Parameters
    ----------
    values : ndarray, shape (n, *row_shape), float32
    labels : sequence of str
        One per row; each row is its own track.
    spec : FeatureSpec
    seconds : float
        Length of a row.
    labelling : Labelling
    targets : RowTargets or None
    annotations : sequence of sequence of Annotation
        Of each row's track; empty: none has any.
    """

    def __init__(
        self,
        values: NDArray[np.float32],
        labels: Sequence[str],
        spec: FeatureSpec,
        seconds: float,
        *,
        labelling: Labelling | None = None,
        targets: RowTargets | None = None,
        annotations: Sequence[Sequence[Annotation]] = (),
    ) -> None:
        of_tracks = annotations or [()] * len(labels)
        records = [
            TrackRecord(f"track {n:05d}", label=label, seconds=seconds, annotations=tuple(own))
            for n, (label, own) in enumerate(zip(labels, of_tracks, strict=True))
        ]
        store: Any = SimpleNamespace(
            tracks=Tracks.from_records(records),
            path=Path("contract"),
            dataset="contract",
            labelling=labelling or Labelling(),
        )
        rows = np.zeros(len(values), ROW_DTYPE)
        rows["track"] = np.arange(len(values))
        rows["seconds"] = seconds
        super().__init__(
            store, ViewInfo(spec=spec, chunking=Chunking(seconds=seconds), shard_rows=max(1, len(rows))), rows
        )
        self.targets = targets
        self.values = values.astype(self.info.row_dtype.base)

    def _read(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        out[:] = self.values[rows]


def shapes_of(feature: str) -> dict[tuple[int, ...], tuple[FeatureSpec, float]]:
    """Shapes of rows of a feature's default spec, at most two, and what `spec_of` says of each."""
    spec = spec_class(feature)()
    found: dict[tuple[int, ...], tuple[FeatureSpec, float]] = {}
    for seconds in (1.0, 2.0, 4.0, 8.0, 16.0):
        with suppress(SpecError):  # too short for this feature
            found.setdefault(spec.row_shape(round(seconds * spec.sample_rate)), (spec, seconds))
        if len(found) == 2:
            break
    return found


def spec_of(shape: tuple[int, ...]) -> tuple[FeatureSpec, float]:
    """Return a spec whose rows have this shape, and the seconds of its chunks."""
    if len(shape) == 1:
        return TableSpec(columns=tuple(f"column {i}" for i in range(shape[0]))), 1.0
    bins, frames = shape
    spec = MelSpec(sample_rate=_RATE, hop_length=_HOP, n_mels=bins, pad_mode="constant")
    return spec, (frames - 1) * _HOP / _RATE
