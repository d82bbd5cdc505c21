"""Truncated and silent files in a run: refused or kept, as its reading says, with notes; and channels."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiospec.audio.reading import Reading
from audiospec.pipeline.builder import ViewBuilder
from audiospec.pipeline.featurize import run
from audiospec.pipeline.repair import repair
from audiospec.pipeline.summary import Report
from audiospec.stores.base import open_store

KEEP = Reading(truncated="keep", keep_silent=True)


@pytest.fixture
def odd(music: Path) -> Path:
    """The folder of music with four more: cut, in opposite phase, silent, and a FLAC of unknown length."""
    sound = np.random.default_rng(0).normal(0, 0.1, 12000)
    soundfile.write(music / "ant" / "cut.wav", sound, 8000)
    (music / "ant" / "cut.wav").write_bytes((music / "ant" / "cut.wav").read_bytes()[:-8000])
    soundfile.write(music / "bee" / "opposed.wav", np.stack([sound, -sound], axis=1), 8000)
    soundfile.write(music / "cat" / "silent.wav", np.zeros(12000), 8000)
    content = bytearray((music / "cat" / "000.flac").read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    (music / "cat" / "piped.flac").write_bytes(content)
    return music


def featurize(kit: Any, data: Path, store: Path, reading: Reading = KEEP, **options: Any) -> Report:
    spec = dataclasses.replace(kit.spec, **options)
    return run("folder", data=data, views=[(spec, kit.chunking)], store=store, workers=0, reading=reading)


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_refused_then_kept_then_kept_still(kit: Any, odd: Path, tmp_path: Path, suffix: str) -> None:
    store = tmp_path / f"s{suffix}"
    strict = featurize(kit, odd, store, Reading())
    assert {id: text.partition(":")[0] for id, text in strict.problems.items()} == {
        "ant/cut.wav": "truncated",
        "bee/opposed.wav": "silent",
        "cat/silent.wav": "silent",
    }
    assert strict.notes == {}
    assert len(strict.views[0]) == 39
    (rows,) = (strict.views[0].rows_of(id) for id in ("cat/piped.flac",))
    assert (strict.views[0].read(rows) == strict.views[0].read(strict.views[0].rows_of("cat/000.flac"))).all()

    kept = featurize(kit, odd, store)
    assert kept.problems == {}
    assert {id: text.partition(":")[0] for id, text in kept.notes.items()} == {
        "ant/cut.wav": "truncated",
        "bee/opposed.wav": "silent",
        "cat/silent.wav": "silent",
    }
    view = open_store(store).view()
    assert len(view) == 39 + 2 + 3 + 3
    assert view.store.tracks.notes == kept.notes
    assert (view.read() == kit.truth(view, odd, KEEP)).all()
    # What was accepted stays accepted, and nothing is computed.
    again = featurize(kit, odd, store, Reading())
    assert (again.problems, again.notes) == ({}, kept.notes)
    assert again.planned[0].missing_shards == 0


def test_each_part_of_a_reading_is_its_own(kit: Any, odd: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.zarr"
    report = featurize(kit, odd, store, Reading(keep_silent=True))
    assert list(report.problems) == ["ant/cut.wav"]
    report = featurize(kit, odd, store, Reading(truncated="keep"))
    assert report.problems == {}, "the silent ones were accepted before"


def test_a_run_that_was_stopped_leaves_no_rows_of_zeros(
    kit: Any, odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first run stages shards with rows of zeros for tracks that it refuses, and does not publish.
    def die(builder: ViewBuilder) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ViewBuilder, "publish", die)
        with pytest.raises(KeyboardInterrupt):
            featurize(kit, odd, tmp_path / "s.zarr", Reading())
    view = featurize(kit, odd, tmp_path / "s.zarr").views[0]
    assert (view.rows["source"] != 0).all()
    assert (view.read() == kit.truth(view, odd, KEEP)).all()


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_repair_and_export_keep_notes(kit: Any, odd: Path, tmp_path: Path, suffix: str) -> None:
    view = featurize(kit, odd, tmp_path / f"s{suffix}").views[0]
    rows = view.read()
    numbers = np.concatenate([view.rows_of(id) for id in ("ant/cut.wav", "cat/silent.wav")])
    repair(view.store, {view.name: numbers.tolist()}, workers=0)
    store = open_store(tmp_path / f"s{suffix}")
    assert (store.view().read() == rows).all()
    assert len(store.tracks.notes) == 3
    for other in (".zarr", ".h5"):
        copy = store.export(tmp_path / f"copy{other}", anonymous=True)
        assert copy.tracks.notes == store.tracks.notes


def test_a_channel_that_is_not_silent_is_used_in_the_same_store(kit: Any, odd: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.zarr"
    assert "bee/opposed.wav" in featurize(kit, odd, store, Reading()).problems
    left = featurize(kit, odd, store, Reading(), channel="left")
    assert set(left.problems) == {"ant/cut.wav", "cat/silent.wav"}
    view = left.views[0]
    assert len(view.rows_of("bee/opposed.wav")) == 3
    assert (view.read() == kit.truth(view, odd)).all()
    again = featurize(kit, odd, store, Reading(), channel="left")
    assert again.planned[0].missing_shards == 0


def test_a_file_without_the_channel_has_a_problem(kit: Any, odd: Path, tmp_path: Path) -> None:
    report = featurize(kit, odd, tmp_path / "s.zarr", channel="1")
    assert set(report.views[0].ids.tolist()) == {"bee/opposed.wav"}
    assert report.problems["ant/000.flac"].startswith("no channel 1: the file has 1 channel, number 0")
