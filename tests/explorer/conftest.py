"""A small store with a run, and the server of its page."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile

import audiospec
from audiospec import cli
from audiospec.doctor.diagnosis import Diagnosis
from audiospec.doctor.finding import Finding
from audiospec.testing.audio import noise, tone, write
from audiospec.testing.explorer import Client, serve
from audiospec.zoo.training import train

TABULAR = audiospec.TabularSpec(
    sample_rate=8000, families=("rms", "mfcc"), n_fft=512, hop_length=128, n_mels=40, n_mfcc=8
)
MEL = audiospec.MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, fmax=4000)
#: A label that would be markup.
MARKUP = "<img src=x onerror=alert(1)>"
#: Tracks of each label.
TRACKS = 5

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifteen tracks of 1.6 s in three classes: WAV, but one FLAC and one AU."""
    folder = tmp_path_factory.mktemp("explored") / "music"
    for number in range(TRACKS):
        low = tone(1.6, 8000, hertz=150 + 5 * number) + noise(1.6, 8000, level=0.01, seed=number)
        write(folder / "ant" / f"ant{number}.wav", low, 8000)
        write(folder / MARKUP / f"bee{number}.wav", noise(1.6, 8000, level=0.2, seed=50 + number), 8000)
        high = tone(1.6, 8000, hertz=2500 + 50 * number) + noise(1.6, 8000, level=0.01, seed=number)
        suffix = (".flac", ".au", ".wav")[min(number, 2)]
        file = folder / "cat" / f"cat{number}{suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, high, 8000, subtype="PCM_16")
    return folder


@pytest.fixture(scope="session")
def made(music: Path) -> Path:
    """A store of `music`, which no test writes to: spectrograms and a table, of chunks of a second."""
    path = music.parent / "made.zarr"
    for spec in (MEL, TABULAR):
        audiospec.featurize("folder", data=music, spec=spec, chunk=1.0, store=path, workers=0)
    return path


@pytest.fixture(scope="session")
def runs(made: Path) -> Path:
    """A folder with a run on `made`."""
    folder = made.parent / "runs"
    train("knn-1", audiospec.open_store(made).view("tabular"), out=folder / "knn")
    return folder


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """A copy of `made` that a test may change, and whose labels it may correct."""
    return Path(shutil.copytree(made, tmp_path / "copy.zarr"))


@pytest.fixture(scope="session")
def found(made: Path) -> Diagnosis:
    """Findings of `made`: two duplicates, and three clipped tracks."""
    findings = (
        Finding(
            check="near-duplicates",
            severity="error",
            title="2 tracks in 1 cluster hold the same sound",
            advice="keep them together",
            tracks=(7, 2),
            details=("lag 0.1 s",),
            groups=((2, 7),),
        ),
        Finding(
            check="quality",
            severity="note",
            title="3 tracks clip",
            advice="lower the level",
            tracks=(9, 2, 0),
            details=("3 % \x1b[31m", "2 %", "1 %"),
        ),
    )
    return Diagnosis(str(made), 3 * TRACKS, findings, {"confounds": "too few tracks"}, ("quality",))


@pytest.fixture(scope="module")
def client(made: Path, runs: Path, found: Diagnosis) -> Iterator[Client]:
    """The page of `made` with its run and findings, for requests that change nothing."""
    with serve(made, runs=runs, findings=found) as client:
        yield client


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    """Call `audiospec ARGUMENTS` in this process; return exit status, output and errors."""

    def audiospec_(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["audiospec", *map(str, arguments)])
        capfd.readouterr()
        status = cli.main()
        return (status, *capfd.readouterr())

    monkeypatch.setenv("AUDIOSPEC_DEBUG", "0")
    before = signal.getsignal(signal.SIGTERM)
    yield audiospec_
    signal.signal(signal.SIGTERM, before)
