"""Featurizing real music and sounds, with exact expectations."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

import audiospec
from audiospec.pipeline.featurize import run
from audiospec.pipeline.summary import Report
from audiospec.stores.base import open_store

pytestmark = pytest.mark.realdata

GENRES = {
    "blues": 9,
    "classical": 20,
    "country": 1,
    "disco": 5,
    "hiphop": 2,
    "jazz": 20,  # and jazz.00054, which does not decode
    "metal": 2,
    "pop": 4,
    "reggae": 2,
    "rock": 20,
}


@pytest.fixture(scope="module")
def gtzan(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    """Featurize the shared part of GTZAN in 10 s and 3 s chunks, into both formats."""
    folder = tmp_path_factory.mktemp("gtzan")
    views = [(audiospec.MelSpec(), audiospec.Chunking(seconds=seconds)) for seconds in (10, 3)]
    return {
        suffix: run("gtzan", data=shared_data / "gtzan-part", views=views, store=folder / f"gtzan.{suffix}")
        for suffix in ("zarr", "h5")
    }


@pytest.mark.parametrize("suffix", ["zarr", "h5"])
def test_gtzan_has_85_tracks_and_one_problem(gtzan: dict[str, Report], suffix: str) -> None:
    report = gtzan[suffix]
    assert list(report.problems) == ["jazz.00054"]
    assert report.problems["jazz.00054"].startswith("not decodable")
    assert [len(view) for view in report.views] == [255, 850]
    for view, chunks in zip(report.views, (3, 10), strict=True):
        assert {label: count / chunks for label, count in Counter(view.labels).items()} == GENRES
        assert view.skipped() == {}
        assert len(view.damaged()) == 0
        assert view.info.made["parity"] < 0.01
        assert np.isfinite(view.read()).all()
    assert len(open_store(report.store).tracks) == 86


def test_both_formats_hold_equal_bytes(gtzan: dict[str, Report]) -> None:
    for zarr, hdf5 in zip(gtzan["zarr"].views, gtzan["h5"].views, strict=True):
        assert zarr.read().tobytes() == hdf5.read().tobytes()
        assert zarr.rows.tobytes() == hdf5.rows.tobytes()
        assert zarr.info.to_attributes() == hdf5.info.to_attributes()


def test_rows_match_librosa(gtzan: dict[str, Report]) -> None:
    import librosa

    view = gtzan["zarr"].views[0]
    for track, row in (("rock.00000", 0), ("classical.00060", 1), ("pop.00000", 2)):
        number = view.rows_of(track)[row]
        record = view.rows[number]
        path = view.store.root / str(view.store.tracks["path"][record["track"]])
        wave, rate = soundfile.read(path, dtype="float32")
        chunk = wave[round(record["start"] * rate) :][:220500]
        chunk = np.pad(chunk, (0, 220500 - len(chunk)))
        mel = librosa.feature.melspectrogram(
            y=chunk, sr=rate, n_mels=192, hop_length=256, fmax=8000, htk=True, pad_mode="reflect"
        )
        expected = librosa.power_to_db(mel, top_db=None)
        near = expected >= expected.max() - 80
        # float16 has ten bits of mantissa: between 64 and 128 dB its step is 1/16 dB.
        assert np.abs(view.read(int(number)).astype(np.float32) - expected)[near].max() < 0.03125 + 0.01


def test_esc10_has_400_clips_in_five_folds(shared_data: Path, tmp_path: Path) -> None:
    view = audiospec.featurize("esc10", data=shared_data / "esc10", chunk=5, store=tmp_path / "esc10.h5")
    assert Counter(view.labels.tolist()) == dict.fromkeys(view.classes, 40)
    assert len(view.classes) == 10
    assert Counter(view.folds.tolist()) == dict.fromkeys("12345", 80)
    assert view.store.tracks.problems == {}
    # Takes of one recording share a fold.
    folds: dict[str, set[str]] = {}
    for group, fold in zip(view.groups, view.folds, strict=True):
        folds.setdefault(group, set()).add(fold)
    assert all(len(group_folds) == 1 for group_folds in folds.values())


def test_short_clips_of_fsdd_are_skipped_or_padded(shared_data: Path, tmp_path: Path) -> None:
    spec = audiospec.MelSpec(sample_rate=8000, n_fft=512, hop_length=128, n_mels=40, fmax=4000)
    chunkings = [audiospec.Chunking(seconds=1), audiospec.Chunking(seconds=1, min_fill=0)]
    report = run(
        "fsdd",
        data=shared_data / "fsdd",
        views=[(spec, chunking) for chunking in chunkings],
        store=tmp_path / "fsdd.zarr",
    )
    half, all_in = report.views
    assert len(half.store.tracks) == 3000
    assert report.problems == {}
    assert len(half.skipped()) == 3000 - len(set(half.ids.tolist())) > 0
    assert all_in.skipped() == {}
    assert set(all_in.ids.tolist()) == set(half.store.tracks["id"].tolist())
    assert Counter(all_in.store.tracks["fold"].tolist()) == {"train": 2700, "test": 300}
    assert len(set(all_in.groups.tolist())) == 6
