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

from audiospec.errors import ModelError, RunError
from audiospec.machine import versions
from audiospec.stores.layout.view import View
from audiospec.zoo.base import Model, Progress, Rows, models
from audiospec.zoo.evaluation import content_digest, evaluate_rows
from audiospec.zoo.runs.info import RUN, RunInfo
from audiospec.zoo.runs.run import Run
from audiospec.zoo.runs.training_folder import is_stopped, stopped_otherwise, training_folder
from audiospec.zoo.runs.write import write_history, write_run
from audiospec.zoo.scores.base import all_scores
from audiospec.zoo.splits import SIDES, Split, split

#: Packages whose versions bear on what a run is.
PACKAGES = ("audiospec", "torch", "lightning", "numpy", "scikit-learn", "skops", "safetensors")


def train(
    model: str,
    view: View,
    *,
    settings: Mapping[str, Any] | None = None,
    strategy: str = "track",
    seed: int = 0,
    shares: Sequence[float] | None = None,
    classes: Sequence[str] | None = None,
    out: Path | str | None = None,
    runs: Path | str = "runs",
    resume: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Train a model of the zoo on a view, score it, and write its run.

    Parameters
    ----------
    model : str
        Name in the registry of models.
    view : View
        Of the kind that the model reads.
    settings : mapping or None
        Parameters of the model that are not at their defaults; text will do.
    strategy : str
        How rows are split; see `audiospec.zoo.splits`. Only ``"random"`` is leaky.
    seed : int
        Of the split and of the training.
    shares : sequence of 3 floats or None
        Of train, validation and test. None: the model's, which are the study's.
    classes : sequence of str or None
        Labels to tell apart. None: all of the view.
    out : path or None
        The run's folder. None: the first of ``MODEL-VIEW-SPLIT-SEED``, ``….2``, ``….3`` … in `runs` that is
        free, or with `resume` this very training's.
    runs : path
        Folder of the runs.
    resume : bool
        Whether to return the run if it is there, and to go on with its training if that was killed: the run
        is the same as if it had never stopped, but for the seconds. Without it, what was killed is an error.
    progress : callable or None
        Called after each epoch, with what ``history.csv`` says of it.

    Returns
    -------
    Run

    Raises
    ------
    RegistryError, ModelError, SplitError, RunError
        Whatever is wrong, in one line.
    """
    cls = models[model]
    chosen = cls.Settings.replace_in(settings or {}, f"model {model!r}")
    _check_input(model, cls, view)
    all_scores()  # one of another package that cannot be imported is told before the training
    made = split(view, strategy, seed=seed, shares=shares or cls.shares, classes=classes)
    names = sorted(set(view.labels[made.train].astype(str).tolist()))
    sides = {side: Rows(view, getattr(made, side), names) for side in SIDES}
    said: dict[str, Any] = {
        "model": model,
        "settings": dataclasses.asdict(chosen),
        "classes": names,
        "row_shape": list(view.info.row_shape),
        "spec": view.spec.to_dict(),
        "chunking": view.chunking.to_dict(),
        "dataset": view.store.dataset,
        "split": _described(made, sides, shares or cls.shares),
        "seed": seed,
    }
    path = (
        Path(out)
        if out is not None
        else _place(Path(runs), run_name(model, view, strategy, seed), said, resume)
    )
    if resume and (path / RUN).exists():
        run = Run(path)
        if not run.says(said):
            raise RunError(f"{path} is the run of another training: choose another --out")
        return run
    with training_folder(path, said, resume) as work:
        history: list[dict[str, float]] = []

        def note(entry: dict[str, float]) -> None:
            history.append(entry)
            write_history(work, history)
            if progress is not None:
                progress(entry)

        began = time.monotonic()
        trained = cls(chosen, view.info.row_shape, names)
        whole = trained.fit(sides["train"], sides["valid"], seed=seed, work=work, progress=note)
        # Those of the epochs before a kill count, too.
        seconds = sum(entry.get("seconds", 0.0) for entry in whole) or time.monotonic() - began
        metrics = {
            side: evaluate_rows(trained, sides[side], seed).to_dict()
            for side in ("test", "train", "valid")
            if len(sides[side])
        }
        info = RunInfo(
            **said,
            store=str(view.store.path),
            view=view.name,
            parameters=trained.parameters,
            seconds=seconds,
            versions=versions(PACKAGES),
            date=datetime.date.today().isoformat(),
        )
        return write_run(path, work, info, trained, metrics, whole)


def epoch_in_words(entry: Mapping[str, float], most: int) -> str:
    """Say of an epoch of a network, of `most` at the most, how far it is and how it went."""
    losses = f"loss {entry['train_loss']:.3f}, validation {entry['valid_loss']:.3f}"
    return f"epoch {entry['epoch']:.0f} of {most}, {losses}"


def run_name(model: str, view: View, strategy: str, seed: int) -> str:
    """Name of a run's folder, safe on any system: a fold may be called anything."""
    return re.sub(r"[^\w.-]+", "-", f"{model}-{view.name}-{strategy}-{seed}")


def _place(runs: Path, name: str, said: Mapping[str, Any], resume: bool) -> Path:
    """The first path of a name that is free, or that is this very training's."""
    for number in itertools.count(1):
        path = runs / (name if number == 1 else f"{name}.{number}")
        if path.exists():
            if resume and (path / RUN).exists() and Run(path).says(said):
                return path
        elif not is_stopped(path) or not stopped_otherwise(path, said):
            return path
    raise AssertionError


def _check_input(name: str, cls: type[Model], view: View) -> None:
    if not cls.reads(view.spec):
        raise ModelError(
            f"model {name} reads {cls.input!r} rows; view {view.name} of feature {view.spec.feature!r} has "
            f"{view.spec.kind!r} rows of ({', '.join(view.spec.dims)}): choose another view, or another "
            "model (`audiospec models`)"
        )


def _described(made: Split, sides: Mapping[str, Rows], shares: Sequence[float]) -> dict[str, Any]:
    return {
        "strategy": made.strategy,
        "leaky": made.leaky,
        "shares": list(shares),
        "digest": made.digest,
        "content": content_digest(sides["train"].view, made),
        "sides": {
            side: {"rows": len(rows), "tracks": len(set(rows.tracks.tolist()))}
            for side, rows in sides.items()
        },
    }
