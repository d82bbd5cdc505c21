"""What runs were tested on, and their predictions of it, in an order that is the same for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from audiospec.digests import digest
from audiospec.errors import RunError
from audiospec.zoo.runs.predictions import Predictions
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.measuring.grouping import Grouping
from audiospec.zoo.scores.measuring.units import ScoredItems
from audiospec.zoo.splits.leaks import Known
from audiospec.zoo.splits.units import joined
from audiospec.zoo.targets.base import Target

LEVELS = ("track", "chunk")


def tested_on(run: Run) -> str:
    """Return a digest that is equal for runs that were tested on the same tracks of a dataset.

    It is of the ids of the test tracks. A run of an older version does not have them; its digest is of what
    its test tracks were drawn by, and is equal only for such runs.
    """
    split = run.info.split
    if not run.lacks:
        return digest(sorted({track.known.track for track in run.tracks() if track.side == "test"}))
    strategy = split["strategy"]
    fixed = strategy == "filtered" or strategy.startswith("fold-")
    tracks = [split["sides"][side]["tracks"] for side in ("train", "valid", "test")]
    return digest([strategy, tracks[-1] if fixed else [run.info.seed, split["shares"], tracks]])


@dataclass(frozen=True, eq=False)
class RunTest:
    """A run's test tracks and its predictions of their chunks.

    Parameters
    ----------
    run : Run
        With predictions.
    repeat : int or None
        The repeat of a cross-validation, from 1. None: the run has one model.
    """

    run: Run
    repeat: int | None = None

    @cached_property
    def tracks(self) -> list[Known]:
        """The test tracks, sorted by id."""
        return sorted({track.known for track in self.run.tracks() if track.side == "test"})

    @cached_property
    def predictions(self) -> Predictions:
        """The predictions of the test rows, sorted by track and start."""
        test = self.run.predictions().of("test")
        if self.repeat is not None and test.repeats is not None:
            test = test.where(test.repeats == self.repeat)
        if not self.tracks or {*test.tracks.tolist()} != {track.track for track in self.tracks}:
            raise RunError(
                f"expected run {self.run.path} to have predictions of its test tracks; got others",
                "train again",
            )
        order = np.lexsort((test.starts, test.tracks))
        return Predictions(
            test.tracks[order],
            test.hashes[order],
            test.starts[order],
            test.sides[order],
            test.truth[order],
            test.probabilities[order],
        )

    @cached_property
    def target(self) -> Target:
        """What is predicted of a row."""
        return self.run.target.of_row

    def items(self, level: str, units: NDArray[np.int64]) -> ScoredItems:
        """Return the predictions to score.

        Parameters
        ----------
        level : "track" or "chunk"
        units : ndarray of int64, shape (tracks,)
            Number of each test track's unit, from 0.
        """
        rows = self.predictions
        track_of = np.unique(rows.tracks, return_inverse=True)[1]
        grouping = Grouping.of(rows.tracks, units[track_of])
        return self.target.items(rows.probabilities, rows.truth, grouping)[level == "track"]

    def names(self, level: str) -> list[tuple[str, float]]:
        """Return the track and start of each item; the start is 0 by track."""
        rows = self.predictions
        if level == "chunk":
            return list(zip(rows.tracks.tolist(), rows.starts.tolist(), strict=True))
        return [(track.track, 0.0) for track in self.tracks]


class Configuration:
    """The runs of one configuration, by their test tracks; predictions are read once, when they are used.

    Parameters
    ----------
    runs : sequence of Run
        At least one; all keep their predictions.

    Attributes
    ----------
    tests : dict
        Digest of the test tracks → the runs that were tested on them.

    Raises
    ------
    RunError
        There is no run, or one keeps no predictions.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        if not runs:
            raise RunError("expected at least one run of each configuration; got none", "give its runs")
        self.runs = list(runs)
        self.tests: dict[str, list[RunTest]] = {}
        for run in runs:
            if run.lacks:
                raise RunError(run.lacks, "train again to compare it")
            repeats = run.info.cross_validation.get("repeats")
            numbers: list[int | None] = [None] if repeats is None else [*range(1, repeats + 1)]
            # Each repeat of a cross-validation tests all of its rows, as another run would.
            self.tests.setdefault(tested_on(run), []).extend(RunTest(run, number) for number in numbers)

    def common(self, other: Configuration) -> list[str]:
        """Return the digests of the test tracks that both were tested on.

        Raises
        ------
        RunError
            There are none.
        """
        common = [test for test in self.tests if test in other.tests]
        if not common:
            (one, *_), (another, *_) = (next(iter(of.tests.values())) for of in (self, other))
            shared = {track.track for track in one.tracks} & {track.track for track in another.tracks}
            raise RunError(
                f"expected runs that were tested on the same tracks; got {one.run.path}, tested on "
                f"{len(one.tracks)} tracks, and {another.run.path}, tested on {len(another.tracks)}, "
                f"{len(shared)} of them the same",
                "train both with the same `strategy` and `split_seed`",
            )
        return common


def units_of_tracks(tested: Iterable[RunTest]) -> dict[str, int]:
    """Return the unit of every test track of some runs: track id → number.

    Tracks with a content hash, a cluster or a group in common are one unit, if any of the runs knows of it.
    """
    tracks = sorted({track for one in tested for track in one.tracks})
    columns = [np.array([getattr(track, name) for track in tracks], np.str_) for name in Known._fields]
    return dict(zip((track.track for track in tracks), joined(columns).tolist(), strict=True))


def check_same(a: RunTest, b: RunTest, level: str) -> None:
    """Raise `RunError` unless two runs were tested on the same tracks, and on the same chunks by chunk."""
    names = f"runs {a.run.path} and {b.run.path}"
    if a.target.name != b.target.name:
        raise RunError(
            f"expected runs of the same target; got {names}, of {a.target.name} and {b.target.name}",
            "compare runs that were trained on one store",
        )
    if a.run.info.classes != b.run.info.classes:
        raise RunError(
            f"expected runs of the same classes; got {names}, of {len(a.run.info.classes)} and "
            f"{len(b.run.info.classes)} classes",
            "train both with the same `classes`",
        )
    for one, other in zip(a.tracks, b.tracks, strict=True):
        if one.track != other.track or (one.hash and other.hash and one.hash != other.hash):
            raise RunError(
                f"expected runs that were tested on the same audio; got {names}, for which test track "
                f"{one.track!r} is another file",
                "train both on features of the same files",
            )
    if not np.array_equal(_truth(a), _truth(b)):
        raise RunError(
            f"expected runs that were tested against the same labels; got {names}, whose labels of test "
            "tracks differ",
            "train both on a store of the same labels, with the same `corrections`",
        )
    if level == "chunk" and not same_chunks(a, b):
        raise RunError(
            f"expected runs that were tested on the same chunks; got {names}, of {len(a.predictions)} and "
            f"{len(b.predictions)} chunks or other starts",
            'compare by track (`level="track"`), or train both on chunks of one length',
        )


def same_chunks(a: RunTest, b: RunTest) -> bool:
    """Return whether two runs were tested on the same chunks."""
    one, other = a.predictions, b.predictions
    return np.array_equal(one.tracks, other.tracks) and np.array_equal(one.starts, other.starts)


def _truth(tested: RunTest) -> NDArray[np.int64]:
    """Return the class number of each test track."""
    rows = tested.predictions
    truth: NDArray[np.int64] = rows.truth[np.unique(rows.tracks, return_index=True)[1]]
    return truth
