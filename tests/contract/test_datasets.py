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


class TestEsc50(DatasetContract):
    name = "esc50"

    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        return datasets["esc50"](files(tmp_path / "data", "audio/1-100032-A-0.wav", "audio/5-9-B-49.wav"))


class TestUrbanSound8K(DatasetContract):
    name = "urbansound8k"

    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        root = files(tmp_path / "data", "audio/fold5/100032-3-0-0.wav", "audio/fold10/1-9-0-1.wav")
        return datasets["urbansound8k"](root)


class TestSpeechCommands(DatasetContract):
    name = "speech-commands"

    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        clips = ("yes/0a7c2a8d_nohash_0.wav", "no/0a7c2a8d_nohash_1.wav")
        root = files(tmp_path / "data", *clips, "validation_list.txt")
        (root / "testing_list.txt").write_text(clips[0], encoding="utf-8")
        return datasets["speech-commands"](root)


class TestFsd50k(DatasetContract):
    name = "fsd50k"

    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        root = files(tmp_path / "data", "FSD50K.dev_audio/7.wav", "FSD50K.dev_audio/8.wav")
        table = root / "FSD50K.ground_truth" / "dev.csv"
        table.parent.mkdir()
        table.write_text('fname,labels,mids,split\n7,"Bark,Dog","/m/1,/m/2",train\n8,Rain,/m/3,val\n')
        return datasets["fsd50k"](root)


class TestDesed(DatasetContract):
    name = "desed"

    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        root = files(tmp_path / "data", "audio/eval/public/a.wav", "audio/eval/public/b.wav")
        table = root / "metadata" / "eval" / "public.tsv"
        table.parent.mkdir(parents=True)
        table.write_text("filename\tonset\toffset\tevent_label\na.wav\t0.5\t2\tDog\nb.wav\t\t\t\n")
        return datasets["desed"](root)


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
