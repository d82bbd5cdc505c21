"""Audit the labels of a run's tracks: find those that models which did not learn from them find wrong."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiospec.corrections.applied import latest
from audiospec.corrections.corrections import Corrections
from audiospec.doctor.audit.ranking import check_method, rank
from audiospec.doctor.audit.suspect import Audit, Suspect
from audiospec.errors import RunError, StorageError, StoreError
from audiospec.stores.base import FeatureStore, open_store
from audiospec.zoo.hub.load import load_run
from audiospec.zoo.progress import Watch
from audiospec.zoo.runs.corrected import decisions_of
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.measuring.chunks import shares_of, track_log_probabilities
from audiospec.zoo.splits.leaks import Known
from audiospec.zoo.splits.units import SAME_SOUND, joined
from audiospec.zoo.training import train

_logger = logging.getLogger("audiospec")


def audit(
    run: Run | Path | str,
    *,
    store: FeatureStore | None = None,
    folds: int = 5,
    method: str = "cleanlab",
    watch: Watch | None = None,
) -> Audit:
    """Rank the tracks of a run by how likely their labels are wrong.

    Each track is judged by a model that did not learn from it, nor from a track of its group, of its cluster
    or of the same content. So the run has to be a cross-validation. If it is not, its model is trained again
    by folds, into the folder of the run: as by ``audiospec train --folds``.

    Parameters
    ----------
    run : Run or path
        A run of one label a track.
    store : FeatureStore or None
        The store that it was trained on, if that was moved.
    folds : int
        Folds of the cross-validation, if the run is none.
    method : str
        How it is decided which labels are likely wrong; one of `METHODS`.
    watch : callable or None
        Called with the progress of the trainings, as by `train`.

    Returns
    -------
    Audit

    Raises
    ------
    RunError
        The run has another target, segments with labels, or no predictions.
    ModelError
        There is no such method, or cleanlab is not installed.
    SplitError
        A class has fewer units (groups, tracks) than there are folds.
    StoreError
        The store no longer exists, and the model has to be trained again.
    """
    check_method(method)
    given = run if isinstance(run, Run) else load_run(run)
    if given.info.target["name"] != "single":
        raise RunError(
            f"expected a run of one label a track; run {given.path} predicts the target "
            f"{given.info.target['name']!r}",
            "audit another run",
        )
    used, about = _cross_validated(given, store, folds, watch)
    ids, labels, probabilities = out_of_fold(used)
    ranking = rank(labels, probabilities, method)
    known = {track.known.track: track.known for track in used.tracks()}
    tracks = [known.get(id, Known(id)) for id in ids]
    classes = used.info.classes
    names = [classes[number] for number in labels.tolist()]
    same = _same_sound(tracks, names)
    stored = {one.track: one.old for one in decisions_of(used.info)}
    decided = _decided(used, store)
    suspects: list[Suspect] = []
    for place in np.lexsort((np.array(ids), ranking.quality)).tolist():
        if ids[place] in decided:
            continue
        suggestion = int(ranking.suggestion[place])
        suspects.append(
            Suspect(
                rank=len(suspects) + 1,
                track=ids[place],
                hash=tracks[place].hash,
                label=names[place],
                stored=stored.get(ids[place], names[place]),
                suggestion=classes[suggestion],
                probability=float(probabilities[place, labels[place]]),
                suggested=float(probabilities[place, suggestion]),
                is_likely=bool(ranking.is_likely_wrong[place]),
                same_sound=same.get(place, ()),
            )
        )
    thresholds = dict(zip(classes, ranking.thresholds.tolist(), strict=True))
    return Audit(
        used.path,
        used.info.store if store is None else str(store.path),
        method,
        tuple(suspects),
        thresholds,
        float((probabilities.argmax(1) == labels).mean()),
        tuple(sorted(decided & {*ids})),
        about,
        used.info.target.get("column", ""),
    )


def _cross_validated(
    run: Run, store: FeatureStore | None, folds: int, watch: Watch | None
) -> tuple[Run, str]:
    """Return a run whose predictions are all of models that did not learn from the row, and what it is."""
    info = run.info
    if info.cross_validation:
        if info.split["leaky"]:
            _logger.warning(
                "%s: its split is leaky (%s), so that wrong labels of what the models know are missed: "
                "train with folds by groups",
                run.path,
                info.split["name"],
            )
        return run, f"predictions of run {run.path.name}: {info.split['name']}"
    if run.source:
        raise RunError(
            f"expected a cross-validation; {run.source} has one model, and is not trained again",
            "audit a run that was trained by folds",
        )
    opened = open_store(info.store) if store is None else store
    view = opened.view(info.view)
    whole = info.classes == [str(name) for name in view.classes]
    made = train(
        info.model,
        view,
        settings=info.settings,
        folds=folds,
        seed=info.seed,
        shares=info.split["shares"],
        classes=None if whole else info.classes,
        label_column=info.target.get("column"),
        runs=run.path.parent,
        resume=True,
        watch=watch,
    )
    about = f"run {run.path.name} has one model, so it was trained again by {made.info.split['name']}"
    return made, f"{about}: {made.path}"


def out_of_fold(run: Run) -> tuple[list[str], NDArray[np.int64], NDArray[np.float64]]:
    """Return the tracks of a cross-validation, their class numbers, and their probabilities.

    Parameters
    ----------
    run : Run
        Of one label a track.

    Returns
    -------
    ids : list of str
        Sorted.
    labels : ndarray of int64, shape (tracks,)
        Numbers in the run's classes.
    probabilities : ndarray of float64, shape (tracks, classes)
        By the mean log-probability over the chunks of a track, and over repeats. Rows add up to 1.

    Raises
    ------
    RunError
        A track has segments of several labels.
    """
    predictions = run.predictions().of("test")
    ids, first, track_of = np.unique(predictions.tracks, return_index=True, return_inverse=True)
    labels = predictions.truth[first]
    if not np.array_equal(labels[track_of], predictions.truth):
        raise RunError(
            f"expected one label for each track; run {run.path} has tracks whose segments have several",
            "audit a run of whole tracks",
        )
    means = track_log_probabilities(predictions.probabilities, track_of, len(ids))
    return ids.tolist(), labels.astype(np.int64), shares_of(means)


def _same_sound(tracks: Sequence[Known], labels: Sequence[str]) -> dict[int, tuple[str, ...]]:
    """Return the place of each track that has the sound of others of another label → their ids."""
    columns = [np.array([getattr(track, name) for track in tracks], np.str_) for name in SAME_SOUND]
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for place, unit in enumerate(joined(columns).tolist()):
        groups[unit].append(place)
    found = {}
    for places in groups.values():
        for place in places:
            others = tuple(tracks[other].track for other in places if labels[other] != labels[place])
            if others:
                found[place] = others
    return found


def _decided(run: Run, store: FeatureStore | None) -> set[str]:
    """Return the ids of the tracks that people have decided on, as the file beside the store says."""
    try:
        opened = open_store(run.info.store) if store is None else store
        corrections = Corrections.of(opened)
    except (StoreError, StorageError):  # the store was moved: its predictions can be audited all the same
        return set()
    found, _ = latest(corrections.decisions, opened.tracks)
    return {str(opened.tracks["id"][number]) for number in found}
