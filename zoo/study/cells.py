"""Cells of the study's tables: a measured score next to the published one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import Any, Literal

from audiospec.zoo.report.curves import read_history
from audiospec.zoo.runs.run import Run
from audiospec.zoo.splits.split import displayed
from audiospec.zoo.study.figures import STUDY_SCORE
from audiospec.zoo.study.statistics import Difference, mean_interval

Section = Literal["30 s table", "3 s table", "deep", "songs"]

#: Protocols, in the order of the tables: the study's, whole tracks, and GTZAN's fault-filtered list.
PROTOCOLS = ("random", "track", "filtered")
#: Protocols whose test tracks are the same for every seed.
FIXED = ("filtered",)


@dataclass(frozen=True)
class F1:
    """A macro F1 in %.

    Attributes
    ----------
    mean : float
        Mean over runs.
    deviation : float or None
        Sample standard deviation over runs; None for a single run.
    interval : list of 2 floats, or None
        95 % interval; see `over`. Of several runs, only the test has one.
    over : "tracks", "splits" or ""
        What the interval is over. ``"tracks"``: the test tracks, of a single run, or the mean of the ends of
        several runs with the same test tracks. ``"splits"``: see `mean_interval`. ``""``: no interval.
    """

    mean: float
    deviation: float | None = None
    interval: list[float] | None = None
    over: Literal["tracks", "splits", ""] = ""


@dataclass(frozen=True)
class Curves:
    """The convergence of one training of a network.

    Attributes
    ----------
    seed : int
    history : dict
        Column of ``history.csv``, such as ``epoch``, ``train_loss`` and ``valid_f1`` (0 to 1) → one value per
        epoch.
    """

    seed: int
    history: dict[str, list[float | None]]


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
        How rows are split, one of `PROTOCOLS`; see `audiospec.split`.
    split : str
        The protocol as it is displayed, with what leaks.
    leaky : bool
        Whether a recording may be on both sides of the split.
    study : dict
        Side → the study's F1 in %. The study splits random rows, so its splits are leaky wherever a track has
        several rows.
    measured : dict
        ``train``, ``test`` and ``deviation`` in % and ``splits``, as measured before on the 30 s table; else
        empty.
    found : dict
        Side → ``"chunk"`` or ``"track"`` → `F1`; empty if the cell was not run.
    difference : Difference or None
        Our mean test F1 minus the measured one, in points; None for a single run, and without a measured one.
    right, songs : int or None
        Number of external songs predicted correctly, and their total number; of the run of the first seed.
    heard : dict
        External song → its predicted genre.
    curves : list of Curves
        Of each training of a network.
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
    split: str
    leaky: bool
    study: dict[str, float] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)
    found: dict[str, dict[str, F1]] = field(default_factory=dict)
    difference: Difference | None = None
    right: int | None = None
    songs: int | None = None
    heard: dict[str, str] = field(default_factory=dict)
    curves: list[Curves] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: str = ""
    runs: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the cell as plain JSON values."""
        return dataclasses.asdict(self)


def expected_split(protocol: str, one_row: bool) -> tuple[str, bool]:
    """Return how a protocol is displayed before it was run, and whether it leaks recordings.

    Parameters
    ----------
    protocol : str
    one_row : bool
        Whether every track has one row.
    """
    leaky = protocol == "random" and not one_row
    return displayed(protocol, "tracks" if leaky else ""), leaky


def with_scores(cell: Cell, runs: Sequence[Run]) -> Cell:
    """Return a cell with the scores, curves and split of its runs."""
    # The strictest of the seeds: one that leaks makes the mean leaky.
    split = next((run.info.split for run in runs if run.info.split["leaky"]), runs[0].info.split)
    leaky = bool(split["leaky"])
    name = split.get("name") or displayed(cell.protocol, "tracks" if leaky else "")  # older runs have no name
    sides = [side for side in ("train", "valid", "test") if side in runs[0].metrics]
    histories = [Curves(run.info.seed, read_history(run)) for run in runs]
    return dataclasses.replace(
        cell,
        split=name,
        leaky=leaky,
        found={side: {level: _f1(cell, runs, side, level) for level in ("chunk", "track")} for side in sides},
        curves=[curves for curves in histories if curves.history],
    )


def scores_on_test(runs: Sequence[Run]) -> list[float]:
    """Return the test F1 in % by row of each run."""
    return [100 * run.metrics["test"]["chunk"][STUDY_SCORE] for run in runs]


def _f1(cell: Cell, runs: Sequence[Run], side: str, level: str) -> F1:
    scores = [run.metrics[side][level] for run in runs]
    values = [100 * score[STUDY_SCORE] for score in scores]
    ends = [[100 * end for end in score[f"{STUDY_SCORE}_interval"]] for score in scores]
    if len(runs) == 1:
        return F1(values[0], interval=ends[0], over="tracks")
    interval: list[float] | None = None
    over: Literal["tracks", "splits", ""] = ""
    if side == "test" and cell.protocol in FIXED:
        interval, over = [mean(low for low, _ in ends), mean(high for _, high in ends)], "tracks"
    elif side == "test":
        sizes = runs[0].info.split["sides"]
        interval = mean_interval(values, sizes["test"]["rows"] / sizes["train"]["rows"])
        over = "splits"
    return F1(mean(values), stdev(values), interval, over)
