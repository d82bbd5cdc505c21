"""DatasetContract: tests that every dataset must pass, to be inherited.

One class tests a dataset::

    class TestMine(DatasetContract):
        name = "mine"

        @pytest.fixture
        def dataset(self, tmp_path):
            ...  # write a few small files
            return Mine(tmp_path)
"""

from __future__ import annotations

import unicodedata
from pathlib import Path, PurePosixPath
from typing import ClassVar

import pytest

from audiospec.annotations.annotation import TARGETS
from audiospec.datasets.base import Dataset, DownloadedDataset, datasets
from audiospec.errors import DatasetError


class DatasetContract:
    """Tests that every dataset passes.

    Attributes
    ----------
    name : str
        The dataset's name in the registry.
    named : bool
        Whether it is a published work with a citation and a licence, and not the user's own audio.
    makes_data : bool
        Whether it makes its audio itself, so that an empty or missing folder is not an error.
    finds_files : bool
        Whether it looks for files in a folder, as each `DownloadedDataset` does, and so has to name the
        others.
    """

    name: ClassVar[str]
    named: ClassVar[bool] = True
    makes_data: ClassVar[bool] = False
    finds_files: ClassVar[bool] = False

    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        """Return an instance with a little data: two tracks or more."""
        raise NotImplementedError("define a fixture `dataset`")

    def test_is_registered(self, dataset: Dataset) -> None:
        """The registry has it under its name, which is the module's for audiospec's own datasets."""
        assert datasets[self.name] is type(dataset)
        assert dataset.name == self.name
        assert self.name in datasets.names()
        package, _, module = type(dataset).__module__.rpartition(".")
        if package == datasets.package:
            assert module.replace("_", "-") == self.name

    def test_has_a_summary(self, dataset: Dataset) -> None:
        """The first line of its module describes it."""
        summary = datasets.summary(self.name)
        assert summary
        assert len(summary) <= 100

    def test_states_its_source(self, dataset: Dataset) -> None:
        """A published work has a citation and a licence."""
        assert bool(dataset.citation and dataset.licence) is self.named

    def test_ids_are_unique_and_printable(self, dataset: Dataset) -> None:
        """Ids can be encoded as UTF-8 and printed on one line."""
        ids = [track.id for track in dataset.manifest()]
        assert len(ids) == len(set(ids)) >= 2
        for id in ids:
            assert id.encode("utf-8").strip()
            assert not {unicodedata.category(char) for char in id} & {"Cc", "Cs", "Zl", "Zp"}

    def test_labels_are_not_empty(self, dataset: Dataset) -> None:
        """Every track has a label or annotations, and every label is in the full set, if one is defined."""
        labels = set(dataset.manifest().labels)
        assert all(label.strip() for label in labels)
        assert not dataset.expected or labels <= dataset.expected.keys()

    def test_target_and_annotations_agree(self, dataset: Dataset) -> None:
        """The manifest has the dataset's target; annotations have a label or a value, and lie in time."""
        manifest = dataset.manifest()
        assert manifest.target == dataset.target
        assert manifest.target in TARGETS
        for track in manifest:
            assert not (track.label and track.annotations)
            assert track.columns == tuple(sorted(dict(track.columns).items()))
            for annotation in track.annotations:
                assert 0 <= annotation.start <= annotation.end
                assert bool(annotation.label.strip()) is (annotation.value is None)

    def test_paths_are_in_the_root(self, dataset: Dataset) -> None:
        """Paths are relative, without ``..``, with forward slashes, and lead to files."""
        manifest = dataset.manifest()
        assert isinstance(manifest.root, Path)
        assert manifest.root.is_absolute()
        for track in manifest:
            path = PurePosixPath(track.path)
            assert not path.is_absolute()
            assert ".." not in path.parts
            assert str(path) == track.path
            assert (manifest.root / track.path).is_file()

    def test_order_is_fixed(self, dataset: Dataset) -> None:
        """Tracks are sorted by id, and every call returns the same."""
        first, second = dataset.manifest(), dataset.manifest()
        assert first == second
        assert [track.id for track in first] == sorted(track.id for track in first)

    def test_manifest_names_the_dataset(self, dataset: Dataset) -> None:
        """The manifest has the name of the dataset."""
        assert dataset.manifest().dataset == self.name

    def test_other_files_are_named(self, dataset: Dataset) -> None:
        """A file that is no track is named as left out, with its path in the root, and no track is."""
        if self.makes_data:
            pytest.skip("makes its audio itself")
        manifest = dataset.manifest()
        assert isinstance(manifest.root, Path)
        (manifest.root / "not-a-track.txt").write_text("no sound", encoding="utf-8")
        again = dataset.manifest()
        assert again.tracks == manifest.tracks
        assert not {*again.left_out} & {track.path for track in again}
        if self.finds_files or isinstance(dataset, DownloadedDataset):
            assert {*again.left_out} - {*manifest.left_out} == {"not-a-track.txt"}
            assert list(again.left_out) == sorted(again.left_out)

    def test_validate_compares_labels(self, dataset: Dataset) -> None:
        """Validation returns at most one line for each label."""
        manifest = dataset.manifest()
        lines = dataset.validate(manifest)
        assert len(lines) <= len(dataset.expected.keys() | set(manifest.labels))
        assert all("\n" not in line for line in lines)

    def test_empty_folder_is_an_error(self, dataset: Dataset, tmp_path: Path) -> None:
        """A folder without audio is refused, in one line that names it."""
        if self.makes_data:
            pytest.skip("makes its audio itself")
        empty = tmp_path / "empty"
        empty.mkdir()
        with pytest.raises(DatasetError) as caught:
            type(dataset)(empty).manifest()
        assert str(empty) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_missing_folder_is_an_error(self, dataset: Dataset, tmp_path: Path) -> None:
        """A missing folder is refused, and the error names the nearest one that exists; none is made."""
        if self.makes_data:
            pytest.skip("makes its audio itself")
        missing = tmp_path / "not" / "there"
        with pytest.raises(DatasetError) as caught:
            type(dataset)(missing).manifest()
        assert str(missing) in str(caught.value)
        assert f"{tmp_path})" in str(caught.value)
        assert not (tmp_path / "not").exists()
