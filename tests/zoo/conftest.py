"""Small stores to train on: an imported table, and a few seconds of audio in each of three classes."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import audiospec
from audiospec.digests import digest
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.view import View
from audiospec.tables.importing import import_table
from audiospec.testing.audio import noise, tone, write
from audiospec.zoo.runs.predictions import Predictions, TrackOfRun, write_tracks
from audiospec.zoo.runs.run import Run
from audiospec.zoo.splits.leaks import Known
from audiospec.zoo.targets.single import Single
from audiospec.zoo.training import train

CLASSES = ("ant", "bee", "cat")

TABULAR = audiospec.TabularSpec(
    sample_rate=8000, families=("rms", "mfcc"), n_fft=512, hop_length=128, n_mels=40, n_mfcc=8
)
MEL = audiospec.MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, fmax=4000)

MakeTable = Callable[..., View]
MakeRun = Callable[..., Run]


def write_table(file: Path, tracks: dict[str, int], pieces: int = 3, apart: float = 1.5) -> Path:
    """Write a table of the given number of tracks of each class, in pieces; the classes overlap slightly."""
    random = np.random.default_rng(0)
    lines = ["filename,length,a,b,c,d,label"]
    for number, (label, count) in enumerate(tracks.items()):
        for track in range(count):
            for piece in range(pieces):
                values = random.normal(size=4) + apart * np.eye(4)[number % 4]
                name = f'"{label}.{track:05d}.{piece}.wav"'
                lines.append(f'{name},22050,{",".join(map(str, values.round(4)))},"{label}"')
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture(scope="module")
def make_table(tmp_path_factory: pytest.TempPathFactory) -> MakeTable:
    """Import a table of tracks; `tracks` is label → number of tracks."""

    def make(tracks: dict[str, int], pieces: int = 3) -> View:
        folder = tmp_path_factory.mktemp("table")
        return import_table(
            write_table(folder / "made.csv", tracks, pieces), folder / "made.zarr", columns="all"
        )

    return make


@pytest.fixture(scope="module")
def table(make_table: MakeTable) -> View:
    """A view of an imported table: three classes of ten tracks in three pieces, four columns."""
    return make_table(dict.fromkeys(CLASSES, 10))


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six tracks in each of three classes; the last chunk of a track is incomplete."""
    folder = tmp_path_factory.mktemp("music")
    for number in range(6):
        seconds = 2.7 + 0.1 * number
        low = tone(seconds, 8000, hertz=150 + 5 * number) + noise(seconds, 8000, level=0.01, seed=number)
        high = tone(seconds, 8000, hertz=2500 + 50 * number) + noise(seconds, 8000, level=0.01, seed=number)
        hiss = noise(seconds, 8000, level=0.2, seed=100 + number)
        for label, wave in zip(CLASSES, (low, high, hiss), strict=True):
            write(folder / label / f"{label}{number}.wav", wave, 8000)
    return folder


