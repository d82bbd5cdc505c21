"""Training: view → split → fit → scores → run folder."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audiospec.corrections.view import BESIDE, CorrectedView, corrected
from audiospec.errors import ModelError, RunError
from audiospec.machine import versions
from audiospec.storage.location import Location, local, location
from audiospec.stores.layout.view import View
from audiospec.zoo.base import Model, Progress, Rows, models
from audiospec.zoo.calibration.held_out import calibration, check_calibration
from audiospec.zoo.cross_validation.search import checked_search, choose_settings
from audiospec.zoo.cross_validation.whole import check_classes, cross_validate, folds_info
from audiospec.zoo.evaluation import content_digest, predict_rows, score_rows
from audiospec.zoo.progress import TrainingProgress, Watch
from audiospec.zoo.runs.corrected import correction_facts, corrections_of
from audiospec.zoo.runs.info import RUN, RunInfo
from audiospec.zoo.runs.outputs import predictions_of, side_outputs
from audiospec.zoo.runs.predictions import tracks_of
from audiospec.zoo.runs.run import Run
from audiospec.zoo.runs.training_folder import (
    end_training,
    is_stopped,
    stopped_otherwise,
    training_folder,
    writing_run,
)
from audiospec.zoo.runs.write import write_history, write_run
from audiospec.zoo.scores.base import all_scores, main_key
from audiospec.zoo.splits.choose import choose
from audiospec.zoo.splits.corrected import with_corrected_labels
from audiospec.zoo.splits.folds import Folds
from audiospec.zoo.splits.share import folds_with_share, with_share
from audiospec.zoo.splits.split import SIDES, Split
from audiospec.zoo.targets.base import target_of, targets

#: Packages whose versions are stored with a run, because its numbers depend on them.
PACKAGES = ("audiospec", "torch", "lightning", "numpy", "scikit-learn", "skops", "safetensors")


def train(
    model: str,
    view: View,
    *,
    settings: Mapping[str, Any] | None = None,
    strategy: str | Path | Split | Folds | None = None,
    seed: int = 0,
    split_seed: int | None = None,
    shares: Sequence[float] | None = None,
    classes: Sequence[str] | None = None,
    label_column: str | None = None,
    calibrate: bool = False,
    folds: int | None = None,
    repeats: int = 1,
    train_share: float = 1.0,
    search: Mapping[str, Sequence[Any]] | None = None,
    inner_folds: int = 3,
    corrections: Location | str | None = BESIDE,
    out: Path | str | None = None,
    runs: Path | str = "runs",
    resume: bool = False,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> Run:
    """Train a model of the zoo on a view, score it, and write its run.

    Parameters
    ----------
    model : str
        Name in the registry of models.
    view : View
        Its rows must be of the kind that the model reads.
    settings : mapping or None
        The model's parameters that differ from their defaults; values may be given as text.
    strategy : str, path, Split, Folds or None
        How rows are split: the name of a strategy (see `audiospec.split`), a file of `write_split` (a path,
        or text that ends in ``.json``), or a split of the view. None: ``"strongest"``. ``"folds"``,
        ``"leave-one-group-out"`` and folds of `make_folds` make a cross-validation.
    seed : int
        Seed of the training.
    split_seed : int or None
        Seed of the split. None: `seed`.
    shares : sequence of 3 floats or None
        Shares of training, validation and test rows. None: the model's default. All models have the same
        default share of test rows, so one seed gives all of them the same test tracks.
    classes : sequence of str or None
        Labels to train on. None: all labels of the view.
    label_column : str or None
        A free column of the store's tracks whose text is the label, such as ``"device"``. None: the labels or
        targets that the store was made with.
    calibrate : bool
        Whether to calibrate the probabilities: on the validation rows, or, if there are none, on predictions
        of the training rows by models that were trained on other units, which takes several trainings. No
        row gets another most probable class.
    folds : int or None
        Number of folds of a cross-validation: all rows are tested, by models of the other folds, and the run
        has a run for each fold. None: one model is trained, unless the strategy is one of folds.
    repeats : int
        How often the folds are drawn; each row is tested as often.
    train_share : float
        Share of the training units to train on, above 0 and up to 1; the test rows stay the same. A larger
        share contains a smaller one.
    search : mapping or None
        Parameters of the model to choose → the values to choose from; values may be given as text. Models are
        trained on inner folds of the training rows; validation and test rows are not read. With folds,
        parameters are chosen in each fold anew.
    inner_folds : int
        Number of inner folds of the search.
    corrections : path, "beside" or None
        A file of corrections of the labels (`Corrections`), which is applied to the tracks that have its
        content hashes: labels are replaced, and excluded tracks are on no side. ``"beside"``: the file
        ``corrections.csv`` in the store's folder, if there is one. None: none. The store is not changed.
    out : path or None
        The run's folder. None: in `runs`, the first of ``MODEL-VIEW-SPLIT-SEED``, ``….2``, ``….3`` … that is
        free, or, with `resume`, the one that has this training.
    runs : path
        Folder of the runs.
    resume : bool
        Whether to return the run if it exists, and to resume its training if that was interrupted. A resumed
        training gives the same run as an uninterrupted one, except for the seconds. Without `resume`, an
        interrupted training is an error.
    progress : callable or None
        Called after each epoch, with the epoch's row of ``history.csv``.
    watch : callable or None
        Called before the model is trained, several times a second at most during an epoch, and while the
        trained model is scored, with a `TrainingProgress`. It does not change the run.

    Returns
    -------
    Run

    Raises
    ------
    RegistryError
        No model has this name.
    ModelError
        The parameters are not the model's, the model does not read the view, or it cannot be trained.
    SplitError
        The view cannot be split like this.
    RunError
        The run exists, is of another training, or cannot be written.
    StoreError
        The corrections cannot be read.
    """
    cls = models[model]
    chosen = cls.Settings.replace_in(settings or {}, f"model {model!r}")
    searched = checked_search(search, inner_folds, model, cls, settings or {})
    _check_input(model, cls, view)
    chosen = cls.settings_for(chosen, view.spec)
    if isinstance(strategy, Split | Folds):
        label_column = strategy.strata.column or label_column
    view = corrected(view, corrections, label_column=label_column)
    made = choose(
        view,
        strategy,
        folds=folds,
        repeats=repeats,
        seed=seed if split_seed is None else split_seed,
        shares=shares or cls.shares,
        classes=classes,
        label_column=label_column,
    )
    if isinstance(view, CorrectedView):
        made = with_corrected_labels(made, view)
    _check_target(model, cls, view, made.strata.target)
    if calibrate:
        check_calibration(made.strata.target)
    all_scores(made.strata.target)  # imports the scores, so that a broken one fails before the training
    chosen = chosen.for_target(targets[made.strata.target])
    searched = dataclasses.replace(searched, score=main_key(made.strata.target))
    column = made.strata.column
    view_split: Split | Folds
    sides: dict[str, Rows] = {}
    if isinstance(made, Folds):
        names = check_classes(made)
        view_split = folds_with_share(made, view, train_share)
    else:
        view_split = with_share(made, view, train_share)
        target = target_of(view, view_split.train, view_split.strata)
        names = target.classes
        # Only now are the outputs' shape and the rows' targets known.
        target = cls(chosen, view.info.row_shape, target).target
        sides = {side: Rows(view, getattr(view_split, side), target) for side in SIDES}
    training: dict[str, Any] = {
        "model": model,
        "settings": dataclasses.asdict(chosen),
        "classes": names,
        "target": {"name": made.strata.target, **({"column": column} if column else {})},
        "row_shape": list(view.info.row_shape),
        "spec": view.spec.to_dict(),
        "chunking": view.chunking.to_dict(),
        "dataset": view.store.dataset,
        "split": folds_info(view_split, view)
        if isinstance(view_split, Folds)
        else _split_info(view_split, sides),
        "seed": seed,
        "calibrate": calibrate,
        "train_share": float(train_share),
        "search": searched.to_dict(),
        "corrections": corrections_of(view),
    }
    name = run_name(model, view, view_split.strategy, seed, train_share)
    place = local(location(runs if out is None else out), "a run")
    path = _run_path(place, name, training, resume) if out is None else place
    if resume and (path / RUN).exists():
        return _finished(path, training)
    with training_folder(path, training, resume) as work:
        if resume and (path / RUN).exists():  # another process has finished it in the meantime
            return _finished(path, training)
        if isinstance(view_split, Folds):
            assert isinstance(made, Folds)  # before the share is taken, which each fold's training takes
            splits = [fold.split for fold in made.folds]

            def train_fold(place: int, fold_path: Path, fold_watch: Watch | None) -> Run:
                return train(
                    model,
                    view,
                    settings=settings,
                    strategy=splits[place],
                    seed=seed,
                    train_share=train_share,
                    search=search,
                    inner_folds=inner_folds,
                    calibrate=calibrate,
                    corrections=None,  # they are applied to the view
                    out=fold_path,
                    resume=True,
                    progress=progress,
                    watch=fold_watch,
                )

            return cross_validate(view_split, view, training, train_fold, path=path, work=work, watch=watch)
        finished: list[dict[str, float]] = []

        def record(entry: dict[str, float]) -> None:
            finished.append(entry)
            with writing_run(work):
                write_history(work, finished)
            if progress is not None:
                progress(entry)

        if searched.grid:
            chosen, found = choose_settings(
                searched, cls, chosen, sides["train"], view_split, seed=seed, work=work, watch=watch
            )
            training.update(settings=dataclasses.asdict(chosen), search=found)
        began = time.monotonic()
        trained = cls(chosen, view.info.row_shape, sides["train"].target)
        trained.watch = watch
        if watch is not None:
            watch(
                TrainingProgress(
                    stage="fitting",
                    row_shape=view.info.row_shape,
                    rows=0,
                    rows_total=len(sides["train"]),
                    epochs=getattr(chosen, "epochs", 0),
                )
            )
        history = trained.fit(sides["train"], sides["valid"], seed=seed, work=work, progress=record)
        held_out = calibration(trained, sides["train"], sides["valid"], calibrate=calibrate, seed=seed)
        if len(sides["valid"]):
            of_valid = predict_rows(held_out.applied_to(trained), sides["valid"])
            trained.target = trained.target.tuned(of_valid, sides["valid"])
            sides = {side: Rows(view, rows.numbers, trained.target) for side, rows in sides.items()}
        # The sum includes the epochs before an interruption; the clock does not.
        seconds = sum(entry.get("seconds", 0.0) for entry in history) or time.monotonic() - began
        outputs = side_outputs(held_out.applied_to(trained), sides, watch)
        metrics = {
            side: score_rows(outputs[side], sides[side], seed).to_dict()
            for side in ("test", "train", "valid")
            if len(sides[side])
        }
        info = RunInfo(
            **{
                **training,
                "split": {**training["split"], **_split_facts(view_split)},
                "corrections": {**training["corrections"], **correction_facts(view)},
                "target": trained.target.to_dict(),
            },
            store=str(view.store.path),
            view=view.name,
            parameters=trained.parameters,
            seconds=seconds,
            versions=versions(PACKAGES),
            date=datetime.date.today().isoformat(),
            backend=str(view.info.made.get("backend", "")),
            calibration=held_out.to_dict(),
        )
        return write_run(
            path,
            work,
            info,
            trained,
            metrics,
            history,
            predictions_of(outputs, sides),
            tracks_of(view, view_split),
            held_out.conformal,
        )


def epoch_in_words(entry: Mapping[str, float], most: int) -> str:
    """Return a line about an epoch of a network: its number, the largest number of epochs, the losses."""
    losses = f"loss {entry['train_loss']:.3f}, validation {entry['valid_loss']:.3f}"
    return f"epoch {entry['epoch']:.0f} of {most}, {losses}"


def run_name(model: str, view: View, strategy: str, seed: int, train_share: float = 1.0) -> str:
    """Return the name of a run's folder; it is valid on any system, although folds may have any name."""
    share = f"-share-{train_share:g}" if train_share != 1 else ""
    return re.sub(r"[^\w.-]+", "-", f"{model}-{view.name}-{strategy}-{seed}{share}")


