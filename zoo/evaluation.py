"""Evaluation: score a run on its own test rows, or on another store."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audiospec.digests import digest
from audiospec.errors import ModelError, RunError
from audiospec.stores.base import FeatureStore, open_store
from audiospec.stores.layout.view import View
from audiospec.zoo.base import BATCH, Model, Rows
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.measuring.chunks import score_chunks
from audiospec.zoo.scores.measuring.tables import Evaluation
from audiospec.zoo.splits import SIDES, Split, split


def evaluate(run: Run, store: FeatureStore | None = None) -> Evaluation:
    """Score a run.

    Parameters
    ----------
    run : Run
    store : FeatureStore or None
        Another store with a view of the run's features: all its rows of the run's classes are scored.
        None: the test rows of the store that the run was trained on.

    Returns
    -------
    Evaluation

    Raises
    ------
    RunError
        The run's own store has changed since the run, so its test rows are not known.
    ModelError
        The store has no view of the run's features, or none of its classes.
    StoreError
        The run's own store no longer exists.
    """
    model = run.model()
    if store is None:
        view = open_store(run.info.store).view(run.info.view)
        return evaluate_rows(model, _test_rows(run, view), run.info.seed)
    view = _matching_view(run, store)
    numbers = np.flatnonzero(np.isin(view.labels.astype(str), model.classes))
    if not len(numbers):
        raise ModelError(
            f"view {view.name} of {store.path} has none of the run's classes ({', '.join(model.classes)})",
            "choose another `store`",
        )
    return evaluate_rows(model, Rows(view, numbers, model.classes), run.info.seed)


def _test_rows(run: Run, view: View) -> Rows:
    """Return the run's test rows, provided that the view still has the rows of the run."""
    stated = run.info.split
    view_split = split(
        view, stated["strategy"], seed=run.info.seed, shares=stated["shares"], classes=run.info.classes
    )
    if view_split.digest != stated["digest"]:
        raise RunError(
            f"{view.store.path} has changed since run {run.path}; it now splits differently, so the model "
            "may have been trained on some of the test rows",
            "train again",
        )
    if content_digest(view, view_split) != stated["content"]:
        raise RunError(
            f"{view.store.path} has changed since run {run.path}; its rows have other values now",
            "train again",
        )
    return Rows(view, view_split.test, run.info.classes)


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


def evaluate_rows(
    model: Model, rows: Rows, seed: int = 0, done: Callable[[int], None] | None = None
) -> Evaluation:
    """Score a model on rows, which are read in blocks of at most `BATCH` bytes.

    Parameters
    ----------
    model : Model
    rows : Rows
    seed : int
        Seed of the intervals.
    done : callable or None
        Called after each block with its number of rows.
    """
    blocks = []
    for values in rows.blocks(BATCH):
        blocks.append(model.predict_proba(values))
        if done is not None:
            done(len(values))
    return score_chunks(np.concatenate(blocks), rows.targets, rows.tracks, rows.classes, seed=seed)


def content_digest(view: View, view_split: Split) -> str:
    """Return the SHA-256 of the checksums of a split's rows; it does not depend on the store's row order."""
    numbers = [getattr(view_split, side) for side in SIDES]
    checksums = sorted(int(value) for side in numbers for value in view.rows["checksum"][side])
    return digest(checksums)
