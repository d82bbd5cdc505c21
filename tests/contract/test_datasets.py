"""Every registered dataset fulfils the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiospec.datasets import Dataset, datasets
from audiospec.datasets.demo import Demo
from audiospec.datasets.demo_events import DemoEvents
from audiospec.testing.datasets import DatasetContract


def files(root: Path, *paths: str) -> Path:
    """Make empty files: a manifest does not open them."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


class TestGtzan(DatasetContract):
    name = "gtzan"

    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        root = files(tmp_path / "data", "genres/rock/rock.00001.au", "genres/jazz/jazz.00054.wav")
        return datasets["gtzan"](root)


class TestEsc10(DatasetContract):
    name = "esc10"

    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        root = files(tmp_path / "data", "001 - Dog bark/1-100032-A.ogg", "002 - Rain/5-17367-B.ogg")
        return datasets["esc10"](root)


class TestFsdd(DatasetContract):
    name = "fsdd"

    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        root = files(tmp_path / "data", "recordings/0_theo_4.wav", "recordings/9_lucas_5.wav")
        return datasets["fsdd"](root)


class TestFolder(DatasetContract):
    name = "folder"
    named = False
    finds_files = True

    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        return datasets["folder"](files(tmp_path / "data", "a/x.wav", "b/\x1by é.FLAC", "b/notes.txt"))


class TestCsv(DatasetContract):
    name = "csv"
    named = False

    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        files(tmp_path, "lists/near.wav", "audio/far.wav")
        listing = tmp_path / "lists" / "list.csv"
        listing.write_text("path,label\nnear.wav,a\n../audio/far.wav,b\n", encoding="utf-8")
        return datasets["csv"](listing)


class TestDemo(DatasetContract):
    name = "demo"
    makes_data = True

    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        return Demo(tmp_path, tracks=1, seconds=1)


class TestDemoEvents(DatasetContract):
    name = "demo-events"
    makes_data = True

    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        return DemoEvents(tmp_path, tracks=3, seconds=4)


def test_every_dataset_has_a_contract() -> None:
    tested = {
        contract.name for contract in DatasetContract.__subclasses__() if contract.__module__ == __name__
    }
    assert tested == set(datasets.names())
