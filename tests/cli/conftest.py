"""Short audio files, stores made from them, and two ways to run the command line."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiospec import cli

RATE = 22050

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def run() -> Run:
    """Run `audiospec ARGUMENTS` as a process: run("datasets", cwd=..., env=...)."""

    def audiospec(
        *arguments: object, cwd: Path, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "audiospec", *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            capture_output=True,
            encoding="utf-8",
            timeout=200,
        )

    return audiospec


@dataclass
class Result:
    """Exit status and output of a call."""

    status: int
    out: str
    err: str


@pytest.fixture
def call(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Result]]:
    """Call `audiospec ARGUMENTS` in this process, which is faster."""

    def audiospec(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["audiospec", *map(str, arguments)])
        capfd.readouterr()
        status = cli.main()
        return Result(status, *capfd.readouterr())

    monkeypatch.setenv("AUDIOSPEC_DEBUG", "0")
    before = signal.getsignal(signal.SIGTERM)
    yield audiospec
    signal.signal(signal.SIGTERM, before)


def write(path: Path, seconds: float, seed: int) -> None:
    """Write a tone with noise that swells and fades."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    wave = 0.1 * random.standard_normal(len(time)) * np.sin(time) ** 2
    wave += 0.2 * np.sin(2 * np.pi * (220 + 110 * seed) * time)
    soundfile.write(path, wave, RATE, subtype="PCM_16")


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six valid tracks of 4 s in two classes."""
    folder = tmp_path_factory.mktemp("music")
    for number in range(6):
        write(folder / ("loud" if number % 2 else "quiet") / f"song{number}.wav", 4, number)
    return folder


@pytest.fixture(scope="session")
def mixed(music: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The valid tracks, some with names that look like markup, and invalid files of all kinds."""
    folder = tmp_path_factory.mktemp("mixed")
    shutil.copytree(music / "loud", folder / "[red]loud")
    shutil.copytree(music / "quiet", folder / "quiet")
    bad = folder / "bad"
    bad.mkdir()
    (bad / "empty.wav").touch()
    (bad / "garbage.wav").write_bytes(b"no sound at all " * 64)
    whole = (music / "loud" / "song1.wav").read_bytes()
    (bad / "cut.wav").write_bytes(whole[: len(whole) // 2])
    (bad / "bell\a.wav").write_bytes(whole[:100])
    soundfile.write(bad / "silent.wav", np.zeros(4 * RATE), RATE)
    soundfile.write(bad / "nothing.wav", np.zeros(0), RATE)
    soundfile.write(bad / "one.wav", np.ones(1) / 2, RATE)
    wave = np.random.default_rng(0).standard_normal(4 * RATE).astype(np.float32)
    wave[1000] = np.nan
    soundfile.write(bad / "nan.wav", wave, RATE, subtype="FLOAT")
    return folder


@pytest.fixture(scope="session")
def store(music: Path, run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the valid tracks with two views; read only, see `copy`."""
    path = tmp_path_factory.mktemp("stores") / "good.zarr"
    done = run(
        *("featurize", "folder", "--data", music, "--store", path, "--workers", 0),
        *("--chunk", 2, "--chunk", 1, "--hop", 1),
        cwd=path.parent,
    )
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def copy(store: Path, tmp_path: Path) -> Path:
    """A copy of `store` that a test may damage."""
    return Path(shutil.copytree(store, tmp_path / "copy.zarr"))


@pytest.fixture(scope="session")
def mixed_store(mixed: Path, run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the valid and the invalid tracks."""
    path = tmp_path_factory.mktemp("stores") / "mixed.h5"
    done = run(
        *("featurize", "folder", "--data", mixed, "--store", path, "--workers", 0, "--chunk", 2),
        cwd=path.parent,
    )
    assert done.returncode == 0, done.stderr
    (path.parent / "said").write_text(done.stdout)
    return path
