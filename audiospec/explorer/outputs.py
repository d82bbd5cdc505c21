"""The runs of a store, and what each predicts of its tracks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import AudiospecError, StoreError, nearest
from audiospec.explorer.catalogue import Catalogue, Outputs

if TYPE_CHECKING:
    from audiospec.stores.base import FeatureStore
    from audiospec.zoo.runs.run import Run

#: Sides in the order that one is chosen in for a track with rows on several.
_SIDES = ("test", "valid", "train")


@dataclass(frozen=True, eq=False)
class RunOfStore:
    """A run whose tracks are those of a store.

    Attributes
    ----------
    name : str
        Its folder, relative to the folder of runs.
    run : Run
    numbers : dict
        Track id in the run → number in the store's track table.
    sides : ndarray of str objects, shape (tracks,)
        ``""`` for tracks that the run does not have.
    catalogue : Catalogue
    """

    name: str
    run: Run
    numbers: dict[str, int]
    sides: NDArray[Any]
    catalogue: Catalogue

    def described(self) -> dict[str, str]:
        """Return name, model, split and score, as JSON values."""
        from audiospec.zoo.report.entry import Entry
        from audiospec.zoo.scores.measuring.stored import stored_scores

        entry = Entry([self.run])
        table = self.run.metrics["test"]["track"]
        score = stored_scores([table]).get(entry.main)
        text = "" if score is None else f"{score.title} {score.show(table[entry.main])}"
        return {
            "name": self.name,
            "model": self.run.info.model,
            "split": entry.strategy,
            "score": text + " %" * (score is not None and score.percent),
        }

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """The probability of each class, by track: (tracks, classes); NaN where there is none.

        They are the normalised geometric means over the chunks that the track has on its side.
        """
        from audiospec.zoo.scores.measuring.chunks import shares_of, track_log_probabilities

        found = np.full((len(self.catalogue), len(self.run.info.classes)), np.nan)
        if self.run.info.target["name"] != "single":
            return found
        predictions = self.run.predictions()
        of_rows = np.array([self.numbers.get(id, -1) for id in predictions.tracks.tolist()], np.int64)
        keep = (of_rows >= 0) & (predictions.sides == self.sides[of_rows].astype(str))
        numbers, track_of = np.unique(of_rows[keep], return_inverse=True)
        if len(numbers):
            means = track_log_probabilities(predictions.probabilities[keep], track_of, len(numbers))
            found[numbers] = shares_of(means)
        return found

    @cached_property
    def truth(self) -> NDArray[np.int64]:
        """The class number of the given label, by track: (tracks,); -1 where it is none of the classes."""
        labels, tracks = self.catalogue.labels, self.catalogue.tracks
        if column := self.run.info.target.get("column"):
            if column not in tracks.free_columns and column not in tracks.columns:
                return np.full(len(labels), -1)
            labels = tracks[column]
        classes = {name: i for i, name in enumerate(self.run.info.classes)}
        return np.array([classes.get(label, -1) for label in labels.tolist()], np.int64)

    @cached_property
    def outputs(self) -> Outputs:
        """What the table of tracks shows of the run."""
        values, truth = self.probabilities, self.truth
        known = ~np.isnan(values).any(axis=1)
        best = np.where(known, np.nan_to_num(values).argmax(axis=1), -1)
        names = np.array([*self.run.info.classes, ""], dtype=object)
        every = np.arange(len(values))
        given = np.where(known & (truth >= 0), values[every, truth], np.nan)
        with np.errstate(divide="ignore"):
            loss = np.minimum(-np.log(given), 700.0)  # of a probability that is 0 in float64, too
        return Outputs(
            self.sides,
            names[best],
            np.where(known, values[every, best], np.nan),
            loss,
            known & (truth >= 0) & (best != truth),
        )

    def confusion(self) -> dict[str, Any]:
        """Return the confusion matrix of the test tracks, rows are given labels, as JSON values."""
        if self.run.info.target["name"] != "single":
            message = f"a run of the target {self.run.info.target['name']!r} has no confusion matrix"
            return {"labels": [], "counts": [], "side": "", "message": message}
        classes, outputs = self.run.info.classes, self.outputs
        best = {name: i for i, name in enumerate(classes)}
        counts = np.zeros((len(classes), len(classes)), np.int64)
        tested = np.flatnonzero((self.sides == "test") & (self.truth >= 0) & (outputs.predicted != ""))
        message = "" if len(tested) else "no test track has one label of this run's classes"
        predicted = np.array([best[name] for name in outputs.predicted[tested].tolist()], np.int64)
        np.add.at(counts, (self.truth[tested], predicted), 1)
        return {"labels": classes, "counts": counts.tolist(), "side": "test", "message": message}


def runs_of_store(
    folder: Path | None, store: FeatureStore, catalogue: Catalogue
) -> tuple[list[RunOfStore], list[str]]:
    """Find the runs that were trained on a store.

    Parameters
    ----------
    folder : Path or None
        A run, or a folder that has runs at any depth. None: no runs.
    store : FeatureStore
    catalogue : Catalogue

    Returns
    -------
    list of RunOfStore
        Those with a track of the store: its id, and the same content.
    list of str
        What could not be used, and why, one line each.

    Raises
    ------
    StoreError
        The folder does not exist.
    """
    if folder is None:
        return [], []
    if not folder.is_dir():
        raise StoreError(f"there is no folder {folder}", "give the folder of runs with `runs`")
    from audiospec.zoo.report.collect import find_runs

    found = find_runs([folder])
    problems = [f"run {path}: {reason}" for path, reason in found.problems.items()]
    runs, others = [], 0
    for run in found.runs:
        try:
            of_store = _match(run, folder, store, catalogue)
        except AudiospecError as error:
            problems.append(str(error))
            continue
        if of_store is None:
            others += 1
        else:
            runs.append(of_store)
    if others:
        problems.append(f"{others} of {len(found.runs)} runs below {folder} were trained on other tracks")
    return runs, problems


def _match(run: Run, folder: Path, store: FeatureStore, catalogue: Catalogue) -> RunOfStore | None:
    if run.info.dataset != store.dataset:
        return None
    tracks, index = catalogue.tracks, catalogue.tracks.index
    hashes = tracks["hash"]
    numbers: dict[str, int] = {}
    sides = np.full(len(catalogue), "", dtype=object)
    rank = {side: place for place, side in enumerate(_SIDES)}
    for of_run in run.tracks():
        number = index.get(of_run.known.track, -1)
        if number < 0 or hashes[number] != of_run.known.hash:
            continue
        numbers[of_run.known.track] = number
        if not sides[number] or rank.get(of_run.side, 9) < rank.get(sides[number], 9):
            sides[number] = of_run.side
    if not numbers:
        return None
    name = run.path.relative_to(folder).as_posix() if run.path != folder else run.path.name
    return RunOfStore(name, run, numbers, sides, catalogue)


def chosen_run(runs: Iterable[RunOfStore], name: str) -> RunOfStore | None:
    """Return the run of a name; None if no name is given.

    Raises
    ------
    StoreError
        There is no such run.
    """
    if not name:
        return None
    by_name = {run.name: run for run in runs}
    if name not in by_name:
        raise StoreError(f"there is no run {name!r}{nearest(name, by_name)}", "choose one of the list")
    return by_name[name]
