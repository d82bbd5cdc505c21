"""Choose a model's parameters on inner folds of the training rows; validation and test rows are not read."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from audiospec.errors import ModelError, RunError, SplitError
from audiospec.files import read_json
from audiospec.zoo.base import CHECKPOINT, Model, ModelSettings, Rows
from audiospec.zoo.evaluation import predict_rows
from audiospec.zoo.progress import TrainingProgress, Watch
from audiospec.zoo.runs.info import MOST_METRICS
from audiospec.zoo.runs.training_folder import SEARCH, remove_path, write_json, writing_run
from audiospec.zoo.scores.base import MAIN
from audiospec.zoo.splits.drawing import draw, stratified_folds
from audiospec.zoo.splits.split import Split

#: Files of a search in the training's folder: the scores of finished models, and the model in training.
SCORES, FIT = "scores.json", "fit"


@dataclass(frozen=True)
class Search:
    """A search: the values of each parameter, and the number of inner folds.

    Attributes
    ----------
    grid : dict
        Parameter → values; every combination is tried.
    inner_folds : int
    score : str
        Key of the score that chooses: the main one of the target.
    """

    grid: dict[str, list[Any]]
    inner_folds: int
    score: str = MAIN

    @property
    def candidates(self) -> list[dict[str, Any]]:
        """The combinations of the values; the last parameter varies first."""
        return [
            dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the search as plain JSON values; empty if nothing is searched."""
        if not self.grid:
            return {}
        return {"grid": self.grid, "inner_folds": self.inner_folds, "score": self.score}


def checked_search(
    grid: Mapping[str, Sequence[Any]] | None,
    inner_folds: int,
    model: str,
    cls: type[Model],
    settings: Mapping[str, Any],
) -> Search:
    """Check what is to be searched.

    Parameters
    ----------
    grid : mapping or None
        Parameter → values, which may be given as text. None: nothing is searched.
    inner_folds : int
    model : str
        Name in the registry of models.
    cls : type
        Of the model.
    settings : mapping
        Parameters that are given, and so cannot be searched.

    Raises
    ------
    ModelError
        The model lacks a parameter, a value is impossible, or a parameter is given as well or has no value.
    SplitError
        There are fewer than two inner folds.
    """
    if isinstance(inner_folds, bool) or not isinstance(inner_folds, int) or inner_folds < 2:
        raise SplitError(
            f"expected at least 2 inner folds; got {inner_folds!r}", "give `inner_folds=3`, for example"
        )
    checked: dict[str, list[Any]] = {}
    for name, values in (grid or {}).items():
        if name in settings:
            raise ModelError(
                f"expected parameter {name} to be given or searched; got both",
                "leave it out of `settings` or `search`",
            )
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise ModelError(f"expected a list of values of parameter {name} to search; got {values!r}")
        made = [cls.Settings.replace_in({**settings, name: value}, f"model {model!r}") for value in values]
        if not hasattr(made[0], name):  # a field of a frontend, which is a part of a parameter
            raise ModelError(f"parameter {name} can be given, but not searched", "search whole parameters")
        checked[name] = list(dict.fromkeys(getattr(one, name) for one in made))
    return Search(checked, inner_folds)


