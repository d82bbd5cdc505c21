"""feature-rows: rows that are silent, constant or not finite, and codes at their upper end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiospec.doctor.checks.base import Check, checks
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.doctor.rows import blocks
from audiospec.doctor.wording import counted, listed, part_of, rows_of_tracks
from audiospec.errors import AudiospecError
from audiospec.stores.layout.view import View
from audiospec.text import printable

#: What a row can be → severity from the share `few` on, and below; words; advice.
_KINDS = {
    "not finite": (
        ("error", "error"),
        "with NaN or infinite numbers",
        "a model that learns one of them predicts nothing: featurize again, with another dtype",
    ),
    "constant": (
        ("warning", "note"),
        "in which all numbers are equal, as of digital silence",
        "they have a label, but nothing to learn from: trim the audio, or leave the tracks out",
    ),
    "saturated": (
        ("warning", "note"),
        "whose bytes are at the upper end of their code",
        "louder parts are lost: featurize with a wider range of decibels, or as float16",
    ),
}


@checks.register
@dataclass(frozen=True)
class FeatureRows(Check):
    """The numbers of the rows themselves, in every view.

    Parameters
    ----------
    most : int
        Most rows of a view that are read: whole shards, drawn with the seed.
    few : float
        Share of a view's rows, below which silence is a note.
    saturated : float
        Share of a row's bytes that are 255, from which on the row counts as saturated.
    """

    most: int = 20_000
    few: float = 0.01
    saturated: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.most < 1 or not 0 <= self.few <= 1 or not 0 < self.saturated <= 1:
            raise AudiospecError(
                "most must be at least 1, few a share from 0 to 1, saturated a share above 0; got "
                f"{self.most}, {self.few:g} and {self.saturated:g}"
            )

    def run(self, examined: Examined) -> list[Finding]:
        """Return a finding for each view and each kind of bad row."""
        return [finding for view in examined.views for finding in self._of_view(examined, view)]

    def _of_view(self, examined: Examined, view: View) -> list[Finding]:
        seen: list[NDArray[np.int64]] = []
        bad: dict[str, list[NDArray[np.int64]]] = {kind: [] for kind in _KINDS}
        is_table = view.spec.kind == "table"
        low = np.full(view.info.row_shape, np.inf)
        high = -low
        chosen = self._chosen(view, examined.seed)
        for numbers, values in blocks(view, chosen):
            if not len(numbers):
                continue
            seen.append(numbers)
            examined.tell(f"feature-rows: {view.name}", sum(map(len, seen)), len(chosen))
            flat = values.reshape(len(values), -1).astype(np.float32, copy=False)
            finite = np.isfinite(flat).all(1)
            bad["not finite"].append(numbers[~finite])
            if is_table:
                low = np.minimum(low, values[finite].min(0, initial=np.inf))
                high = np.maximum(high, values[finite].max(0, initial=-np.inf))
            elif flat.shape[1] > 1:
                same = flat[finite].max(1) == flat[finite].min(1)
                bad["constant"].append(numbers[finite][same])
            if view.spec.code is not None:
                top = view.spec.code.high - view.spec.code.scale / 2
                bad["saturated"].append(numbers[(flat > top).mean(1) >= self.saturated])
        if not seen:
            return []
        rows = np.concatenate(seen)
        found = [
            self._finding(view, kind, np.concatenate(places), rows)
            for kind, places in bad.items()
            if sum(map(len, places))
        ]
        constant = np.flatnonzero(low == high).tolist() if is_table and len(rows) > 1 else []
        if constant:
            names = [printable(view.columns[place]) for place in constant]
            found.append(
                Finding(
                    check="feature-rows",
                    severity="note",
                    title=f"{counted(len(names), 'column')} of view {view.name} with one value in all rows: "
                    f"{listed(names)}",
                    advice="nothing can be learnt from a column that does not vary: it does no harm",
                    figures={"view": view.name, "columns": names},
                )
            )
        return found

    def _chosen(self, view: View, seed: int) -> NDArray[np.int64]:
        """Return the rows to read: all, or whole shards."""
        step = view.info.shard_rows
        if len(view) <= self.most:
            return np.arange(len(view))
        shards = np.random.default_rng([seed, len(view)]).permutation(-(-len(view) // step))
        kept = np.sort(shards[: max(1, self.most // step)])
        rows = (kept[:, None] * step + np.arange(step)).ravel()
        chosen: NDArray[np.int64] = rows[rows < len(view)]
        return chosen

    def _finding(self, view: View, kind: str, bad: NDArray[np.int64], seen: NDArray[np.int64]) -> Finding:
        severities, what, advice = _KINDS[kind]
        of_rows = view.rows["track"].astype(np.int64)
        tracks, details = rows_of_tracks(of_rows[bad], of_rows[seen])
        share = len(bad) / len(seen)
        looked = f" that were read (of {len(view):,})" if len(seen) < len(view) else ""
        return Finding(
            check="feature-rows",
            severity=severities[0 if share >= self.few else 1],
            title=f"{part_of(len(bad), len(seen), 'row')} of view {view.name}{looked} {what}, "
            f"in {counted(len(tracks), 'track')}",
            advice=advice,
            tracks=tracks,
            details=details,
            figures={"view": view.name, "kind": kind, "rows": len(bad), "read": len(seen), "of": len(view)},
        )
