"""Prepare tracks for the test of confounds, and describe the columns that predict the label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.doctor.confounds.columns import Column
from audiospec.doctor.confounds.forest import Floats, Forest, Prediction, Tested
from audiospec.doctor.confounds.labelled import LabelledTracks
from audiospec.doctor.wording import quoted
from audiospec.errors import NotCheckedError
from audiospec.text import printable

#: Most different values of a column that is described by its most common ones, and not by medians.
_FEW = 12
#: Most labels whose values are listed in figures.
_MOST_LABELS = 100


@dataclass(frozen=True, eq=False)
class Guilty:
    """A column that predicts the label by itself.

    Attributes
    ----------
    column : Column
    alone : Prediction
        By a forest that has no other column.
    text : str
        How the values of a label differ from those of the others.
    values : list of dict
        Label and value, for each label.
    """

    column: Column
    alone: Prediction
    text: str
    values: list[dict[str, str]]

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "column": self.column.name,
            "title": self.column.title,
            "unit": self.column.unit,
            "score": round(self.alone.score, 4),
            "text": self.text,
            "values": self.values,
        }


def testable(tracks: LabelledTracks, folds: int) -> tuple[LabelledTracks, int, tuple[str, ...]]:
    """Return tracks of labels that can be cross-validated, the number of folds, and labels left out.

    There are as many folds as two labels have units, at most `folds`; rarer labels are left out.

    Raises
    ------
    NotCheckedError
        There are not two such labels, or too few units.
    """
    hint = "more groups, or files, of each label are needed"
    if tracks.target == "number":
        units = int(tracks.units.max(initial=-1)) + 1
        if units < 2 * folds:
            raise NotCheckedError(f"{units} units of tracks have a number; expected {2 * folds}", hint)
        return tracks, folds, ()
    counts = tracks.different(tracks.units)
    least = 2 if tracks.target == "single" else 1
    if tracks.target == "multi-label":
        counts = np.minimum(counts, tracks.different(tracks.units, ~tracks.has))
    enough = np.sort(counts)[::-1]
    possible = min(folds, int(enough[least - 1]) if len(enough) >= least else 0)
    if possible < 2:
        raise NotCheckedError(
            f"fewer than {least} labels have two groups, or other units of tracks, so none can be predicted "
            "for a group that was not learnt",
            hint,
        )
    kept = np.flatnonzero(counts >= possible).tolist()
    left_out = tuple(name for place, name in enumerate(tracks.names) if place not in {*kept})
    chosen = tracks.labels(kept)
    if tracks.target == "single":
        chosen = chosen.select(np.flatnonzero(chosen.has.any(1)))
    return chosen, possible, left_out


def targets_of(tracks: LabelledTracks) -> Floats:
    """Return what a forest predicts: (tracks, labels), or (tracks, 1) for a number."""
    if tracks.target == "number":
        return tracks.values[:, None].copy()
    return tracks.has.astype(np.float64)


def forest_of(tracks: LabelledTracks, folds: int, seed: int) -> Forest:
    """Return the forest that predicts these tracks."""
    return Forest(tracks.target == "single", tracks.target == "number", folds, seed)


def guilty(
    tracks: LabelledTracks, columns: Sequence[Column], forest: Forest, together: Tested
) -> list[Guilty]:
    """Return the columns that predict the label alone, the best first; at least the best.

    They predict a label more strongly than all permutations of the columns together, and at least half as
    strongly as these.
    """
    y = targets_of(tracks)
    alone = [forest.predict(column.ranks[:, None], y, tracks.units) for column in columns]
    order = sorted(range(len(columns)), key=lambda place: (-alone[place].evidence, columns[place].name))
    least = np.where(together.predicted, together.observed.strength / 2, np.inf)

    def is_guilty(one: Prediction) -> bool:
        return bool(((one.strength >= least) & (one.strength > together.most_by_chance)).any())

    named = [place for place in order if is_guilty(alone[place])] or order[:1]
    return [_described(tracks, columns[place], alone[place]) for place in named]


def _described(tracks: LabelledTracks, column: Column, alone: Prediction) -> Guilty:
    if tracks.target == "number":
        order = np.argsort(tracks.values, kind="stable")
        low, high = order[: len(order) // 2], order[len(order) // 2 :]
        texts = [column.text(_middle(column, half)) for half in (low, high)]
        values = [{"label": name, "value": text} for name, text in zip(("low", "high"), texts, strict=True)]
        return Guilty(column, alone, f"{texts[0]} for low numbers, {texts[1]} for high ones", values)
    best = int(alone.strength.argmax())
    places = np.argsort(-alone.strength, kind="stable")[:_MOST_LABELS]
    values = [
        {
            "label": printable(tracks.names[place]),
            "value": column.text(_middle(column, np.flatnonzero(tracks.has[:, place]))),
        }
        for place in places.tolist()
    ]
    return Guilty(column, alone, _text(tracks, column, best), values)


def _text(tracks: LabelledTracks, column: Column, label: int) -> str:
    """Return how a column's values of one label differ from those of the others."""
    has = tracks.has[:, label]
    name = quoted(tracks.names[label])
    if len(np.unique(column.values)) > _FEW:
        ours, theirs = (column.text(_middle(column, np.flatnonzero(mask))) for mask in (has, ~has))
        return f"{ours} (median) in {name}, {theirs} in the others"
    values = np.unique(column.values)
    shares = np.array([[_is(column.values[mask], value).mean() for value in values] for mask in (has, ~has)])
    place = int((shares[0] - shares[1]).argmax())
    ours, theirs = shares[:, place].tolist()
    value = column.text(values[place])
    if ours == 1 and theirs == 0:
        common = column.text(values[int(shares[1].argmax())])
        mostly = "" if shares[1].max() == 1 else "mostly "
        return f"{value} in {name}, {mostly}{common} in the others"
    return f"{value} in {_percent(ours)} of {name} and in {_percent(theirs)} of the others"


def _percent(share: float) -> str:
    """Return a share, of which neither nothing nor all is the result of rounding."""
    text = f"{100 * share:.0f} %"
    if text == "0 %" and share > 0:
        return "less than 1 %"
    return "more than 99 %" if text == "100 %" and share < 1 else text


def _middle(column: Column, places: NDArray[np.int64]) -> float:
    """Return the median of some values, or the most common one if there are few."""
    values = column.values[places]
    different, counts = np.unique(values, return_counts=True)
    if len(np.unique(column.values)) <= _FEW:
        return float(different[counts.argmax()]) if len(different) else np.nan
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.nan


def _is(values: Floats, value: float) -> NDArray[np.bool_]:
    return np.isnan(values) if np.isnan(value) else values == value
