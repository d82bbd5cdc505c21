"""Measure leakage: for each rung and seed, train with and without what leaks, and compare."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.digests import digest
from audiospec.errors import ModelError, SplitError, nearest
from audiospec.machine import versions
from audiospec.storage.location import local, location
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.view import View
from audiospec.zoo.base import Model, Progress, Rows, models
from audiospec.zoo.evaluation import predict_rows
from audiospec.zoo.leakage.exchange import Candidates, Exchange, exchange
from audiospec.zoo.leakage.gap import Outcome, paired_gap
from audiospec.zoo.leakage.kept import KeptFits
from audiospec.zoo.leakage.ladder import FILE, Ladder, Rung, write_ladder
from audiospec.zoo.leakage.rungs import RUNGS, Level, levels
from audiospec.zoo.progress import Watch
from audiospec.zoo.runs.info import comparable_settings
from audiospec.zoo.splits.drawing import draw
from audiospec.zoo.splits.of_view import strata_of
from audiospec.zoo.splits.units import units_of
from audiospec.zoo.targets.single import Single
from audiospec.zoo.training import PACKAGES, run_name

Numbers = NDArray[np.int64]

#: Called before each training with what leaks, the number of finished trainings, and the number of all.
LadderProgress = Callable[[str, int, int], None]


def leakage(
    model: str,
    view: View,
    *,
    settings: Mapping[str, Any] | None = None,
    classes: Sequence[str] | None = None,
    seeds: int = 10,
    seed: int = 0,
    other: FeatureStore | None = None,
    rungs: Sequence[str] | None = None,
    runs: Path | str = "runs",
    progress: LadderProgress | None = None,
    epoch: Progress | None = None,
    watch: Watch | None = None,
) -> Ladder:
    """Measure how much each kind of leak adds to the accuracy of a model.

    For each rung of the ladder (random chunks, whole tracks, copies together, groups together, another store)
    and each seed, a model is trained twice, on training sets of equal size, with as many rows of each class,
    that differ in the siblings of some test rows alone: other chunks of their tracks, copies of them, or
    other tracks of their groups. Both models predict the same test rows. A training that is finished is kept,
    so a repeated call continues.

    Parameters
    ----------
    model : str
        Name in the registry of models.
    view : View
        Its rows must be of the kind that the model reads.
    settings : mapping or None
        The model's parameters that differ from their defaults; values may be given as text.
    classes : sequence of str or None
        Labels to train on. None: all labels of the view.
    seeds : int
        Number of seeds, at least 2: each draws other test rows and other training sets.
    seed : int
        The first seed.
    other : FeatureStore or None
        Another store with a view of the same features. How much does it help to have learnt from its rows?
    rungs : sequence of str or None
        Measure only these: ``"tracks"``, ``"copies"``, ``"groups"`` or ``"store"``. None: all.
    runs : path
        The result is written to a folder in it, as ``leakage.json``.
    progress : callable or None
        Called before each training with what leaks, the number of finished trainings, and of all.
    epoch, watch : callable or None
        As `progress` and `watch` of `train`, for each training.

    Returns
    -------
    Ladder

    Raises
    ------
    RegistryError
        No model has this name.
    ModelError
        The parameters are not the model's, or it cannot be trained on the view.
    SplitError
        The classes or seeds are not possible, or the other store has no view of the same features.
    RunError
        The result cannot be written.
    """
    cls = models[model]
    chosen = cls.Settings.replace_in(settings or {}, f"model {model!r}")
    if not cls.reads(view.spec):
        raise ModelError(
            f"model {model} reads {cls.input!r} rows; view {view.name} has {view.spec.kind!r} rows",
            "choose another view, or another model (`audiospec models` lists them)",
        )
    chosen = cls.settings_for(chosen, view.spec)
    if seeds < 2:
        raise SplitError(f"expected at least 2 `seeds`, for an interval; got {seeds}")
    if seed < 0:
        raise SplitError(f"expected a `seed` of at least 0; got {seed}")
    available = RUNGS if other is not None else RUNGS[:-1]
    for name in rungs or ():
        if name not in available:
            raise SplitError(
                f"expected `rungs` of {', '.join(available)}; got {name!r}{nearest(name, available)}",
                "store needs `other`" if name == RUNGS[-1] else "",
            )
    strata = strata_of(view, classes)
    if strata.target != "single":
        raise SplitError(
            f"leaks are measured by classifiers of one label a row; the target of view {view.name} is "
            f"{strata.target!r}",
            "choose a store with one label a row",
        )
    names = strata.names
    probed = None if other is None else _same_features(view, other)
    parameters = dataclasses.asdict(chosen)
    chosen_rungs = [name for name in available if rungs is None or name in rungs]
    store = "" if other is None else str(other.path)
    label = digest([comparable_settings(parameters), names, store, chosen_rungs])[:6]
    folder = local(location(runs), "a ladder of leaks") / run_name(model, view, f"leakage-{label}", seed)
    work = _Work(
        model, cls, chosen, view, probed, names, KeptFits(folder), epoch=epoch, watch=watch, progress=progress
    )
    numbers = range(seed, seed + seeds)
    plan = work.plan(chosen_rungs, numbers)
    ladder = Ladder(
        model=model,
        settings=parameters,
        dataset=view.store.dataset,
        store=str(view.store.path),
        view=view.name,
        other=store,
        classes=names,
        seeds=list(numbers),
        rungs=[_rung(work, level, numbers) for level in plan],
        trainings=work.all,
        date=datetime.date.today().isoformat(),
        versions=versions(PACKAGES),
        path=folder / FILE,
    )
    write_ladder(ladder, folder / FILE)
    return ladder


@dataclass(eq=False)
class _Work:
    """What all trainings have in common, and how many there are."""

    model: str
    cls: type[Model]
    settings: Any
    view: View
    probed: View | None
    classes: list[str]
    kept: KeptFits
    epoch: Progress | None
    watch: Watch | None
    progress: LadderProgress | None
    done: int = 0
    all: int = 0

    def plan(self, rungs: Sequence[str], seeds: Sequence[int]) -> list[Level]:
        """Return the rungs of some names, and count the trainings that they need at most."""
        made = [level for level in levels(self.view, self.classes, self.probed) if level.name in rungs]
        self.all = 2 * len(seeds) * sum(not level.impossible for level in made)
        return made

    def fit(self, leak: str, train: Numbers, valid: Numbers, tested: Rows, seed: int) -> NDArray[np.int64]:
        """Train on rows, and return the predicted class of each tested row."""
        if self.progress is not None:
            self.progress(leak, self.done, self.all)
        settings = comparable_settings(dataclasses.asdict(self.settings))
        places = [_places(self.view, rows) for rows in (train, valid)]
        fit = digest(
            {
                "model": [self.model, settings, tested.classes, seed, versions(PACKAGES)],
                "rows": [self.view.spec.fingerprint, *places],
                "tested": _places(tested.view, tested.numbers),
            }
        )
        predicted = self.kept.get(fit, len(tested), len(tested.classes))
        if predicted is None:
            trained = self.cls(self.settings, self.view.info.row_shape, tested.classes)
            trained.watch = self.watch
            sides = (Rows(self.view, rows, Single(tested.classes)) for rows in (train, valid))
            trained.fit(*sides, seed=seed, progress=self.epoch)
            predicted = predict_rows(trained, tested).argmax(1).tolist()
            self.kept.add(fit, predicted)
        self.done += 1
        return np.array(predicted, np.int64)


def _rung(work: _Work, level: Level, seeds: Sequence[int]) -> Rung:
    """Measure one rung."""

    def made(reason: str, outcomes: Sequence[Outcome] = ()) -> Rung:
        leaking, tested = level.leaking(seeds)
        gap = paired_gap(outcomes) if outcomes else None
        return Rung(
            name=level.name,
            leak=level.leak,
            noun=level.noun,
            leaking=leaking,
            tested=tested,
            gap=gap,
            reason=reason,
        )

    if level.impossible:
        return made(f"nothing can leak here: {level.impossible}")
    drawn = [exchange(level.learn, (seed, RUNGS.index(level.name)), level.probe) for seed in seeds]
    possible = [one for one in drawn if one is not None and _can_train(level, one)]
    if len(possible) < len(seeds):
        work.all -= 2 * len(seeds)
        parts = {"tracks": "chunks", "copies": "copies", "groups": "tracks"}.get(level.name, "shared rows")
        return made(
            f"not measured: expected a class with at least 2 {level.noun} of several {parts}, of which one "
            "can be learnt from in place of the other; add some, or choose other `classes`"
        )
    outcomes = [_outcome(work, level, one, seed) for seed, one in zip(seeds, possible, strict=True)]
    return made("", outcomes)


def _can_train(level: Level, one: Exchange) -> bool:
    """Return whether the training sets have two classes, and the class of a test row."""
    trained = _trained(level, one)
    tested = (level.probe or level.learn).classes[one.test]
    return len(trained) > 1 and bool(np.isin(tested, trained).any())


def _trained(level: Level, one: Exchange) -> Numbers:
    """Return the classes of the training sets, which are the same in both."""
    return np.unique(level.learn.classes[np.concatenate([one.common, one.first])])


def _outcome(work: _Work, level: Level, one: Exchange, seed: int) -> Outcome:
    """Train with either half of the siblings, and compare the predictions of each test row."""
    learn, tested = level.learn, level.probe or level.learn
    trained = _trained(level, one)
    known = np.isin(tested.classes[one.test], trained)
    test, in_first = one.test[known], one.in_first[known]
    names = [work.classes[number] for number in trained]
    view = work.view if level.probe is None else work.probed
    assert view is not None
    rows = Rows(view, tested.rows[test], Single(names))
    common, valid = _validation(work, learn, one.common, seed)
    predicted = [
        work.fit(level.leak, np.sort(learn.rows[np.concatenate([common, part])]), valid, rows, seed)
        for part in (one.first, one.second)
    ]
    right = [one_of == rows.targets for one_of in predicted]
    units = np.char.add("unit ", tested.units[test].astype(str))
    return Outcome(units, np.where(in_first, *right), np.where(in_first, *right[::-1]))


def _validation(work: _Work, learn: Candidates, common: Numbers, seed: int) -> tuple[Numbers, Numbers]:
    """Divide the common rows: places that train, and row numbers that validate, which are the same for both.

    They are drawn by units if there are several, so that nothing leaks into the validation.
    """
    train, valid, _ = work.cls.shares
    if not valid:
        return common, learn.rows[:0]
    rows = learn.rows[common]
    labels = learn.classes[common].astype(str)
    by = (units_of(work.view)[rows], units_of(work.view, groups=False)[rows], np.arange(len(rows)))
    for units in by:
        numbers = np.unique(units, return_inverse=True)[1].astype(np.int64)
        drawn = draw(numbers, labels, valid / (train + valid), (seed, 1))
        if drawn.any() and not drawn.all():
            break
    return common[~drawn], np.sort(rows[drawn])


def _places(view: View, rows: Numbers) -> list[list[Any]]:
    """Return what identifies rows in any order of a store: track, start and checksum of the content."""
    ids, starts = view.ids[rows].astype(str).tolist(), view.rows["start"][rows].tolist()
    checksums = view.rows["checksum"][rows].tolist()
    return [list(place) for place in zip(ids, starts, checksums, strict=True)]


def _same_features(view: View, other: FeatureStore) -> View:
    """Return the view of another store that has the features and chunks of a view."""
    for candidate in other.views():
        if candidate.spec.fingerprint == view.spec.fingerprint and candidate.chunking == view.chunking:
            return candidate
    raise SplitError(
        f"expected a view of the features and chunks of {view.name} in {other.path}; it has none",
        f"make one with `audiospec featurize --features {view.spec.feature} --chunk "
        f"{view.chunking.seconds:g}` and the same parameters",
    )
