"""classes: labels with too few tracks, labels that are spelt in two ways, tracks without a label."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np

from audiospec.doctor.checks.base import Check, checks
from audiospec.doctor.confounds.labelled import LabelledTracks, labelled_tracks
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.doctor.wording import counted, listed, part_of, quoted
from audiospec.errors import AudiospecError, NotCheckedError
from audiospec.text import printable


@checks.register
@dataclass(frozen=True)
class Classes(Check):
    """How many tracks each label has, and whether labels are meant to be different.

    Parameters
    ----------
    folds : int
        Units (groups, or recordings) that a label needs to be in every fold of a cross-validation.
    imbalance : float
        Tracks of the most common label for one of the rarest, from which on it is a finding.
    """

    folds: int = 5
    imbalance: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.folds < 2 or self.imbalance <= 1:
            raise AudiospecError(
                f"folds must be at least 2 and imbalance above 1; got {self.folds} and {self.imbalance:g}"
            )

    def run(self, examined: Examined) -> list[Finding]:
        """Return the findings; NotCheckedError if there are no labels, as of a number."""
        if examined.store.labelling.target == "number":
            raise NotCheckedError(f"{examined.store.path} has numbers and no labels")
        findings = self._without_label(examined)
        try:
            tracks = labelled_tracks(examined)
        except NotCheckedError:
            if findings:
                return findings
            raise
        return [*findings, *self._alike(tracks), *self._few(tracks), *self._imbalance(tracks)]

    def _without_label(self, examined: Examined) -> list[Finding]:
        table = examined.tracks
        if examined.store.labelling.target != "single" or len(table.annotations):
            return []  # a track without an annotation is background
        missing = np.flatnonzero([not label.strip() for label in table["label"].tolist()])
        if not len(missing):
            return []
        return [
            Finding(
                check="classes",
                severity="warning",
                title=f"{part_of(len(missing), len(table), 'track')} without a label",
                advice="label them or leave them out: an empty label is a class of its own in training",
                tracks=tuple(missing.tolist()),
            )
        ]

    def _alike(self, tracks: LabelledTracks) -> list[Finding]:
        """Return labels that differ by case, blanks or the Unicode form of their characters."""
        meant: dict[str, list[int]] = {}
        for place, name in enumerate(tracks.names):
            meant.setdefault(spelling(name), []).append(place)
        several = [places for places in meant.values() if len(places) > 1]
        if not several:
            return []
        counts = tracks.has.sum(0)
        rarer = [
            place for places in several for place in places if place != max(places, key=counts.__getitem__)
        ]
        wrong = np.flatnonzero(tracks.has[:, rarer].any(1))
        texts = [" and ".join(_visible(tracks.names[place]) for place in places) for places in several]
        return [
            Finding(
                check="classes",
                severity="error",
                title=f"{counted(sum(map(len, several)), 'label')} differ by case, blanks or the form of "
                f"characters alone: {listed(texts)}",
                advice="they count as different classes: write each label in one way",
                tracks=tuple(tracks.numbers[wrong].tolist()),
                figures={"labels": [[printable(tracks.names[place]) for place in one] for one in several]},
            )
        ]

    def _few(self, tracks: LabelledTracks) -> list[Finding]:
        """Return labels that have too few units to be on two sides, or in each fold."""
        units = tracks.different(tracks.units)
        counts = tracks.has.sum(0)
        findings = []
        for low, high, severity in ((0, 2, "error"), (2, self.folds, "note")):
            places = np.flatnonzero((units >= low) & (units < high))
            if not len(places):
                continue
            places = places[np.argsort(units[places], kind="stable")]
            texts = [f"{quoted(tracks.names[place])} ({units[place]})" for place in places.tolist()]
            findings.append(
                Finding(
                    check="classes",
                    severity=severity,
                    title=f"{part_of(len(places), len(tracks.names), 'label')} with fewer than {high} units "
                    f"(groups, or recordings): {listed(texts)}",
                    advice=(
                        "a label of one unit cannot be both trained and tested: get more of it, or leave it "
                        "out with `classes`"
                        if high == 2
                        else f"not each of {high} folds can test it: get more of it, or draw fewer `folds`"
                    ),
                    tracks=tuple(tracks.numbers[tracks.has[:, places].any(1)].tolist()),
                    figures={
                        "labels": [
                            {
                                "label": printable(tracks.names[place]),
                                "units": int(units[place]),
                                "tracks": int(counts[place]),
                            }
                            for place in places.tolist()
                        ]
                    },
                )
            )
        return findings

    def _imbalance(self, tracks: LabelledTracks) -> list[Finding]:
        counts = tracks.has.sum(0)
        present = np.flatnonzero(counts)
        if len(present) < 2:
            return []
        most, least = present[counts[present].argmax()], present[counts[present].argmin()]
        ratio = counts[most] / counts[least]
        if ratio < self.imbalance:
            return []
        return [
            Finding(
                check="classes",
                severity="warning",
                title=f"labels are unequal: {quoted(tracks.names[most])} has "
                f"{counted(int(counts[most]), 'track')}, {quoted(tracks.names[least])} "
                f"{int(counts[least]):,}",
                advice="accuracy is that of the common labels: compare macro F1, balance classes in training",
                figures={
                    "ratio": round(float(ratio), 2),
                    "labels": [
                        {"label": printable(tracks.names[place]), "tracks": int(counts[place])}
                        for place in present[np.argsort(-counts[present], kind="stable")].tolist()
                    ],
                },
            )
        ]


def spelling(label: str) -> str:
    """Return a label in one case and Unicode form, with single blanks, and ``_`` and ``-`` as blanks."""
    text = unicodedata.normalize("NFKC", label).casefold()
    visible = "".join(" " if char in "_-" else char for char in text if unicodedata.category(char) != "Cf")
    return unicodedata.normalize("NFKC", " ".join(visible.split()))


def _visible(label: str) -> str:
    """Return a label in quotes, with characters that look like others or like nothing as escapes."""
    plain = label.isascii() or unicodedata.normalize("NFC", label) == label
    return quoted(label if plain else label.encode("unicode_escape").decode())
