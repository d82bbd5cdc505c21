"""Cases of the suites, run once and untimed: results are equal, and targets name existing contenders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiospec.benchmarks.base import Case, NotRun, Setup, Suite, Table, Target, suites
from audiospec.benchmarks.measure import measure

#: Number of cases to run of each suite, in seconds; pipeline, train and growth would take minutes.
SHORT = {"decode": 6, "frontend": 2, "start": 1, "store": 6}


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
@pytest.mark.parametrize("name", SHORT)
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
