"""The stores and the music of the zoo's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

import audiospec
from audiospec.audio.chunking import Chunking
from audiospec.stores.layout.view import View
from audiospec.testing.audio import noise, tone, write
from audiospec.zoo.runs.run import Run
from audiospec.zoo.training import train

RATE = 8000
TABULAR = audiospec.TabularSpec(
    sample_rate=RATE, families=("rms", "mfcc"), n_fft=512, hop_length=128, n_mels=40, n_mfcc=8
)
MEL = audiospec.MelSpec(sample_rate=RATE, n_fft=256, hop_length=128, n_mels=16, fmax=4000)


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of five tracks in each of three classes; last chunks are incomplete."""
    folder = tmp_path_factory.mktemp("sounds")
    for number in range(5):
        seconds = 2.7 + 0.1 * number
        low = tone(seconds, RATE, hertz=150 + 5 * number) + noise(seconds, RATE, level=0.01, seed=number)
        high = tone(seconds, RATE, hertz=2500 + 50 * number) + noise(seconds, RATE, level=0.01, seed=number)
        hiss = noise(seconds, RATE, level=0.2, seed=100 + number)
        for label, wave in (("low", low), ("high", high), ("hiss", hiss)):
            write(folder / label / f"{label}{number}.wav", wave, RATE)
    return folder


@pytest.fixture(scope="session")
def views(sounds: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, View]:
    """A tabular and a mel view of the sounds, of chunks of a second that overlap by half."""
    path, chunking = tmp_path_factory.mktemp("store") / "sounds.zarr", Chunking(seconds=1.0, hop=0.5)
    return {
        name: audiospec.featurize("folder", data=sounds, spec=spec, chunk=chunking, store=path, workers=0)
        for name, spec in (("tabular", TABULAR), ("mel", MEL))
    }


class Runs(dict[str, Run]):
    """Runs of models on the views, trained when they are needed first."""

    def __init__(self, folder: Path, views: dict[str, View]) -> None:
        super().__init__()
        self.folder, self.views = folder, views

    def __missing__(self, name: str) -> Run:
        is_network = name.startswith("crnn")
        self[name] = train(
            name,
            self.views["mel" if is_network else "tabular"],
            settings={"epochs": 1, "device": "cpu", "batch": 8} if is_network else {},
            out=self.folder / name,
        )
        return self[name]


@pytest.fixture(scope="session")
def runs(views: dict[str, View], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Runs by the name of their model."""
    return Runs(tmp_path_factory.mktemp("runs"), views)
