"""Each entry of the other package is one file, and keeps the contract of its kind."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

import pytest
from audiospec_extras.archive import ArchiveStore
from audiospec_extras.modulation import ModulationSpec
from audiospec_extras.nearest_mean import NearestMean

from audiospec.datasets.base import Dataset, datasets
from audiospec.testing.datasets import DatasetContract
from audiospec.testing.engines import EngineContract
from audiospec.testing.features import FrontendContract
from audiospec.testing.losses import LossContract
from audiospec.testing.models import ModelContract
from audiospec.testing.scores import ScoreContract
from audiospec.testing.stores import StoreContract
from audiospec.zoo.base import models

HERE = Path(__file__).parent


class TestPrefixed(DatasetContract):
    name = "prefixed"

    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        for name in ("low-1.wav", "high-1.wav", "high-2.wav"):
            (tmp_path / name).touch()
        return datasets["prefixed"](tmp_path)


class TestModulation(FrontendContract):
    name = "modulation"
    samples = 8000

    @pytest.fixture
    def spec(self) -> ModulationSpec:
        return ModulationSpec()


class TestArchive(StoreContract):
    store = ArchiveStore
    suffix = ".fzip"


class TestNearestMean(ModelContract):
    name = "nearest-mean"

    def test_the_entry_point_gives_the_class(self) -> None:
        assert models["nearest-mean"] is NearestMean


class TestThreads(EngineContract):
    name = "threads"
    has_workers = False


class TestLogLoss(ScoreContract):
    name = "log-loss"


class TestFocal(LossContract):
    name = "focal"


def test_each_entry_is_one_file() -> None:
    """Nothing else is needed: as many files as entry points, and none of audiospec knows them."""
    points = ConfigParser()
    points.read(HERE / "audiospec_extras-1.0.dist-info" / "entry_points.txt")
    modules = [value.partition(":")[0] for group in points.sections() for value in points[group].values()]
    files = {f"audiospec_extras.{file.stem}" for file in (HERE / "audiospec_extras").glob("[!_]*.py")}
    assert sorted(modules) == sorted(files)
    kinds = ("datasets", "features", "stores", "models", "engines", "scores", "losses")
    assert points.sections() == [f"audiospec.{kind}" for kind in kinds]
