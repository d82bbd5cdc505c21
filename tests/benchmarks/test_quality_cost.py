"""The study of what measuring costs compares a run that measures with one that does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiospec.benchmarks.studies.quality_cost import cost, featurize_once, markdown
from audiospec.stores.base import open_store


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for label in "ab":
        (tmp_path / "audio" / label).mkdir(parents=True)
        for number in range(2):
            wave = np.random.default_rng(number).normal(0, 0.1, 6 * 22050)
            soundfile.write(tmp_path / "audio" / label / f"{number}.wav", wave, 22050)
    return tmp_path / "audio"


def test_one_run_measures_and_one_does_not(data: Path, tmp_path: Path) -> None:
    for measured in (True, False):
        folder = tmp_path / str(measured)
        folder.mkdir()
        assert featurize_once(data, folder, measured) > 0
        levels = open_store(folder / "a.zarr").tracks["level"]
        assert np.isnan(levels).all() != measured


def test_the_table(data: Path) -> None:
    result = cost(data, 2)
    assert (result["tracks"], len(result["rounds"])) == (4, 2)
    assert result["quartiles"][0] <= result["ratio"] <= result["quartiles"][1]
    assert markdown({"noise": result}).splitlines()[-1].startswith("| noise | 4 | 2 | ")
