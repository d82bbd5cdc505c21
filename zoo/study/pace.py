"""The pace of models that have not been trained yet: measured on a few rows, before a study begins."""

from __future__ import annotations

import dataclasses
import time
import wave
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from audiospec.audio.chunking import Chunking
from audiospec.datasets.base import datasets
from audiospec.pipeline.featurize import run as compute
from audiospec.specs.mel import MelSpec
from audiospec.stores.layout.view import View
from audiospec.zoo.base import Rows, models
from audiospec.zoo.fitting.pace import FORWARD
from audiospec.zoo.study.request import Work
from audiospec.zoo.targets.single import Single
from audiospec.zoo.training import train

#: Rows of a table that a baseline is measured on, and seconds of audio in a step of a network.
TABLE_ROWS, AUDIO_SECONDS = 500, 32.0
#: Short epochs that a network is measured in.
EPOCHS = 3


class TablePace:
    """Measures baselines on rows of the tables that they will be trained on."""

    def __init__(self) -> None:
        self._rest: float | None = None

    def seconds(self, work: Work, view: View) -> float:
        """Return the seconds that one run takes, scaled by rows from a part of them.

        Parameters
        ----------
        work : Work
        view : View
            Of `work`.
        """
        rows = np.flatnonzero(np.isin(view.labels.astype(str), work.classes))
        part = rows[np.linspace(0, len(rows) - 1, min(len(rows), TABLE_ROWS)).astype(np.int64)]
        sample = Rows(view, part, Single(sorted(work.classes)))
        cls = models[work.model]
        model = cls(cls.Settings.replace_in(work.settings), view.info.row_shape, sample.classes)
        whole = _whole(work, view) if self._rest is None else 0.0  # first, since it imports libraries
        began = time.monotonic()
        model.fit(sample, Rows(view, part[:0], sample.target), seed=0)
        model.predict_proba(sample.read())
        fitting = (time.monotonic() - began) * len(rows) / len(part)
        if self._rest is None:
            self._rest = max(0.0, whole - fitting)
        return fitting + self._rest


def _whole(work: Work, view: View) -> float:
    """Return the seconds of a whole run, with its scores and pictures: the second, as the first imports."""
    seconds = 0.0
    with TemporaryDirectory() as folder:
        for seed in range(2):
            began = time.monotonic()
            train(
                work.model,
                view,
                settings=work.settings,
                strategy="track",
                seed=seed,
                shares=work.shares,
                classes=work.classes,
                out=Path(folder) / str(seed),
            )
            seconds = time.monotonic() - began
    return seconds


def network_pace(
    model: str, settings: dict[str, Any], classes: Sequence[str], spec: MelSpec, chunk: float
) -> float:
    """Return the seconds that an epoch takes for each second of audio of a split of 0.8/0.1/0.1.

    It is measured in short epochs on noise, each with one step of up to `AUDIO_SECONDS`. The fastest counts:
    the first one also pays for what is set up once, and others share the machine with other work.

    Parameters
    ----------
    model : str
    settings : dict
        Parameters that differ from their defaults.
    classes : sequence of str
        Genres; they set the size of the last layer.
    spec : MelSpec
    chunk : float
        Seconds of a chunk.
    """
    cls = models[model]
    # Nothing is downloaded, and only the weights' shapes matter.
    fixed = {"epochs": EPOCHS, "patience": EPOCHS, "devices": 1, "tensorboard": False, "weights": "none"}
    parameters = {field.name for field in dataclasses.fields(cls.Settings)}
    chosen: Any = cls.Settings.replace_in(
        {**settings, **{name: value for name, value in fixed.items() if name in parameters}}
    )
    size = max(1, min(chosen.batch, int(AUDIO_SECONDS / chunk)))
    names = sorted(classes)
    with TemporaryDirectory() as folder:
        for number in range(size + 1):
            genre = names[number % len(names)]
            _write_noise(Path(folder) / "noise" / genre / f"{number}.wav", chunk, spec.sample_rate, number)
        (view,) = compute(
            datasets["folder"](Path(folder) / "noise").manifest(),
            views=[(spec, Chunking(seconds=chunk))],
            store=Path(folder) / "noise.zarr",
            workers=0,
        ).views
        trained = cls(chosen, view.info.row_shape, names)
        order = np.arange(len(view))
        history = trained.fit(
            Rows(view, order[:size], trained.target),
            Rows(view, order[size:], trained.target),
            seed=0,
            work=Path(folder),
        )
    per_row: float = min(entry["seconds"] for entry in history) / (size + FORWARD)
    return per_row / chunk * (0.8 + 0.1 * FORWARD)


def _write_noise(file: Path, seconds: float, rate: int, seed: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).normal(scale=3000, size=round(seconds * rate))
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(samples.clip(-32768, 32767).astype("<i2").tobytes())
