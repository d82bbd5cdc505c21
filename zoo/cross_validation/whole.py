"""Cross-validation: train and test each fold, then write one run of the whole."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import SplitError
from audiospec.stores.layout.view import View
from audiospec.zoo.base import CHECKPOINT, Rows
from audiospec.zoo.evaluation import content_digest, predict_rows, score_parts
from audiospec.zoo.progress import TrainingProgress, Watch
from audiospec.zoo.runs.corrected import correction_facts
from audiospec.zoo.runs.info import FOLD_FOLDER, RunInfo
from audiospec.zoo.runs.predictions import Predictions, TrackOfRun
from audiospec.zoo.runs.run import Run
from audiospec.zoo.runs.training_folder import remove_path, writing_run
from audiospec.zoo.runs.write import write_run
from audiospec.zoo.scores.measuring.pooled import mean_over_repeats, spread_of_folds
from audiospec.zoo.splits.folds import Fold, Folds
from audiospec.zoo.splits.split import SIDES

#: Trains one fold: its place, from 0, the folder of its run, and what is called with its progress.
TrainFold = Callable[[int, Path, Watch | None], Run]


def cross_validate(
    folds: Folds,
    view: View,
    training: Mapping[str, Any],
    train_fold: TrainFold,
    *,
    path: Path,
    work: Path,
    watch: Watch | None = None,
) -> Run:
    """Train and test each fold, and write the run of the whole.

    The runs of finished folds are in the checkpoint of the training's folder, so an interrupted
    cross-validation continues with the fold that was interrupted.

    Parameters
    ----------
    folds : Folds
        Of the view.
    view : View
    training : mapping
        What is trained, as fields of `RunInfo`.
    train_fold : callable
        Trains a fold, or resumes its training, or opens its run.
    path : Path
        The run's folder; must not exist.
    work : Path
        The training's folder, from `training_folder`.
    watch : callable or None
        Called with the progress of each fold, which has its number.

    Returns
    -------
    Run
    """
    parts = work / CHECKPOINT
    with writing_run(work):
        parts.mkdir(exist_ok=True)
    try:
        runs = [
            train_fold(place, parts / f"fold-{place + 1}", _with_fold(watch, place + 1, len(folds)))
            for place in range(len(folds))
        ]
        with writing_run(work):
            for other in parts.iterdir():
                if not FOLD_FOLDER.fullmatch(
                    other.name
                ):  # of a process that was killed when it wrote the run
                    remove_path(other)
        first = runs[0].info
        predictions = _pooled(folds.folds, runs)
        info = RunInfo(
            **{
                **training,
                "split": {**training["split"], **_facts(folds)},
                "corrections": {**training["corrections"], **correction_facts(view)},
                "settings": _settings(training, runs),
                "search": _searches(training, runs),
                "target": first.target,
            },
            store=str(view.store.path),
            view=view.name,
            parameters=max(run.info.parameters for run in runs),
            seconds=sum(run.info.seconds for run in runs),
            versions=first.versions,
            date=datetime.date.today().isoformat(),
            backend=first.backend,
            cross_validation=_stated(folds, runs),
        )
        metrics = {"test": _metrics(folds, runs, predictions, view)}
        return write_run(path, work, info, None, metrics, [], predictions, _tracks(runs))
    finally:
        with suppress(OSError):  # of a cross-validation whose first fold cannot be trained
            parts.rmdir()


def folds_info(folds: Folds, view: View) -> dict[str, Any]:
    """Return what makes two cross-validations the same, and the sizes of their sides.

    The training and validation sides are those of a fold, the mean over folds; all rows are tested.
    """
    sizes = {}
    for side in SIDES[:2]:
        rows = [getattr(fold.split, side) for fold in folds.folds]
        sizes[side] = {
            "rows": round(float(np.mean([len(of) for of in rows]))),
            "tracks": round(float(np.mean([len(np.unique(view.rows["track"][of])) for of in rows]))),
        }
    tested = folds.tested
    sizes[SIDES[2]] = {"rows": len(tested), "tracks": len(np.unique(view.rows["track"][tested]))}
    return {
        "strategy": folds.strategy,
        "seed": folds.seed,
        "shares": list(folds.shares),
        "digest": folds.digest,
        "content": content_digest(view, tested),
        "sides": sizes,
    }


def _facts(folds: Folds) -> dict[str, Any]:
    """Return what else is known of the folds: what they are made of, and what leaks."""
    return {
        "name": folds.name,
        "reason": folds.reason,
        "leaky": folds.leaky,
        "leaks": folds.leaks.to_dict(),
        "left_out": 0,  # every row is tested
    }


def _with_fold(watch: Watch | None, number: int, total: int) -> Watch | None:
    """Return a callback that adds the number of a fold to its progress."""
    if watch is None:
        return None

    def watch_fold(now: TrainingProgress) -> None:
        watch(dataclasses.replace(now, fold=number, folds=total))

    return watch_fold


def _pooled(folds: Sequence[Fold], runs: Sequence[Run]) -> Predictions:
    """Return the predictions of the test rows of all folds, in their order."""
    parts = [run.predictions().of("test") for run in runs]
    lengths = [len(part) for part in parts]
    names = ("tracks", "hashes", "starts", "sides", "truth", "probabilities")
    return Predictions(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names},
        repeats=np.repeat([fold.repeat for fold in folds], lengths),
        folds=np.repeat([fold.number for fold in folds], lengths),
    )


def _metrics(folds: Folds, runs: Sequence[Run], predictions: Predictions, view: View) -> dict[str, Any]:
    """Return the scores of the outputs of all folds together: the mean over repeats."""
    repeats: dict[int, list[tuple[NDArray[np.float64], Rows]]] = {}
    first = 0
    for fold, run in zip(folds.folds, runs, strict=True):
        rows = Rows(view, fold.split.test, run.target)
        if run.target.of_row is run.target:
            outputs = predictions.probabilities[first : first + len(rows)]
        else:  # predictions are kept by row, and there is more to an output
            outputs = predict_rows(run.model(), rows)
        first += len(rows)
        repeats.setdefault(fold.repeat, []).append((outputs, rows))
    scored = [score_parts(parts, runs[0].info.seed) for parts in repeats.values()]
    return mean_over_repeats(scored).to_dict()


def _stated(folds: Folds, runs: Sequence[Run]) -> dict[str, Any]:
    """Return what the run of the whole states of its folds: their runs, and their scores."""
    tables = [run.metrics["test"] for run in runs]
    sides = [run.info.split["sides"] for run in runs]
    trained = [side["train"]["tracks"] + side["valid"]["tracks"] for side in sides]
    tested = [side["test"]["tracks"] for side in sides]
    spread = {
        level: spread_of_folds([table[level] for table in tables], trained, tested)
        for level in ("chunk", "track")
    }
    stated = [
        {
            "folder": run.path.name,
            "repeat": fold.repeat,
            "fold": fold.number,
            "split": fold.split.name,
            "digest": run.digest,
            "tested": side["test"],
            "scores": {level: {key: table[level][key] for key in spread[level]} for level in spread},
        }
        for fold, run, side, table in zip(folds.folds, runs, sides, tables, strict=True)
    ]
    return {
        "folds": len(folds) // folds.repeats,
        "repeats": folds.repeats,
        "runs": stated,
        "spread": spread,
    }


def _settings(training: Mapping[str, Any], runs: Sequence[Run]) -> dict[str, Any]:
    """Return the parameters of the models, without those that differ between folds, which were searched."""
    first, *others = (run.info.settings for run in runs)
    return {name: value for name, value in first.items() if all(other[name] == value for other in others)}


def _searches(training: Mapping[str, Any], runs: Sequence[Run]) -> dict[str, Any]:
    """Return what was searched, and what was chosen in each fold."""
    if not training["search"]:
        return {}
    return {**runs[0].info.search, "candidates": [], "chosen": [run.info.search["chosen"] for run in runs]}


def _tracks(runs: Sequence[Run]) -> list[TrackOfRun]:
    """Return the tracks of all folds: each once for every side that it was on."""
    order = {side: number for number, side in enumerate(SIDES)}
    tracks = {track for run in runs for track in run.tracks() if track.side in order}
    return sorted(tracks, key=lambda track: (order[track.side], track))


def check_classes(folds: Folds) -> list[str]:
    """Return the classes of the folds, sorted; of a number the name of its column.

    Raises
    ------
    SplitError
        A fold does not learn all of them, so its probabilities could not be pooled with the others'.
    """
    strata = folds.strata
    if not strata.checked:
        return strata.names
    names = strata.rows.select(folds.tested).present()
    for fold in folds.folds:
        missing = sorted({*names} - {*strata.rows.select(fold.split.train).present()})
        if missing:
            raise SplitError(
                f"{strata.noun} {missing[0]!r} has no training rows in split {fold.split.strategy!r}",
                f"leave the {strata.noun} out with `classes`, or give it more tracks",
            )
    return names
