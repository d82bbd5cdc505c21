"""Training of the runs of a cell."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import nullcontext

from audiospec.errors import ModelError, SplitError
from audiospec.zoo.progress import TrainingProgress
from audiospec.zoo.runs.run import Run
from audiospec.zoo.study.cells import Cell, scores_on_test, with_scores
from audiospec.zoo.study.request import StudyRequest, Work
from audiospec.zoo.study.statistics import difference
from audiospec.zoo.study.times import Times
from audiospec.zoo.training import epoch_in_words, train


def train_work(
    request: StudyRequest, work: Work, times: Times, done: Callable[[], None]
) -> tuple[Cell, list[Run]]:
    """Train the runs of a cell, resume them, or reuse them.

    Parameters
    ----------
    request : StudyRequest
    work : Work
        Its source has a view, unless the cell is missing.
    times : Times
        The seconds of each run that is trained are added.
    done : callable
        Called after each run that was trained.

    Returns
    -------
    (Cell, list of Run)
        The cell with its scores, or with the reason why it could not be run, and no runs.
    """
    cell = work.cell
    if cell.missing:
        return cell, []
    runs: list[Run] = []
    try:
        for seed, folder in enumerate(work.folders()):
            new = folder in work.unfinished(request.out)
            with times.measuring(folder) if new else nullcontext():
                runs.append(_train(request, work, seed, folder))
            if new:
                done()
    except (ModelError, SplitError) as error:
        return dataclasses.replace(cell, missing=str(error)), []
    return (
        dataclasses.replace(
            with_scores(cell, runs),
            difference=difference(scores_on_test(runs), work.measured) if work.measured else None,
            runs=work.folders(),
        ),
        runs,
    )


def _train(request: StudyRequest, work: Work, seed: int, folder: str) -> Run:
    assert work.source is not None
    assert work.source.view is not None

    def progress(epoch: dict[str, float]) -> None:
        share = epoch["epoch"] / work.epochs
        request.progress(work.title, seed + share, work.seeds, _of(seed, epoch_in_words(epoch, work.epochs)))

    def watch(now: TrainingProgress) -> None:
        if now.epoch and now.rows_per_second is not None:
            share = (now.epoch - 1 + now.rows / now.rows_total) / now.epochs
            text = f"epoch {now.epoch} of {now.epochs}, {now.rows}/{now.rows_total} rows"
            request.progress(
                work.title, seed + share, work.seeds, _of(seed, f"{text}, {now.rows_per_second:.3g} rows/s")
            )

    request.progress(work.title, seed, work.seeds, f"seed {seed}")
    return train(
        work.model,
        work.source.view,
        settings=work.settings,
        strategy=work.cell.protocol,
        seed=seed,
        shares=work.shares,
        classes=work.classes,
        corrections=None,  # a protocol is of the labels as they were published
        out=request.out / folder,
        resume=True,
        progress=progress,
        watch=watch,
    )


def _of(seed: int, text: str) -> str:
    return f"seed {seed}, {text}"
