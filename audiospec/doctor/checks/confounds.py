"""confounds: whether the label can be told from length, rate, level and the like, without the content."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audiospec.doctor.checks.base import Check, checks
from audiospec.doctor.confounds.columns import KINDS, Column, columns_of
from audiospec.doctor.confounds.forest import Forest, Tested
from audiospec.doctor.confounds.labelled import LabelledTracks, labelled_tracks
from audiospec.doctor.confounds.told import forest_of, guilty, targets_of, testable
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.doctor.wording import counted, part_of, quoted
from audiospec.errors import AudiospecError, NotCheckedError
from audiospec.text import printable

_ADVICE = {
    "format": (
        "a model may learn the form of the files instead of their content: bring all files to one sample "
        "rate, length and format, or get each label from each source"
    ),
    "sound": (
        "this may be content (rain is louder than breath) or the equipment of each label: listen to some "
        "tracks; train with random gain, and test on recordings of another source"
    ),
    "source": (
        "labels may be of different sessions or collections, which a model can recognise: split by session, "
        "with the session as the group"
    ),
}

#: Kind of column → severity if a label is predicted strongly, and otherwise. The sound may be content, and a
#: date cannot be heard.
_SEVERITIES = {"format": ("error", "warning"), "sound": ("warning", "note"), "source": ("note", "note")}


@checks.register
@dataclass(frozen=True)
class Confounds(Check):
    """Whether a forest predicts labels of unknown groups from what is not content.

    The form of the files (length, sample rate, channels, suffix), how they sound technically (level, noise,
    bandwidth, …) and where they come from (date, depth of the folder) are tested each by itself, so a store
    without confounds gets a finding from each with a probability of `alarm`.

    Parameters
    ----------
    folds : int
        Most folds of the cross-validation; a unit (group, copies of a recording) is in one fold.
    permutations : int
        How often labels are permuted over units.
    alarm : float
        Largest p-value that is a finding.
    strong : float
        Recall minus false alarms of a label, or R² of a number, from which on the form of the files is an
        error, and the sound a warning instead of a note.
    most : int
        Most tracks that are used, drawn with the seed.
    """

    folds: int = 5
    permutations: int = 99
    alarm: float = 0.01
    strong: float = 0.5
    most: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("folds", 2), ("permutations", 1), ("most", 10)):
            if getattr(self, name) < least:
                raise AudiospecError(f"parameter {name} must be at least {least}; got {getattr(self, name)}")
        if not 1 / (1 + self.permutations) <= self.alarm < 1:
            raise AudiospecError(
                f"{self.permutations} permutations give no p-value of {self.alarm:g} or less",
                f"give `permutations={int(np.ceil(1 / self.alarm)) - 1 if self.alarm > 0 else 99}`, "
                "or a larger `alarm`",
            )

    def run(self, examined: Examined) -> list[Finding]:
        """Return a finding for each kind of column that tells the label."""
        all_tracks, folds, left_out = testable(labelled_tracks(examined), self.folds)
        tracks = all_tracks.sample(self.most, examined.seed)
        if len(tracks) < len(all_tracks):
            tracks, folds, _ = testable(tracks, folds)
        columns = columns_of(examined.store, tracks.numbers)
        if not columns and not (examined.tracks["sample_rate"] > 0).any():
            raise NotCheckedError("nothing but the label is known of the tracks", "featurize audio")
        forest = forest_of(tracks, folds, examined.seed)
        findings = []
        for kind in KINDS:
            chosen = [column for column in columns if column.kind == kind]
            if not chosen:
                continue

            def step(done: int, kind: str = kind) -> None:
                examined.tell(f"confounds: {KINDS[kind]}", done, self.permutations)

            x = np.stack([column.ranks for column in chosen], 1)
            y = targets_of(tracks)
            together = forest.test(x, y, tracks.units, self.permutations, self.alarm, step)
            if together is not None:
                facts = {
                    "tracks": len(tracks),
                    "of": len(all_tracks),
                    "left_out": [*map(printable, left_out)],
                }
                findings.append(self._finding(kind, tracks, chosen, forest, together, facts))
        return findings

    def _finding(
        self,
        kind: str,
        tracks: LabelledTracks,
        columns: list[Column],
        forest: Forest,
        together: Tested,
        facts: dict[str, object],
    ) -> Finding:
        named = guilty(tracks, columns, forest, together)
        predicted = together.predicted
        best = int(np.where(predicted, together.observed.strength, -np.inf).argmax())
        reach = float(np.where(predicted, together.observed.by_label, -1.0).max())
        score, (low, high) = together.observed.score, together.chance
        unit = "R²" if tracks.target == "number" else "balanced accuracy"
        what = "number" if tracks.target == "number" else "label"
        if tracks.target != "number" and predicted.any():
            count = int(predicted.sum())
            what = f"{part_of(count, len(tracks.names), 'label')}, best {quoted(tracks.names[best])}"
            score, low, high = (
                (1 + value) / 2 for value in (together.observed.by_label[best], *together.chance_of(best))
            )
            unit = "balanced accuracy against the others"
        more = f" and {counted(len(named) - 2, 'more column')}" if len(named) > 2 else ""
        texts = "; ".join(f"{one.column.title} is {one.text}" for one in named[:2])
        figures = {
            "kind": kind,
            "score": "R²" if tracks.target == "number" else "balanced accuracy",
            "observed": round(together.observed.score, 4),
            "chance": [round(value, 4) for value in together.chance],
            "labels": [
                {
                    "label": printable(tracks.names[place]),
                    "score": round(float(together.observed.by_label[place]), 4),
                    "chance": [round(value, 4) for value in together.chance_of(place)],
                }
                for place in np.flatnonzero(predicted).tolist()
            ],
            "p": round(together.p, 6),
            "permutations": self.permutations,
            "folds": forest.folds,
            "units": int(tracks.units.max()) + 1,
            "columns": [one.to_dict() for one in named],
            "tested_columns": [column.name for column in columns],
            **facts,
        }
        return Finding(
            check="confounds",
            severity=_SEVERITIES[kind][0 if reach >= self.strong else 1],
            title=f"{KINDS[kind]} predicts {'the ' if what in ('number', 'label') else ''}{what} "
            f"({unit} {score:.2f}, chance {low:.2f} to {high:.2f}): {texts}{more}",
            advice=_ADVICE[kind],
            figures=figures,
        )
