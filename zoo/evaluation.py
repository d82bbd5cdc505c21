"""Evaluation: score a run on its own test rows, or on another store; rows that it learnt from are named."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.digests import digest
from audiospec.errors import ModelError, RunError
from audiospec.stores.base import FeatureStore, open_store
from audiospec.stores.layout.view import View
from audiospec.zoo.base import Model, Rows
from audiospec.zoo.runs.corrected import corrected_as
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.measuring.pooled import mean_over_repeats
from audiospec.zoo.scores.measuring.tables import Evaluation
from audiospec.zoo.splits.leaks import Leaks, find_leaks, merge_leaks
from audiospec.zoo.splits.older import older_sides
from audiospec.zoo.splits.split import SIDES, known_rows

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class RunEvaluation(Evaluation):
    """Scores of a run, and whether it learnt from what it is scored on.

    Attributes
    ----------
    leaks : Leaks or None
        Scored rows whose track, content, cluster or group the run learnt from. None: the run is of an older
        version, and does not say what it learnt from.
    unknown : Evaluation or None
        Scores of the other rows, if some of the rows leak and some do not.
    """

    leaks: Leaks | None
    unknown: Evaluation | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the scores and leaks as plain JSON values."""
        return {
            **super().to_dict(),
            "leaks": None if self.leaks is None else self.leaks.to_dict(),
            "unknown": None if self.unknown is None else self.unknown.to_dict(),
        }


def evaluate(run: Run, store: FeatureStore | None = None) -> RunEvaluation:
    """Score a run.

    Parameters
    ----------
    run : Run
    store : FeatureStore or None
        Another store with a view of the run's features: all its rows of the run's classes are scored. Rows
        that the run learnt from are counted in `RunEvaluation.leaks`. Labels that were corrected for the run
        (`Run.info`) are corrected here, too, and tracks that were excluded are not scored.
        None: the test rows of the store that the run was trained on; of a cross-validation, each row by the
        model of the fold that tested it.

    Returns
    -------
    RunEvaluation

    Raises
    ------
    RunError
        The run's own store has changed since the run, so its test rows are not known. Or the run is a
        cross-validation, and another store is given.
    ModelError
        The store has no view of the run's features, or none of its classes.
    StoreError
        The run's own store no longer exists.
    """
    if store is None and run.lacks and not run.is_older:
        raise RunError(run.lacks, "give a `store` whose rows are all to be scored")
    if store is None and run.info.cross_validation:
        return _evaluate_folds(run)
    model = run.model()
    if store is None:
        view = corrected_as(run.info, open_store(run.info.store).view(run.info.view))
        numbers = _test_rows(run, view)
    else:
        view = corrected_as(run.info, _matching_view(run, store))
        _check_target(run, store)
        numbers = np.flatnonzero(run.target.usable(view))
        if not len(numbers):
            raise ModelError(
                f"view {view.name} of {store.path} has none of the run's classes "
                f"({', '.join(model.classes)})",
                "choose another `store`",
            )
    rows = Rows(view, numbers, model.target)
    probabilities = predict_rows(model, rows)
    scored = score_rows(probabilities, rows, run.info.seed)
    if run.lacks:
        return RunEvaluation(scored.chunk, scored.track, None)
    leaks, fresh = _leaks(run, view, numbers)
    unknown = None
    if leaks and fresh.any():
        unknown = score_rows(probabilities[fresh], rows.some(fresh), run.info.seed)
    return RunEvaluation(scored.chunk, scored.track, leaks, unknown)


def _evaluate_folds(run: Run) -> RunEvaluation:
    """Score each row of a cross-validation by the model of the fold that tested it."""
    view = corrected_as(run.info, open_store(run.info.store).view(run.info.view))
    repeats: defaultdict[int, list[tuple[Rows, NDArray[np.float64], NDArray[np.bool_]]]] = defaultdict(list)
    leaks = []
    for fold, stated in zip(run.folds(), run.info.cross_validation["runs"], strict=True):
        numbers = _test_rows(fold, view)
        of_fold, fresh = _leaks(fold, view, numbers)
        leaks.append(of_fold)
        rows = Rows(view, numbers, fold.target)
        repeats[stated["repeat"]].append((rows, predict_rows(fold.model(), rows), fresh))

    def score(only_fresh: bool) -> Evaluation:
        scored = []
        for of_repeat in repeats.values():
            chosen = [fresh if only_fresh else np.ones(len(fresh), bool) for _, _, fresh in of_repeat]
            parts = [
                (outputs[some], rows.some(some))
                for (rows, outputs, _), some in zip(of_repeat, chosen, strict=True)
            ]
            scored.append(score_parts(parts, run.info.seed))
        return mean_over_repeats(scored)

    pooled, merged = score(False), merge_leaks(leaks)
    known = [any(fresh.any() for _, _, fresh in of_repeat) for of_repeat in repeats.values()]
    unknown = score(True) if merged and all(known) else None
    return RunEvaluation(pooled.chunk, pooled.track, merged, unknown)


