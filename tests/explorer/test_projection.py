"""The map of tracks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from audiospec.explorer import projection
from audiospec.explorer.problems import ExplorerError
from audiospec.explorer.projection import describe_tracks, project
from audiospec.stores.base import open_store, stores
from audiospec.testing.stores.content import Content, publish


def quiet(done: int, total: int) -> None:
    """Ignore progress."""


@pytest.mark.parametrize("view", ["mel", "tabular"])
@pytest.mark.parametrize("summed", [1, 1 << 20])
def test_tracks_are_described_by_mean_and_deviation(
    made: Path, view: str, summed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "_SUMMED", summed)
    opened = open_store(made).view(view)
    numbers, features = describe_tracks(opened, quiet)
    assert numbers.tolist() == list(range(15))
    rows = opened.read().astype(float)
    for number in (0, 14):
        mine = rows[opened.rows["track"] == number]
        values = np.moveaxis(mine, 1, 0).reshape(mine.shape[1], -1)
        expected = np.concatenate([values.mean(axis=1), values.std(axis=1)])
        assert features[number] == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_many_bands_are_averaged(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = open_store(made).view("mel")
    monkeypatch.setattr(projection, "MOST_BANDS", 6)  # of 16: two or three of them together
    _, features = describe_tracks(view, quiet)
    rows = view.read(np.flatnonzero(view.rows["track"] == 3)).astype(float)
    parts = [
        rows[:, first:stop].mean(axis=1)
        for first, stop in zip((0, 2, 5, 8, 10, 13), (2, 5, 8, 10, 13, 16), strict=True)
    ]
    assert features[3, :6] == pytest.approx([part.mean() for part in parts], rel=1e-4)
    assert features[3, 6:] == pytest.approx([part.std() for part in parts], rel=1e-3)


def test_rows_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    publish(stores["zarr"], path, Content.make())
    view = open_store(path).view()
    kept = np.isfinite(view.read()).all(axis=(1, 2))
    lost = view.info.shard_rows
    (path / "views" / view.name / "data/c/1/0/0").unlink()
    numbers, features = describe_tracks(open_store(path).view(), quiet)
    kept[lost : 2 * lost] = False
    assert numbers.tolist() == np.unique(view.rows["track"][kept]).tolist()
    assert np.isfinite(features).all()


def test_directions_are_principal_components() -> None:
    features = np.random.default_rng(0).normal(size=(50, 6)) @ np.random.default_rng(1).normal(size=(6, 6))
    places = project(features.astype(np.float32), "pca")
    standard = (features - features.mean(axis=0)) / features.std(axis=0)
    expected = PCA(2).fit_transform(standard)
    for axis in range(2):
        sign = np.sign(places[:, axis] @ expected[:, axis])
        assert places[:, axis] == pytest.approx(sign * expected[:, axis], abs=1e-4)


def test_a_large_set_is_fitted_to_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    features = np.random.default_rng(0).normal(size=(400, 5)).astype(np.float32) * (9, 5, 1, 1, 1)
    features[:, 1] += features[:, 0]
    whole = project(features, "pca")
    monkeypatch.setattr(projection, "MOST_FITTED", 200)
    sampled = project(features, "pca", seed=3)
    assert sampled.shape == (400, 2)
    assert np.array_equal(sampled, project(features, "pca", seed=3))
    assert not np.array_equal(sampled, whole)
    assert abs(np.corrcoef(sampled[:, 0], whole[:, 0])[0, 1]) > 0.95


@pytest.mark.parametrize(("tracks", "width"), [(1, 4), (2, 4), (3, 1), (5, 2)])
def test_few_tracks_or_features_have_places(tracks: int, width: int) -> None:
    places = project(np.arange(tracks * width, dtype=np.float32).reshape(tracks, width), "pca")
    assert places.shape == (tracks, 2)
    assert np.isfinite(places).all()


def test_a_method_that_there_is_not() -> None:
    features = np.eye(8, dtype=np.float32)
    with pytest.raises(ExplorerError, match="pca or umap"):
        project(features, "tsne")
    try:
        import umap  # noqa: F401
    except ImportError:
        with pytest.raises(ExplorerError, match=r"UMAP is not installed.*pip install umap-learn"):
            project(features, "umap")
