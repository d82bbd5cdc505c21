"""A cluster that reads audio from a bucket, and writes a store there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("distributed", reason="no Dask: pip install 'audiospec[dask]'")
pytest.importorskip("obstore", reason="buckets need obstore: pip install 'audiospec[cloud]'")
pytest.importorskip("moto", reason="buckets need moto: pip install 'moto[server]'")

import audiospec
from audiospec.errors import EngineError
from audiospec.pipeline.verify import verify
from audiospec.storage.opening import open_folder
from audiospec.stores.layout.lock import work_folder
from audiospec.testing.buckets import bucket
from audiospec.testing.cluster import DaskCluster

SPEC = audiospec.MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, fmax=4000)


def test_audio_and_store_in_a_bucket(tmp_path: Path) -> None:
    """The rows are those that the local engine computes from a disk; no credential is in a task."""
    chunking = audiospec.Chunking(seconds=0.5)
    with bucket() as home, DaskCluster(tmp_path) as cluster:
        music = open_folder(home / "music")
        for number in range(12):
            path = tmp_path / "music" / "ab"[number % 2] / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, 0.1 * np.random.default_rng(number).standard_normal(16000), 8000)
            music.write(path.relative_to(tmp_path / "music").as_posix(), path.read_bytes())
        cluster.start_scheduler()
        cluster.start_worker(nthreads=2, nanny=False)
        engine = audiospec.engine("dask", scheduler=cluster.address)
        store = home / "s.zarr"
        view = audiospec.featurize(
            "folder", data=home / "music", spec=SPEC, chunk=chunking, store=store, engine=engine
        )
        local = audiospec.featurize(
            "folder",
            data=tmp_path / "music",
            spec=SPEC,
            chunk=chunking,
            store=tmp_path / "s.zarr",
            workers=2,
        )
        assert len(view) == len(local) == 48
        assert view.read().tobytes() == local.read().tobytes()
        assert view.rows["checksum"].tolist() == local.rows["checksum"].tolist()
        assert verify(store).is_whole
        assert list(open_folder(work_folder(store)).list()) == []


def test_a_machine_without_access_to_the_bucket_computes_nothing(tmp_path: Path) -> None:
    with bucket() as home, DaskCluster(tmp_path, {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}) as cluster:
        path = tmp_path / "a.wav"
        soundfile.write(path, np.zeros(8000) + 0.1, 8000)
        open_folder(home / "music").write("a/a.wav", path.read_bytes())
        cluster.environment["AUDIOSPEC_PATIENCE"] = "1"
        cluster.start_scheduler()
        cluster.start_worker(nthreads=1, nanny=False)
        engine = audiospec.engine("dask", scheduler=cluster.address)
        with pytest.raises(EngineError, match=r"worker 127\.0\.0\.1 \(.*\) does not see s3://.*/music/a"):
            audiospec.featurize(
                "folder", data=home / "music", spec=SPEC, store=home / "s.zarr", engine=engine
            )
        assert list(open_folder(home / "s.zarr").list()) == []
