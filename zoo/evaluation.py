"""Evaluation: a run's scores on its own test rows, or on another store."""

from __future__ import annotations

import math

import numpy as np

from audiospec.digests import digest
from audiospec.errors import ModelError, RunError
from audiospec.stores.base import FeatureStore, open_store
from audiospec.stores.layout.view import View
from audiospec.zoo.base import Model, Rows
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
        None: the test rows of the store that it was trained on.

    Returns
    -------
    Evaluation

    Raises
    ------
    RunError
        The store has changed since the run, so its test rows cannot be told.
    ModelError
        The store has no view of the run's features, or none of its classes.
    StoreError
        The run's own store is not there any more.
    """
    model = run.model()
    if store is None:
        view = open_store(run.info.store).view(run.info.view)
        return evaluate_rows(model, _test_rows(run, view), run.info.seed)
    view = _matching(run, store)
    numbers = np.flatnonzero(np.isin(view.labels.astype(str), model.classes))
    if not len(numbers):
        raise ModelError(
            f"view {view.name} of {store.path} has none of the run's classes ({', '.join(model.classes)})"
        )
    return evaluate_rows(model, Rows(view, numbers, model.classes), run.info.seed)


def _test_rows(run: Run, view: View) -> Rows:
    """The rows that the run did not learn from, if they can be told."""
    said = run.info.split
    made = split(view, said["strategy"], seed=run.info.seed, shares=said["shares"], classes=run.info.classes)
    if made.digest != said["digest"]:
        raise RunError(
            f"{view.store.path} has changed since run {run.path}: its rows split otherwise now, and the "
            "model may have learnt from some of the test rows; train again"
        )
    if content_digest(view, made) != said["content"]:
        raise RunError(
            f"{view.store.path} has changed since run {run.path}: its rows hold other numbers now; train "
            "again"
        )
    return Rows(view, made.test, run.info.classes)


def _matching(run: Run, store: FeatureStore) -> View:
    """The store's view of the run's features and chunks."""
    spec, chunking = run.spec, run.chunking
    for view in store.views():
        if view.spec.fingerprint == spec.fingerprint and view.chunking == chunking:
            return view
    raise ModelError(
        f"{store.path} has no view of the features that run {run.path} was trained on ({run.info.view}): "
        f"make one with `audiospec featurize --features {spec.feature} --chunk {chunking.seconds:g}` and "
        "the same parameters"
    )


#: Bytes of rows that are in memory at a time while they are scored.
BATCH = 256 << 20


def evaluate_rows(model: Model, rows: Rows, seed: int = 0) -> Evaluation:
    """Score a model on rows, some of which are in memory at a time."""
    import numpy as np

    parts = []
    step = max(1, BATCH // (4 * math.prod(rows.view.info.row_shape)))
    for first in range(0, len(rows), step):
        part = rows.view.read(rows.numbers[first : first + step]).astype(np.float32)
        parts.append(model.predict_proba(part))
    return score_chunks(np.concatenate(parts), rows.targets, rows.tracks, rows.classes, seed=seed)


def content_digest(view: View, made: Split) -> str:
    """SHA-256 of the checksums of a split's rows, in whatever order a store has them."""
    numbers = [getattr(made, side) for side in SIDES]
    sums = sorted(int(value) for part in numbers for value in view.rows["checksum"][part])
    return digest(sums)