def choose_settings(
    search: Search,
    cls: type[Model],
    settings: ModelSettings,
    train: Rows,
    split: Split,
    *,
    seed: int,
    work: Path,
    watch: Watch | None = None,
) -> tuple[ModelSettings, dict[str, Any]]:
    """Choose the parameters whose models have the best mean score by track on inner folds.

    The folds are of the tracks of the training rows, stratified by class, in units that stay together. A
    model that needs validation rows gets a part of the rows that an inner fold is trained on. Of equally good
    parameters, the first are chosen. The scores of finished models are in the training's folder, from where
    an interrupted search continues.

    Parameters
    ----------
    search : Search
    cls : type
        Of the model.
    settings : ModelSettings
        The parameters that are not searched.
    train : Rows
        The training rows.
    split : Split
        Where they are from.
    seed : int
        Seed of the trainings.
    work : Path
        The training's folder.
    watch : callable or None
        Called after each model.

    Returns
    -------
    settings : ModelSettings
        With the chosen parameters.
    found : dict
        The search as plain JSON values: also the scores of each candidate, and what was chosen.

    Raises
    ------
    SplitError
        A class has fewer units than there are inner folds, or a training row is also a test row.
    ModelError
        A model cannot be trained.
    RunError
        The folder cannot be written, or its scores are damaged.
    """
    both = int(np.isin(train.numbers, split.test).sum())
    if both:
        raise SplitError(
            f"expected a search on training rows alone; {both} of them are test rows as well",
            "give a split whose sides have no row in common",
        )
    folds = _inner_folds(train, split, search.inner_folds)
    folder = work / SEARCH
    with writing_run(work):
        folder.mkdir(exist_ok=True)
    fits = list(itertools.product(search.candidates, folds))
    scores = _read(folder / SCORES, len(fits))
    try:
        _train_all(fits, scores, cls, settings, train, folder, seed, watch)
    finally:
        if not (folder / SCORES).exists() and not (folder / FIT / CHECKPOINT).exists():
            with suppress(OSError):  # of a search whose first model cannot be trained
                remove_path(folder)
    count = len(folds)
    by_candidate = [scores[first : first + count] for first in range(0, len(scores), count)]
    candidates = [
        {"settings": values, "score": fmean(of), "scores": of}
        for values, of in zip(search.candidates, by_candidate, strict=True)
    ]
    # Rounded, so that the last bits of a mean do not choose.
    means = [round(fmean(of), 9) for of in by_candidate]
    chosen = search.candidates[means.index(max(means))]
    found = {**search.to_dict(), "candidates": candidates, "chosen": chosen}
    return cls.settings_for(dataclasses.replace(settings, **chosen), train.view.spec), found


def _train_all(
    fits: Sequence[tuple[dict[str, Any], tuple[Rows, Rows, Rows]]],
    scores: list[float],
    cls: type[Model],
    settings: ModelSettings,
    train: Rows,
    folder: Path,
    seed: int,
    watch: Watch | None,
) -> None:
    """Train the models that have no score yet, and add their scores."""
    for number, (values, (trained, validated, tested)) in enumerate(fits):
        if number < len(scores):
            continue
        if watch is not None:
            shape = train.view.info.row_shape
            watch(TrainingProgress(stage="searching", row_shape=shape, rows=number, rows_total=len(fits)))
        candidate = cls.settings_for(dataclasses.replace(settings, **values), train.view.spec)
        model = cls(candidate, train.view.info.row_shape, train.target)
        with writing_run(folder.parent):
            (folder / FIT).mkdir(exist_ok=True)
        model.fit(trained, validated, seed=seed, work=folder / FIT)
        scores.append(tested.target.main_score(predict_rows(model, tested), tested))
        with writing_run(folder.parent):
            write_json(folder / SCORES, scores)
            remove_path(folder / FIT)


def _inner_folds(train: Rows, split: Split, count: int) -> list[tuple[Rows, Rows, Rows]]:
    """Return the training, validation and test rows of each inner fold."""
    _, first, track_of = np.unique(train.tracks, return_index=True, return_inverse=True)
    _, units = np.unique(train.units[first], return_inverse=True)
    strata = split.strata.tracks.select(train.view.rows["track"][train.numbers[first]].astype(np.int64))
    if few := split.strata.too_few(strata, units, count):
        fewer = f"use `inner_folds={few.number}`" if few.number > 1 else "add some"
        raise SplitError(
            f"{few.what} has {few.number} of the units (groups, tracks, copies) of the training rows, "
            f"fewer than {count} inner folds",
            f"{fewer}{few.or_leave_out}",
        )
    fold_of = stratified_folds(units, strata, count, (split.seed, 5))
    train_share, valid_share, _ = split.shares
    made = []
    for number in range(count):
        rest = np.flatnonzero(fold_of != number)
        side = np.where(fold_of == number, 2, 0)
        share = valid_share / (train_share + valid_share)
        drawn = draw(units[rest], strata.select(rest), share, (split.seed, 6, number))
        side[rest[drawn]] = 1
        rows = [train.some(side[track_of] == one) for one in range(3)]
        made.append((rows[0], rows[1], rows[2]))
    return made


def _read(file: Path, most: int) -> list[float]:
    """Return the scores of the models that were trained before an interruption."""
    try:
        scores = read_json(file, MOST_METRICS)
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(file) from error
    if not isinstance(scores, list) or len(scores) > most or not all(map(_is_score, scores)):
        raise _damaged(file)
    return scores


def _is_score(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _damaged(file: Path) -> RunError:
    return RunError(f"{file} is damaged", f"remove {file.parent.parent} to start again")
