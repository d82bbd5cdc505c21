"""Views of dtype uint8, from audio to prediction."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import audiospec
from audiospec.errors import StoreError
from audiospec.pipeline.featurize import run
from audiospec.pipeline.repair import repair
from audiospec.stores.base import open_store
from audiospec.stores.layout.lock import work_folder


def _run(kit: Any, music: Path, store: Path, **options: Any) -> Any:
    spec = dataclasses.replace(kit.spec, dtype="uint8")
    options = {"workers": 0, **options}
    return run("folder", data=music, views=[(spec, kit.chunking)], store=store, **options)


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_a_store_of_bytes(kit: Any, music: Path, tmp_path: Path, suffix: str) -> None:
    report = _run(kit, music, tmp_path / f"s{suffix}", workers=2)
    (view,) = report.views
    assert view.read_stored().dtype == np.uint8
    assert (view.read() == kit.truth(view, music)).all()
    assert view.damaged().tolist() == []
    assert report.planned[0].packed
    assert view.bytes_on_disk() < report.planned[0].bytes
    # Only the rows of a new track are computed.
    kit.write_track(music, "ant", 9)
    report = _run(kit, music, tmp_path / f"s{suffix}")
    assert (report.views[0].read() == kit.truth(report.views[0], music)).all()
    (view,) = _run(kit, music, tmp_path / f"s{suffix}").views
    other = ".zarr" if suffix == ".h5" else ".h5"
    copy = view.store.export(tmp_path / f"copy{other}").view()
    assert copy.read_stored().tobytes() == view.read_stored().tobytes()
    assert copy.damaged().tolist() == []


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_a_stopped_run_is_resumed(
    kit: Any, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    _run(kit, music, tmp_path / f"unbroken{suffix}")
    store = tmp_path / f"s{suffix}"

    def stop(now: Any) -> None:
        if now.shards == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _run(kit, music, store, progress=stop)
    staged = sorted(work_folder(store).glob("*/*.shard"))
    assert len(staged) == 5
    damaged = bytearray(staged[0].read_bytes())  # as by a loss of power; it is computed again
    damaged[3] ^= 1
    staged[0].write_bytes(damaged)
    _run(kit, music, store)
    assert kit.contents(open_store(store)) == kit.contents(open_store(tmp_path / f"unbroken{suffix}"))
    assert not work_folder(store).exists()


def test_repair(kit: Any, music: Path, tmp_path: Path) -> None:
    (view,) = _run(kit, music, tmp_path / "s.zarr").views
    expected = kit.contents(view.store)
    file = view.shard_file(2)
    content = bytearray(file.read_bytes())
    content[20] ^= 1
    file.unlink()
    file.write_bytes(content)
    store = open_store(tmp_path / "s.zarr")
    damaged = store.view().damaged().tolist()
    assert damaged == [2 * view.info.shard_rows]
    repair(store, {view.name: damaged}, workers=0)
    assert kit.contents(open_store(tmp_path / "s.zarr")) == expected
    assert open_store(tmp_path / "s.zarr").view().damaged().tolist() == []


def test_a_track_that_is_too_loud_is_a_problem_of_that_track_only(
    kit: Any, music: Path, tmp_path: Path
) -> None:
    """The problem says by how many decibels. A track slightly over full scale is not too loud."""
    loud = 30 * np.sign(np.sin(np.arange(12800) / 8))
    soundfile.write(music / "ant" / "loud.wav", loud, 8000, subtype="FLOAT")
    soundfile.write(music / "ant" / "over.wav", loud / 20, 8000, subtype="FLOAT")
    report = _run(kit, music, tmp_path / "s.zarr")
    assert list(report.problems) == ["ant/loud.wav"]
    problem = report.problems["ant/loud.wav"]
    assert problem.startswith("too loud for dtype uint8: features are ")
    assert "use dtype float16 and another store" in problem
    beyond = float(problem.split("features are ")[1].split(" dB")[0])
    assert 15 < beyond < 20 * np.log10(15)  # it is 15 times as loud as twice full scale
    (view,) = report.views
    assert "ant/over.wav" in view.ids.tolist()
    assert (view.read() == kit.truth(view, music)).all()
    assert _run(kit, music, tmp_path / "s.zarr").problems == report.problems
    floats = audiospec.featurize(
        "folder", data=music, spec=kit.spec, chunk=kit.chunking, store=tmp_path / "f.zarr", workers=0
    )
    assert floats.store.tracks.problems == {}


def test_a_full_disk_is_found_before_the_work(
    kit: Any, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upper bound of the size of the rows counts."""
    planned = _run(kit, music, tmp_path / "s.zarr", dry_run=True).planned[0]
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 0, planned.bytes - 1)
    )
    with pytest.raises(StoreError, match="the disk is too full"):
        _run(kit, music, tmp_path / "s.zarr")


def test_prediction_computes_the_features_of_training(kit: Any, music: Path, tmp_path: Path) -> None:
    from types import SimpleNamespace

    from audiospec.audio.recording import load
    from audiospec.errors import AudioError
    from audiospec.zoo.windows.rows import features_of

    (view,) = _run(kit, music, tmp_path / "s.zarr").views
    info = SimpleNamespace(row_shape=view.info.row_shape, backend=view.info.made["backend"])
    run: Any = SimpleNamespace(spec=view.spec, chunking=view.chunking, info=info)
    rows = features_of(run, load(music / "bee" / "002.flac", 8000))
    assert rows.dtype == np.float32
    assert rows.tobytes() == view.read(view.rows_of("bee/002.flac")).tobytes()
    soundfile.write(tmp_path / "loud.wav", 30 * np.sign(np.sin(np.arange(12800) / 8)), 8000, subtype="FLOAT")
    with pytest.raises(AudioError, match="too loud for dtype uint8"):
        features_of(run, load(tmp_path / "loud.wav", 8000))