def _run_path(runs: Path, name: str, training: Mapping[str, Any], resume: bool) -> Path:
    """Return the first path of a name that is free or, with `resume`, has this training."""
    for number in itertools.count(1):
        path = runs / (name if number == 1 else f"{name}.{number}")
        if path.exists():
            if resume and (path / RUN).exists() and Run(path).says(training):
                return path
        elif not is_stopped(path) or not stopped_otherwise(path, training):
            return path
    raise AssertionError


def _finished(path: Path, training: Mapping[str, Any]) -> Run:
    """Open the finished run of a training."""
    run = Run(path)
    if not run.says(training):
        raise RunError(f"{path} is the run of another training", "choose another `out`")
    end_training(path, training)
    return run


def _check_input(name: str, cls: type[Model], view: View) -> None:
    if not cls.reads(view.spec):
        raise ModelError(
            f"model {name} reads {cls.input!r} rows; view {view.name} of feature {view.spec.feature!r} has "
            f"{view.spec.kind!r} rows of ({', '.join(view.spec.dims)})",
            "choose another view, or another model (`audiospec models` lists them)",
        )


def _check_target(name: str, cls: type[Model], view: View, target: str) -> None:
    if target not in cls.serves:
        reading = (other for other in models if models[other].reads(view.spec))
        others = [other for other in reading if target in models[other].serves]
        raise ModelError(
            f"model {name} learns the target {' or '.join(cls.serves)}; the rows of view {view.name} have "
            f"the target {target!r}",
            f"choose another model: {', '.join(others)}" if others else "choose another view",
        )


def _split_info(view_split: Split, sides: Mapping[str, Rows]) -> dict[str, Any]:
    """Return what makes two splits the same, and the sizes of the sides."""
    return {
        "strategy": view_split.strategy,
        "seed": view_split.seed,
        "shares": list(view_split.shares),
        "digest": view_split.digest,
        "content": content_digest(
            sides["train"].view, np.concatenate([sides[side].numbers for side in SIDES])
        ),
        "sides": {
            side: {"rows": len(rows), "tracks": len(set(rows.tracks.tolist()))}
            for side, rows in sides.items()
        },
    }


def _split_facts(view_split: Split) -> dict[str, Any]:
    """Return what else is known of a split: why it was chosen, and what leaks."""
    return {
        "name": view_split.name,
        "reason": view_split.reason,
        "leaky": view_split.leaky,
        "leaks": view_split.leaks.to_dict(),
        "left_out": len(view_split.left_out),
    }
