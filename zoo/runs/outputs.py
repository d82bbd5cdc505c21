"""Outputs of a trained model for the rows of its split, and the table of them."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.base import Model, Rows
from audiospec.zoo.evaluation import predict_rows
from audiospec.zoo.progress import TrainingProgress, Watch
from audiospec.zoo.runs.predictions import Predictions
from audiospec.zoo.splits.split import SIDES


def side_outputs(
    trained: Model, sides: Mapping[str, Rows], watch: Watch | None
) -> dict[str, NDArray[np.float64]]:
    """Return the outputs for the rows of each side."""
    began = time.monotonic()
    total = sum(map(len, sides.values()))
    done = 0

    def count(rows: int) -> None:
        nonlocal done
        done += rows
        if watch is not None:
            seconds = time.monotonic() - began
            shape = sides["train"].view.info.row_shape
            watch(
                TrainingProgress(
                    stage="scoring", row_shape=shape, rows=done, rows_total=total, seconds=seconds
                )
            )

    count(0)
    return {side: predict_rows(trained, sides[side], count) for side in SIDES}


def predictions_of(outputs: Mapping[str, NDArray[np.float64]], sides: Mapping[str, Rows]) -> Predictions:
    """Return the predictions of all sides, by row."""
    view, target = sides["train"].view, sides["train"].target
    numbers = np.concatenate([sides[side].numbers for side in SIDES])
    return Predictions(
        view.ids[numbers].astype(str),
        view.hashes[numbers].astype(str),
        view.rows["start"][numbers].astype(np.float64),
        np.repeat(np.array(SIDES), [len(sides[side]) for side in SIDES]),
        np.concatenate([target.of_row.encode(view, sides[side].numbers) for side in SIDES]),
        np.concatenate([target.reduce(outputs[side]) for side in SIDES]),
    )
