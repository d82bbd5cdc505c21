"""Clusters reach the store, and a run says which files are equal."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import audiospec
from audiospec.datasets.folder import Folder
from audiospec.manifest import Manifest
from audiospec.pipeline.featurize import run
from audiospec.pipeline.progress import Progress
from audiospec.pipeline.repair import repair
from audiospec.pipeline.summary import Report
from audiospec.pipeline.verify import verify
from audiospec.stores.base import open_store
from audiospec.stores.layout.schema import REMOVED

Featurize = Callable[..., Report]


@pytest.fixture
def featurize(kit: Any, music: Path, tmp_path: Path) -> Featurize:
    def call(manifest: Manifest | None = None, store: str = "s.zarr", **options: Any) -> Report:
        return run(
            manifest or Folder(music).manifest(),
            views=[(kit.spec, kit.chunking)],
            store=tmp_path / store,
            workers=0,
            **options,
        )

    return call


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_a_change_of_clusters_alone_computes_nothing(
    kit: Any, music: Path, tmp_path: Path, featurize: Featurize, suffix: str
) -> None:
    store, manifest = tmp_path / f"s{suffix}", Folder(music).manifest()
    first, *others = manifest.tracks
    steps: list[Progress] = []

    def with_cluster(cluster: str) -> audiospec.View:
        named = Manifest("folder", music, (replace(first, cluster=cluster), *others))
        return featurize(named, store.name, progress=steps.append).views[0]

    before = with_cluster("").read()
    assert steps
    for cluster in ("ä", "b", "", "b"):
        steps.clear()
        view = with_cluster(cluster)
        assert steps == []
        assert view.clusters.tolist() == [cluster if id == first.id else "" for id in view.ids]
        assert view.store.tracks["cluster"].tolist() == [cluster, *[""] * len(others)]
        assert view.read().tobytes() == before.tobytes()
        assert verify(store).is_whole
    written = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    with_cluster("b")
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == written


def test_repair_keeps_the_clusters(music: Path, featurize: Featurize) -> None:
    tracks = tuple(replace(track, cluster=track.label) for track in Folder(music).manifest())
    view = featurize(Manifest("folder", music, tracks)).views[0]
    repair(view.store, {view.name: [0, 1]}, workers=0)
    assert open_store(view.store.path).tracks["cluster"].tolist() == [track.label for track in tracks]


def test_a_run_says_which_files_are_equal(
    kit: Any, music: Path, tmp_path: Path, featurize: Featurize, caplog: pytest.LogCaptureFixture
) -> None:
    assert featurize().duplicates.lines() == []
    shutil.copy(music / "ant" / "000.flac", music / "bee" / "copy.flac")
    (music / "ant" / "empty.flac").touch()
    (music / "cat" / "empty.flac").touch()  # equal, but there is no sound in them
    assert featurize(dry_run=True).duplicates.lines() == []  # the copy was never decoded
    for report in (featurize(), featurize(), featurize(dry_run=True)):
        (same,) = report.duplicates.files
        assert dict(same.labels) == {"ant/000.flac": "ant", "bee/copy.flac": "bee"}
        assert same.contradicts
        assert same.name == open_store(report.store).tracks["hash"][0]
    audiospec.featurize(
        "folder", data=music, spec=kit.spec, chunk=kit.chunking, store=report.store, workers=0
    )
    warned = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert warned[-2:] == report.duplicates.lines()
    assert len(warned[-2:]) == 2


def test_a_file_that_was_renamed_is_equal_to_the_removed_one_whose_rows_stay(
    music: Path, featurize: Featurize
) -> None:
    featurize()
    (music / "ant" / "000.flac").rename(music / "ant" / "new.flac")
    report = featurize()
    assert report.problems == {"ant/000.flac": REMOVED}
    (same,) = report.duplicates.files
    assert list(same.labels) == ["ant/000.flac", "ant/new.flac"]
    assert not same.contradicts
    assert set(same.labels) <= set(report.views[0].ids)
