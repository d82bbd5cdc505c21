"""Cases of the suites, run once and untimed: results are equal, and targets name existing contenders."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audiospec.audio.recording import load
from audiospec.benchmarks.base import Case, NotRun, Setup, Suite, Table, Target, suites
from audiospec.benchmarks.commands import FeaturizeCommand, TrackFolder
from audiospec.benchmarks.measure import measure
from audiospec.benchmarks.parts import PartTimer
from audiospec.benchmarks.suites.pipeline import FFT, cpu_time_table
from audiospec.features.base import frontend
from audiospec.specs.mel import MelSpec

#: Number of cases to run of each suite, in seconds; pipeline, train and growth would take minutes.
SHORT = {"decode": 6, "frontend": 2, "scale": 4, "start": 1, "store": 6}
#: Suites whose cases take minutes, even once.
LONG = ("decode", "scale", "store")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tracks of 31 s, and a file that is not audio."""
    folder = tmp_path_factory.mktemp("data")
    time = np.arange(31 * 22050) / 22050
    for number in range(3):
        random = np.random.default_rng(number)
        sound = 0.2 * np.sin(2 * np.pi * 220 * (number + 1) * time) + random.normal(0, 0.05, len(time))
        soundfile.write(folder / f"{number}.wav", sound, 22050)
    (folder / "0.txt").write_text("not audio")
    return folder


def cases(name: str, data: Path, folder: Path) -> Iterator[Case | Table | NotRun]:
    setup = Setup(device="cpu", full=False, data=data, folder=folder)
    suite: Suite = suites[name]()
    return islice(suite.cases(setup), SHORT[name])


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of peers
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in LONG else name for name in SHORT]
)
def test_contenders_do_equal_work(name: str, data: Path, tmp_path: Path) -> None:
    count = 0
    for case in cases(name, data, tmp_path):
        assert isinstance(case, Case), case
        count += 1
        assert [each.role for each in case.contenders].count("ours") == 1
        assert case.contenders[0].role == "ours"
        names = {each.name for each in case.contenders} | case.missing.keys()
        assert {target.contender for target in case.targets if isinstance(target, Target)} <= names
        result = measure(replace(case, seconds=0.0, min_rounds=1, memory=""))  # raises if work is unequal
        assert [each["repeats"] for each in result["contenders"]] == [1] * len(case.contenders)
        compared = {each["name"] for each in result["contenders"] if each["difference"] is not None}
        assert compared == {each.name for each in case.contenders if each.role == "peer"}
    assert count == SHORT[name]


def test_suites_that_start_commands_do_not_import_torch() -> None:
    """Else a small command would be measured beside a large process that has just been started."""
    modules = ("commands", "parts", "suites.pipeline", "suites.start", "suites.store", "suites.decode")
    code = f"import sys; [__import__('audiospec.benchmarks.' + name) for name in {modules}]"
    subprocess.run([sys.executable, "-c", f"{code}; sys.exit('torch' in sys.modules)"], check=True)


@pytest.mark.long
def test_the_parts_are_computed_as_a_store_keeps_them(data: Path, tmp_path: Path) -> None:
    """Each step of the pipeline runs on real tracks, and its processor time is returned."""
    tracks = TrackFolder(Setup(device="cpu", full=False, data=data, folder=tmp_path), "wav", PartTimer.TRACKS)
    with PartTimer(tmp_path / "floor") as timer:
        parts = timer.parts(tracks, ("decode", "to_wave", "log_mel", "fft", "checksum", "write"))
    assert all(seconds > 0 for seconds in parts.values())
    rows = np.fromfile(tmp_path / "floor" / "0" / "00000", np.float16).reshape(3, 192, 862)
    waves = load(data / "0.wav", 22050)[: 30 * 22050].reshape(3, -1)
    mel = frontend(MelSpec())(torch.from_numpy(waves.copy())).numpy()
    assert np.abs(rows - mel)[mel > mel.max() - 80].max() < 0.07


def command(cpu_seconds: float) -> FeaturizeCommand:
    source: TrackFolder = object.__new__(TrackFolder)
    return FeaturizeCommand([], Path(), lambda _: {}, source, (10, 110), cpu_seconds=[cpu_seconds])


def test_the_target_of_processor_time_compares_with_backend_fft() -> None:
    met, missed = (
        cpu_time_table(command(seconds), {FFT: command(200.0)}).targets[0] for seconds in (90.0, 110.0)
    )
    assert (met["found"], met["met"]) == (0.45, True)
    assert (missed["found"], missed["met"]) == (0.55, False)
    assert cpu_time_table(command(90.0), {}).targets[0]["met"] is None
