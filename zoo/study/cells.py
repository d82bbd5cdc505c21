"""Cells of the study's tables: a measured score next to the published one."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from statistics import mean, pstdev
from typing import Any, Literal

from audiospec.zoo.runs.run import Run
from audiospec.zoo.splits.split import displayed
from audiospec.zoo.study.figures import STUDY_SCORE

Section = Literal["30 s table", "3 s table", "deep", "songs"]
#: Our figure agrees with the measured one if they differ by at most this many of our standard deviations.
DEVIATIONS = 2


@dataclass(frozen=True)
class F1:
    """A macro F1 in %.

    Attributes
    ----------
    mean : float
        Mean over runs.
    deviation : float or None
        Standard deviation over runs; None for a single run.
    interval : list of 2 floats, or None
        95 % bootstrap interval over tracks of a single run.
    """

    mean: float
    deviation: float | None = None
    interval: list[float] | None = None


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of the study's tables, reproduced.

    Attributes
    ----------
    section : str
    model : str
        Name in the registry, and the parameters that the study set.
    features : str
        The features that the model reads.
    chunk : float
        Seconds of audio in a row.
    protocol : str
        How rows are split; see `audiospec.zoo.splits`.
    leaky : bool
        Whether a recording may be on both sides of the split.
    study : dict
        Side → the study's F1 in %. The study splits random rows, so its splits are leaky wherever a track has
        several rows.
    measured : dict
        ``train``, ``test`` and ``deviation`` in %, as measured before on the 30 s table; else empty.
    found : dict
        Side → ``"chunk"`` or ``"track"`` → `F1`; empty if the cell was not run.
    agrees : bool or None
        Whether the mean test F1 is within `DEVIATIONS` of its own standard deviations of the measured one.
    right, songs : int or None
        Number of external songs predicted correctly, and their total number.
    heard : dict
        External song → its predicted genre.
    notes : list of str
        How the cell differs from the study's.
    missing : str
        Why the cell was not run; ``""`` if it was.
    runs : list of str
        Folders of its runs, relative to the result's folder.
    """

    section: Section
    model: str
    features: str
    chunk: float
    protocol: str
    leaky: bool
    study: dict[str, float] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)
    found: dict[str, dict[str, F1]] = field(default_factory=dict)
    agrees: bool | None = None
    right: int | None = None
    songs: int | None = None
    heard: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    missing: str = ""
    runs: list[str] = field(default_factory=list)

    @property
    def split(self) -> str:
        """The protocol as it is displayed, marked as leaky if it is."""
        return displayed(self.protocol, "tracks" if self.leaky else "")

    def to_dict(self) -> dict[str, Any]:
        """Return the cell as plain JSON values."""
        return dataclasses.asdict(self)


def agrees(ours: F1, measured: float) -> bool | None:
    """Return whether our F1 is near the measured one; None for a single run, which has no deviation."""
    if ours.deviation is None:
        return None
    return abs(ours.mean - measured) <= DEVIATIONS * ours.deviation


def cell_scores(runs: list[Run]) -> dict[str, dict[str, F1]]:
    """Return the macro F1 of a cell's runs: side → ``"chunk"`` or ``"track"`` → `F1`."""
    sides = [side for side in ("train", "valid", "test") if side in runs[0].metrics]
    return {side: {level: _f1(runs, side, level) for level in ("chunk", "track")} for side in sides}


def _f1(runs: list[Run], side: str, level: str) -> F1:
    scores = [run.metrics[side][level] for run in runs]
    values = [100 * score[STUDY_SCORE] for score in scores]
    if len(runs) > 1:
        return F1(mean(values), deviation=pstdev(values))
    return F1(values[0], interval=[100 * end for end in scores[0][f"{STUDY_SCORE}_interval"]])
