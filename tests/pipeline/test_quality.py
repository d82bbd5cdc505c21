"""What is measured of tracks is in the track table, however the work is divided, and old work is resumed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import audiospec
from audiospec.audio.quality import UNMEASURED, Quality
from audiospec.audio.recording import Recording
from audiospec.pipeline.featurize import run
from audiospec.pipeline.staging import DecodeResult
from audiospec.pipeline.tasks import TaskResult
from audiospec.stores.base import open_store
from audiospec.stores.layout.lock import work_folder
from audiospec.stores.layout.target_tables import read_tracks
from audiospec.stores.layout.tracks import Tracks


def _featurize(kit: Any, music: Path, store: Path, *chunkings: audiospec.Chunking, **options: Any) -> Tracks:
    views = [(kit.spec, chunking) for chunking in chunkings or (kit.chunking,)]
    run("folder", data=music, views=views, store=store, **{"workers": 0, **options})
    return open_store(store).tracks


def _measured(tracks: Tracks) -> list[list[Any]]:
    columns = (tracks[name].tolist() for name in UNMEASURED)
    return [Quality(*row).to_json() for row in zip(*columns, strict=True)]


def _stop(now: Any) -> None:
    if now.shards == 5:
        raise KeyboardInterrupt


def test_the_columns_are_those_of_the_files(kit: Any, music: Path, tmp_path: Path) -> None:
    """By one worker or two, in other chunks, in several views, and after a stop."""
    stereo = np.random.default_rng(0).normal(0, 0.1, (13000, 2))
    soundfile.write(music / "ant" / "stereo.wav", stereo, 16000)
    tracks = _featurize(kit, music, tmp_path / "a.zarr")
    expected = []
    for path in tracks["path"].tolist():
        recording = Recording(music / path, measured=True)
        assert recording.whole(48000).any()
        assert recording.quality is not None
        expected.append(recording.quality.to_json())
    assert _measured(tracks) == expected
    assert abs(tracks["channel_correlation"][tracks["channels"] == 2][0]) < 0.1
    short = audiospec.Chunking(seconds=0.17, min_fill=0)
    both = (kit.chunking, short)
    assert _measured(_featurize(kit, music, tmp_path / "b.h5", *both, workers=2)) == expected
    assert _measured(_featurize(kit, music, tmp_path / "c.zarr", short)) == expected
    with pytest.raises(KeyboardInterrupt):
        _featurize(kit, music, tmp_path / "d.zarr", progress=_stop)
    assert _measured(_featurize(kit, music, tmp_path / "d.zarr")) == expected
    # A file that has changed is measured again; one that cannot be used is not measured.
    soundfile.write(music / "ant" / "stereo.wav", stereo / 2, 16000)
    (music / "bee" / "000.flac").write_bytes(b"no sound")
    changed = _featurize(kit, music, tmp_path / "a.zarr")
    number, broken = (changed.find(name, tmp_path) for name in ("stereo.wav", "bee/000.flac"))
    assert changed["level"][number] == pytest.approx(tracks["level"][number] - 6.02, abs=0.02)
    assert changed["samples_hash"][number] != tracks["samples_hash"][number]
    assert _measured(changed)[broken] == Quality().to_json()


def test_work_of_an_older_version_is_resumed(kit: Any, music: Path, tmp_path: Path) -> None:
    """Its commits have no measurements; what is decoded later has them, nothing else is done again."""
    store = tmp_path / "s.zarr"
    whole = _measured(_featurize(kit, music, tmp_path / "new.zarr"))
    with pytest.raises(KeyboardInterrupt):
        _featurize(kit, music, store, progress=_stop)
    commits = sorted(work_folder(store).glob("*/*.json"))
    known = set()
    for file in commits:
        commit = json.loads(file.read_text())
        for result in commit["facts"]:
            assert len(result.pop("quality")) == 10
            known.add(result["id"])
        file.write_text(json.dumps(commit))
    assert len(known) > 3
    tracks = _featurize(kit, music, store)
    for id, values, expected in zip(tracks["id"].tolist(), _measured(tracks), whole, strict=True):
        assert values == (Quality().to_json() if id in known else expected)
    before = (store / "zarr.json").stat().st_mtime_ns
    again = _featurize(kit, music, store)
    assert (store / "zarr.json").stat().st_mtime_ns == before, "nothing has changed"
    assert list(again.records()) == list(tracks.records())
    # A view that is added decodes all tracks.
    added = _featurize(kit, music, store, kit.chunking, audiospec.Chunking(seconds=0.7))
    assert _measured(added) == whole


def test_results_of_workers_are_json() -> None:
    values = ("a", "0" * 32, 9, 8000, 1, "", 5, 6)
    for quality in (None, Quality("1" * 32, peak=-3.0)):
        result = TaskResult("view", "digest", (DecodeResult(*values, quality=quality),))
        text = json.dumps(result.to_json(), allow_nan=False)
        (read,) = TaskResult.from_json(json.loads(text)).decoded
        assert (read.id, read.modified) == ("a", 6)
        assert (read.quality is None) == (quality is None)
        if read.quality is not None:
            assert (read.quality.peak, math.isnan(read.quality.level)) == (-3, True)


def test_a_free_column_of_an_older_store_is_renamed() -> None:
    """A dataset's own column may have had the name that a measurement has now."""
    new = Tracks.from_records([audiospec.stores.base.TrackRecord(id, label="x") for id in "ab"])
    arrays: dict[str, Any] = {name: new[name] for name in new.columns if name not in UNMEASURED}
    arrays["level"] = np.array(["loud", "quiet"], object)
    arrays["other"] = np.array(["1", "2"], object)
    attributes = {"free": {"level": "level", "other": "snr"}}
    tracks = read_tracks(attributes, arrays.__contains__, arrays.__getitem__)
    assert tracks.free == ("level_", "snr_")
    assert tracks["level_"].tolist() == ["loud", "quiet"]
    assert tracks["snr_"].tolist() == ["1", "2"]
    assert np.isnan(tracks["level"]).all()
    assert np.isnan(tracks["snr"]).all()
    again = Tracks.from_records(list(tracks.records()))
    assert again.free == tracks.free
