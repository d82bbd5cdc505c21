"""groups: whether groups and folds can separate what is learnt from what is tested."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiospec.doctor.checks.base import Check, checks
from audiospec.doctor.confounds.labelled import LabelledTracks, labelled_tracks
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.doctor.wording import listed, part_of, quoted
from audiospec.errors import AudiospecError, NotCheckedError
from audiospec.text import printable
from audiospec.zoo.splits.leaks import group_noun


@dataclass(frozen=True, eq=False)
class _Column:
    """A column of texts: the different ones, and for each track its place among them; -1 without one."""

    names: list[str]
    place: NDArray[np.int64]

    @classmethod
    def of(cls, texts: NDArray[np.str_]) -> _Column:
        names, place = np.unique(texts, return_inverse=True)
        if len(names) and names[0] == "":
            return cls(names[1:].tolist(), place - 1)
        return cls(names.tolist(), place)

    @property
    def missing(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.place < 0)


@checks.register
@dataclass(frozen=True)
class Groups(Check):
    """Groups (artists, speakers, recordings) and the dataset's own folds, against the labels.

    Parameters
    ----------
    share : float
        Share of the tracks in one group, from which on it is a finding.
    """

    share: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share <= 1:
            raise AudiospecError(f"parameter share must be above 0 and at most 1; got {self.share:g}")

    def run(self, examined: Examined) -> list[Finding]:
        """Return the findings; NotCheckedError if no track has a group or a fold."""
        tracks = labelled_tracks(examined)
        table = examined.tracks
        group = _Column.of(table["group"][tracks.numbers].astype(str))
        fold = _Column.of(table["fold"][tracks.numbers].astype(str))
        noun = group_noun(examined.store.dataset)
        if not group.names and not fold.names:
            raise NotCheckedError(
                "no track has a group, such as its artist, speaker or original recording, or a fold",
                "name groups in the dataset: without them, a split may leak",
            )
        findings = []
        for column, what in ((group, "group"), (fold, "fold")):
            if column.names and len(column.missing):
                findings.append(_incomplete(tracks, column.missing, what))
        if group.names:
            findings += [*_one_group(tracks, group, noun), *self._sizes(tracks, group, noun)]
        if fold.names:
            findings += [*_missing_labels(tracks, fold), *_in_several_folds(tracks, group, fold, noun)]
        return findings

    def _sizes(self, tracks: LabelledTracks, group: _Column, noun: str) -> list[Finding]:
        """Return a group that has most of the tracks."""
        counts = np.bincount(group.place[group.place >= 0], minlength=len(group.names))
        largest = int(counts.argmax())
        share = counts[largest] / len(tracks)
        if share < self.share or len(counts) < 3:
            return []
        return [
            Finding(
                check="groups",
                severity="warning",
                title=f"{quoted(group.names[largest])}, one of {len(counts)} {noun}, has {100 * share:.0f} % "
                "of the tracks",
                advice="one side of a split gets the whole group: repeat with other seeds",
                tracks=tuple(tracks.numbers[group.place == largest].tolist()),
                figures={
                    "largest": int(counts[largest]),
                    "median": float(np.median(counts)),
                    "groups": len(counts),
                },
            )
        ]


def _incomplete(tracks: LabelledTracks, missing: NDArray[np.int64], what: str) -> Finding:
    advice = {
        "group": "a track without a group may be of one that is on the other side: name its group",
        "fold": "a cross-validation by folds needs a fold of each track: name it, or draw folds",
    }
    return Finding(
        check="groups",
        severity="warning",
        title=f"{part_of(len(missing), len(tracks), 'track')} without a {what}, which others have",
        advice=advice[what],
        tracks=tuple(tracks.numbers[missing].tolist()),
    )


def _one_group(tracks: LabelledTracks, group: _Column, noun: str) -> list[Finding]:
    """Return labels whose tracks are all of one group, so that the label is that group."""
    if not tracks.has.shape[1]:
        return []
    counts = tracks.different(group.place + 1)
    single = np.flatnonzero((counts == 1) & ~(tracks.has & (group.place < 0)[:, None]).any(0))
    if not len(single):
        return []
    names = [tracks.names[place] for place in single.tolist()]
    of_label = [int(group.place[tracks.has[:, place]][0]) for place in single.tolist()]
    everywhere = len(single) == len(tracks.names)
    if len(group.names) == 1:
        title = f"all tracks are of one group, {quoted(group.names[0])}"
        advice = "nothing can be tested on another group: get recordings of others, or name the true groups"
    else:
        pairs = [
            f"{quoted(name)} is {quoted(group.names[place])}"
            for name, place in zip(names, of_label, strict=True)
        ]
        part = part_of(len(single), len(tracks.names), "label")
        title = f"{part} with tracks of one group alone: {listed(pairs)}"
        advice = (
            f"a model may learn the {noun} instead of the labels, and no split can show it: get each label "
            f"from several {noun}"
        )
    chosen = tracks.has[:, single].any(1)
    return [
        Finding(
            check="groups",
            severity="error" if everywhere else "warning",
            title=title,
            advice=advice,
            tracks=tuple(tracks.numbers[chosen].tolist()) if not everywhere else (),
            figures={
                "labels": [
                    {"label": printable(name), "group": printable(group.names[place])}
                    for name, place in zip(names, of_label, strict=True)
                ]
            },
        )
    ]


def _missing_labels(tracks: LabelledTracks, fold: _Column) -> list[Finding]:
    """Return folds that have no track of some label."""
    if not tracks.has.shape[1] or len(fold.names) < 2:
        return []
    lacking = {}
    for place, name in enumerate(fold.names):
        present = tracks.has[fold.place == place].any(0)
        if not present.all():
            lacking[name] = [tracks.names[label] for label in np.flatnonzero(~present).tolist()]
    if not lacking:
        return []
    texts = [
        f"{quoted(name)} has no {listed(list(map(quoted, labels)), 2)}" for name, labels in lacking.items()
    ]
    part = part_of(len(lacking), len(fold.names), "fold")
    return [
        Finding(
            check="groups",
            severity="warning",
            title=f"{part} without a track of some labels: {listed(texts)}",
            advice="scores of folds differ in what they measure: draw folds that have every label",
            figures={
                "folds": {printable(name): list(map(printable, labels)) for name, labels in lacking.items()}
            },
        )
    ]


def _in_several_folds(tracks: LabelledTracks, group: _Column, fold: _Column, noun: str) -> list[Finding]:
    """Return groups that have tracks in several folds."""
    known = np.flatnonzero((group.place >= 0) & (fold.place >= 0))
    several = len(fold.names)
    pairs = np.unique(group.place[known] * several + fold.place[known])
    split = np.flatnonzero(np.bincount(pairs // max(several, 1), minlength=len(group.names)) > 1)
    if not len(split):
        return []
    order = known[np.argsort(group.place[known], kind="stable")]
    order = order[np.isin(group.place[order], split)]
    folds: dict[int, list[str]] = {}
    for pair in pairs.tolist():
        folds.setdefault(pair // several, []).append(quoted(fold.names[pair % several]))
    texts = {place: f"{quoted(group.names[place])} is in {listed(folds[place])}" for place in split.tolist()}
    return [
        Finding(
            check="groups",
            severity="warning",
            title=f"{part_of(len(split), len(group.names), 'group')} with tracks in several folds: "
            f"{texts[int(split[0])]}{', …' if len(split) > 1 else ''}",
            advice=f"scores by these folds are of {noun} that the model knows: use the split `group`",
            tracks=tuple(tracks.numbers[order].tolist()),
            details=tuple(texts[place] for place in group.place[order].tolist()),
        )
    ]