def _check_target(run: Run, store: FeatureStore) -> None:
    """Refuse a store with another target than the run's."""
    if store.labelling.target != run.target.name:
        raise ModelError(
            f"run {run.path} predicts the target {run.target.name!r}; the rows of {store.path} have the "
            f"target {store.labelling.target!r}",
            "choose another `store`",
        )


def _leaks(run: Run, view: View, numbers: Numbers) -> tuple[Leaks, NDArray[np.bool_]]:
    """Return which of some rows a run learnt from, and whether each is new to it."""
    learnt, dataset = run.learnt(), view.store.dataset
    known = known_rows(view)
    tested = [known[number] for number in numbers]
    fresh = np.array([not learnt.shares(track, dataset) for track in tested])
    return find_leaks(learnt, tested, dataset), fresh


def _test_rows(run: Run, view: View) -> Numbers:
    """Return the run's test rows, provided that the view still has the rows of the run."""
    if run.is_older:
        return _older_test_rows(run, view)
    predictions = run.predictions()
    row_of = {place: number for number, place in enumerate(_places(view))}
    stated = zip(predictions.tracks.tolist(), predictions.starts.tolist(), strict=True)
    numbers = np.array([row_of.get(place, -1) for place in stated], np.int64)
    if (numbers < 0).any():
        raise RunError(
            f"{view.store.path} has changed since run {run.path}: it lacks {int((numbers < 0).sum())} of the "
            f"run's {len(numbers)} rows",
            "train again",
        )
    if content_digest(view, numbers) != run.info.split["content"]:
        raise RunError(
            f"{view.store.path} has changed since run {run.path}: its rows have other values now",
            "train again",
        )
    return np.sort(numbers[predictions.sides == SIDES[-1]])


def _places(view: View) -> list[tuple[str, float]]:
    """Return the track id of each row and its start in seconds."""
    return list(zip(view.ids.astype(str).tolist(), view.rows["start"].tolist(), strict=True))


def _older_test_rows(run: Run, view: View) -> Numbers:
    """Return the test rows of a run that did not keep them, by splitting again."""
    stated = run.info.split
    sides = older_sides(view, stated["strategy"], run.info.seed, stated["shares"], run.info.classes)
    places = _places(view)
    if (
        digest({name: sorted(places[row] for row in side) for name, side in zip(SIDES, sides, strict=True)})
        != (stated["digest"])
    ):
        raise RunError(
            f"{view.store.path} has changed since run {run.path}; it now splits differently, so the model "
            "may have been trained on some of the test rows",
            "train again",
        )
    if content_digest(view, np.concatenate(sides)) != stated["content"]:
        raise RunError(
            f"{view.store.path} has changed since run {run.path}: its rows have other values now",
            "train again",
        )
    return sides[-1]


def _matching_view(run: Run, store: FeatureStore) -> View:
    """Return the store's view of the run's features and chunks."""
    spec, chunking = run.spec, run.chunking
    for view in store.views():
        if view.spec.fingerprint == spec.fingerprint and view.chunking == chunking:
            return view
    raise ModelError(
        f"{store.path} has no view of the features that run {run.path} was trained on ({run.info.view})",
        f"make one with `audiospec featurize --features {spec.feature} --chunk {chunking.seconds:g}` and "
        "the same parameters",
    )


#: Largest number of bytes of float32 rows that are read at a time for scoring.
BATCH = 256 << 20


def predict_rows(model: Model, rows: Rows, done: Callable[[int], None] | None = None) -> NDArray[np.float64]:
    """Return a model's outputs for rows, which are read in blocks of at most `BATCH` bytes.

    Parameters
    ----------
    model : Model
    rows : Rows
        May be empty.
    done : callable or None
        Called after each block with its number of rows.

    Returns
    -------
    ndarray of float64, shape (rows, *target.output_shape)
    """
    blocks = [np.zeros((0, *model.target.output_shape))]
    step = max(1, BATCH // (4 * math.prod(rows.view.info.row_shape)))
    for first in range(0, len(rows), step):
        values = rows.view.read(rows.numbers[first : first + step]).astype(np.float32)
        blocks.append(model.predict_proba(values))
        if done is not None:
            done(len(values))
    return np.concatenate(blocks)


def score_rows(outputs: NDArray[np.float64], rows: Rows, seed: int = 0) -> Evaluation:
    """Score the outputs of rows as their target is scored; `seed` is of the intervals."""
    return rows.target.score(outputs, rows, seed)


def score_parts(parts: Sequence[tuple[NDArray[np.float64], Rows]], seed: int = 0) -> Evaluation:
    """Score the outputs of several models together, each with its rows, whose target is that model's."""
    first = parts[0][1]
    rows = Rows(first.view, np.concatenate([rows.numbers for _, rows in parts]), first.target)
    return first.target.score_parts(parts, rows, seed)


def content_digest(view: View, numbers: Numbers) -> str:
    """Return the SHA-256 of the checksums of rows; it does not depend on their order."""
    return digest(sorted(int(value) for value in view.rows["checksum"][numbers]))