@pytest.fixture(scope="module")
def store(music: Path, tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """A store of `music`: one tabular and one mel view of chunks of a second."""
    path = tmp_path_factory.mktemp("store") / "music.zarr"
    for spec in (TABULAR, MEL):
        audiospec.featurize("folder", data=music, spec=spec, chunk=1.0, store=path, workers=0)
    return audiospec.open_store(path)


@pytest.fixture(scope="module")
def tabular(store: FeatureStore) -> View:
    """The tabular view of `store`."""
    return next(view for view in store.views() if view.spec == TABULAR)


@pytest.fixture(scope="module")
def mel(store: FeatureStore) -> View:
    """The mel view of `store`."""
    return next(view for view in store.views() if view.spec == MEL)


@pytest.fixture(scope="module")
def run(table: View, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of lr on `table`."""
    return train("lr", table, out=tmp_path_factory.mktemp("runs") / "lr")


@pytest.fixture(scope="module")
def make_run(run: Run) -> MakeRun:
    """Write a copy of `run` with other scores and other fields of `RunInfo`; the digests are correct.

    make_run(path, 0.8, chunk=0.7, strategy="random", seed=1, …) or make_run(path, metrics={…}, …)

    The predictions of test tracks have the score by track. The seed draws the test tracks, unless the
    strategy is of a fold or a fixed list; or `tested` names the test set. An `older` run is of version 2.
    """

    def make(
        path: Path,
        f1: float = 0.8,
        *,
        chunk: float | None = None,
        spread: float = 0.05,
        strategy: str = "track",
        tracks: int = 30,
        history: str = "",
        metrics: Any = None,
        tested: int | None = None,
        older: bool = False,
        **changes: Any,
    ) -> Run:
        classes = changes.get("classes", run.info.classes)
        seed = changes.get("seed", 0)
        if metrics is None:
            test = _scores(f1, f1 if chunk is None else chunk, spread, classes, tracks)
            metrics = {"test": test, "train": _scores(0.99, 0.99, 0.01, classes, 90)}
        sides = {
            side: {"rows": 3 * count, "tracks": count}
            for side, count in (("train", 90), ("valid", 0), ("test", tracks))
        }
        leaky = strategy == "random"
        split = {**run.info.split, "strategy": strategy, "leaky": leaky, "sides": sides}
        if older:
            split = {key: split[key] for key in ("strategy", "leaky", "shares", "digest", "content", "sides")}
        else:
            rows = {"leaking": 3 * tracks, "kinds": {"track": 3 * tracks}} if leaky else {}
            split["leaks"] = {"rows": 3 * tracks, "leaking": 0, "kinds": {}, "names": {}, **rows}
            split |= {"seed": seed, "name": f"{strategy} (leaky: tracks)" if leaky else strategy}
        shutil.copytree(run.path, path)
        (path / "metrics.json").write_text(json.dumps(metrics))
        (path / "history.csv").write_text(history)
        stated = {**json.loads((path / "run.json").read_text()), "split": split, **changes}
        del stated["digest"]
        if older:
            stated["audiospec_run"] = 2
            for name in ("predictions.csv", "tracks.csv"):
                del stated["files"][name]
        elif isinstance(classes, list):
            drawn = strategy if strategy == "filtered" or strategy.startswith("fold-") else seed
            names = [one.encode("utf-8", "replace").decode() for one in classes]
            _write_predictions(path, f"{drawn if tested is None else tested}-", f1, names, tracks)
        files = {name: (path / name).read_bytes() for name in stated["files"]}
        stated["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        stated["sizes"] = {name: len(content) for name, content in files.items()}
        (path / "run.json").write_text(json.dumps({**stated, "digest": digest(stated)}))
        return Run(path)

    return make


def _write_predictions(path: Path, prefix: str, f1: float, classes: list[str], tracks: int) -> None:
    """Write predictions of three chunks of each test track, and the tracks; errors are as in `_scores`."""
    count = len(classes)
    ids = [f"{prefix}{number:03d}" for number in range(tracks)]
    truth = np.arange(tracks) % count
    wrong = np.arange(tracks) // count < round(tracks // count * (1 - f1))
    shares = np.full((tracks, count), 0.1 / count)
    shares[np.arange(tracks), (truth + wrong) % count] += 0.9
    predictions = Predictions(
        np.repeat(ids, 3),
        np.repeat([f"hash of {id}" for id in ids], 3),
        np.tile([0.0, 1.0, 2.0], tracks),
        np.full(3 * tracks, "test"),
        np.repeat(truth, 3),
        np.repeat(shares, 3, axis=0),
    )
    predictions.write(path / "predictions.csv", Single(classes))
    known = [Known(id, f"hash of {id}") for id in ids]
    listed = [TrackOfRun(one, classes[number], "test") for one, number in zip(known, truth, strict=True)]
    write_tracks(path / "tracks.csv", listed)


def _scores(track: float, chunk: float, spread: float, classes: list[str], tracks: int) -> dict[str, Any]:
    """Return scores of one side, as in `metrics.json`; each error is predicted to be the next class."""

    def score(f1: float, count: int) -> dict[str, Any]:
        per_class = count // len(classes)
        wrong = round(per_class * (1 - f1))
        confusion = (np.eye(len(classes), dtype=int) * (per_class - wrong)).tolist()
        for number, row in enumerate(confusion):
            row[(number + 1) % len(classes)] = wrong
        interval = [max(0.0, f1 - spread), min(1.0, f1 + spread)]
        values = {"precision": f1, "recall": f1, "f1": f1, "support": per_class}
        return {
            "count": count,
            "accuracy": f1,
            "macro_f1": f1,
            "accuracy_interval": interval,
            "macro_f1_interval": interval,
            "per_class": dict.fromkeys(classes, values),
            "confusion": confusion,
        }

    return {"chunk": score(chunk, 3 * tracks), "track": score(track, tracks)}
