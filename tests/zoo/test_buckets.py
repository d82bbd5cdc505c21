"""Training, splitting and scoring from a store in a bucket: the same runs as from a disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("obstore", reason="buckets need obstore: pip install 'audiospec[cloud]'")
pytest.importorskip("moto", reason="buckets need moto: pip install 'moto[server]'")

import audiospec
from audiospec.cli import main
from audiospec.errors import StorageError
from audiospec.storage.location import Url
from audiospec.stores.base import FeatureStore, open_store
from audiospec.testing.audio import write
from audiospec.testing.buckets import bucket, environment, moto
from audiospec.testing.faults import FaultProxy
from audiospec.zoo.base import models
from audiospec.zoo.evaluation import evaluate
from audiospec.zoo.fitting import batches as batches_module
from audiospec.zoo.runs.run import Run
from audiospec.zoo.splits.choose import choose_split

RATE = 4000
SETTINGS = {"epochs": 2, "batch": 8, "device": "cpu"}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """A store on a disk: half a second of 30 tracks in three classes, as spectrograms and as a table."""
    folder = tmp_path_factory.mktemp("buckets")
    for label, hertz in (("low", 200), ("middle", 500), ("high", 900)):
        (folder / "audio" / label).mkdir(parents=True)
        for number in range(10):
            wave = 0.3 * np.sin(2 * np.pi * hertz * (1 + number / 50) * np.arange(RATE // 2) / RATE)
            write(folder / "audio" / label / f"{number:02d}.wav", wave, RATE)
    mel = audiospec.MelSpec(sample_rate=RATE, n_fft=256, hop_length=128, n_mels=16, fmax=2000)
    tabular = audiospec.TabularSpec(
        sample_rate=RATE, families=("rms", "mfcc"), n_fft=512, hop_length=128, n_mels=40, n_mfcc=8
    )
    for spec in (mel, tabular):
        audiospec.featurize(
            "folder", data=folder / "audio", spec=spec, chunk=0.5, store=folder / "x.zarr", workers=0
        )
    return open_store(folder / "x.zarr")


@pytest.fixture(scope="module")
def cloud(disk: FeatureStore) -> Iterator[Url]:
    with bucket() as home:
        disk.export(home / "x.zarr")
        yield home / "x.zarr"


def facts(run: Run) -> list[object]:
    """What a run holds, without its store, its times and date, and the files that have these."""
    stated = json.loads((run.path / "run.json").read_text())
    for name in ("store", "seconds", "date", "files", "sizes", "digest"):
        stated.pop(name, None)
    history = [{name: value for name, value in entry.items() if name != "seconds"} for entry in run.history()]
    probabilities = run.predictions().probabilities.tobytes()
    return [stated, history, probabilities]


@pytest.mark.parametrize(("model", "settings"), [("crnn-base", SETTINGS), ("svm", {})])
def test_a_run_is_the_same(
    disk: FeatureStore, cloud: Url, tmp_path: Path, model: str, settings: dict
) -> None:
    """From a bucket and from a disk; its scores are found again from the bucket."""
    runs = []
    for store in (disk, open_store(str(cloud))):
        view = next(view for view in store.views() if models[model].reads(view.spec))
        runs.append(audiospec.train(model, view, settings=settings, out=tmp_path / str(len(runs))))
    assert facts(runs[0]) == facts(runs[1])
    assert runs[1].info.store == str(cloud)
    assert isinstance(runs[1].info.store, str)
    again = evaluate(Run(runs[1].path))
    assert again.to_dict() == evaluate(runs[0]).to_dict()
    assert evaluate(runs[0], open_store(cloud)).to_dict() == evaluate(runs[1], disk).to_dict()


def test_rows_that_are_not_in_memory(cloud: Url, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An epoch takes a few requests a shard, not one a row; a training that is resumed gives the same run."""
    monkeypatch.setattr(batches_module, "IN_MEMORY", 0)
    with FaultProxy(moto()) as proxy, environment(proxy.url):
        view = next(view for view in open_store(cloud).views() if view.spec.feature == "mel")
        assert len(view) == 30
        view_name = view.name
        counts = []

        def count(_: object) -> None:
            counts.append(len(proxy.requests))

        run = audiospec.train("crnn-base", view, settings=SETTINGS, out=tmp_path / "run", progress=count)
    assert run.info.store == str(cloud)
    view = next(view for view in open_store(cloud).views() if view.name == view_name)  # the proxy has ended
    split = choose_split(view, None, seed=0, shares=models["crnn-base"].shares)
    shards = {
        side: set((getattr(split, side) // view.info.shard_rows).tolist()) for side in ("train", "valid")
    }
    assert len(shards["train"]) < len(split.train)
    assert counts[1] - counts[0] == len(shards["train"]) + len(shards["valid"])
    assert len(run.history()) == 2

    class StopError(Exception):
        pass

    def stop(_: object) -> None:
        raise StopError

    with pytest.raises(StopError):
        audiospec.train("crnn-base", view, settings=SETTINGS, out=tmp_path / "other", progress=stop)
    resumed = audiospec.train("crnn-base", view, settings=SETTINGS, out=tmp_path / "other", resume=True)
    assert facts(resumed) == facts(run)


def test_the_commands(
    disk: FeatureStore, cloud: Url, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    """Every command that names a store takes a bucket's."""
    monkeypatch.chdir(tmp_path)

    def command(*words: str) -> str:
        monkeypatch.setattr("sys.argv", ["audiospec", *words])
        status = main()
        printed = capsys.readouterr()
        assert status == 0, printed.err
        return printed.out

    store = ("--store", str(cloud))
    command("train", "knn-1", *store, "--out", "runs")
    (run,) = map(str, Path("runs").iterdir())
    assert json.loads(Path(run, "run.json").read_text())["store"] == str(cloud)
    assert str(cloud) in command("evaluate", run)
    other = json.loads(command("evaluate", run, *store, "--json"))
    assert other["store"] == str(cloud)
    assert str(cloud) in command("split", *store)
    command("leakage", "knn-1", *store, "--seeds", "2", "--other", str(cloud), "--rungs", "store")
    command("show", str(cloud), str(disk.tracks["id"][0]), "--out", "x.png")
    assert Path("x.png").stat().st_size > 1000
    command("table", "export", str(cloud), "--out", "x.csv")
    command("table", "import", "x.csv", "--store", f"{cloud.parent}/imported.zarr", "--columns", "all")
    imported = open_store(cloud.parent / "imported.zarr").view()
    exported = next(view for view in disk.views() if view.spec.kind == "table")
    np.testing.assert_allclose(imported.read(), exported.read(), rtol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "x.csv", "x.png"]


def test_runs_are_kept_on_a_disk(disk: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket is refused where a run is to be; no folder called s3: is made."""
    monkeypatch.chdir(tmp_path)
    view = next(view for view in disk.views() if view.spec.kind == "table")
    for wrong in ({"out": "s3://bucket/run"}, {"runs": "s3://bucket/runs"}, {"out": Path("s3://bucket/run")}):
        with pytest.raises(StorageError, match="s3:"):
            audiospec.train("knn-1", view, **wrong)
    with pytest.raises(StorageError, match="a run needs a disk; got s3://bucket/run"):
        Run("s3://bucket/run")
    with pytest.raises(StorageError, match="a split file needs a disk"):
        audiospec.train("knn-1", view, strategy="s3://bucket/split.json")
    assert list(tmp_path.iterdir()) == []
