"""Several views in one run: the same bytes as one by one, and each track is decoded once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import audiospec
from audiospec.audio.recording import Recording, load
from audiospec.engines.serial import SerialEngine
from audiospec.errors import SpecError
from audiospec.features.base import Frontend
from audiospec.pipeline import filling, schedule, worker
from audiospec.pipeline.builder import ViewBuilder
from audiospec.pipeline.featurize import run
from audiospec.pipeline.progress import Progress
from audiospec.pipeline.summary import Report
from audiospec.pipeline.tasks import RunConstants, Task
from audiospec.specs.base import FeatureSpec, features
from audiospec.stores.base import open_store
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.lock import work_folder

_MEL = {"n_fft": 256, "n_mels": 16}
_SPEC = audiospec.MelSpec(sample_rate=8000, fmax=4000, hop_length=128, **_MEL)
_SMALL_HOP = audiospec.MelSpec(sample_rate=8000, fmax=4000, hop_length=32, **_MEL)
_LOW_RATE = audiospec.MelSpec(sample_rate=6000, fmax=3000, hop_length=100, **_MEL)

#: The shards of any two views start with different tracks, and each view skips other tracks.
VIEWS = [
    (_SPEC, audiospec.Chunking(seconds=0.5)),
    (_SMALL_HOP, audiospec.Chunking(seconds=0.7, hop=0.3)),
    (_LOW_RATE, audiospec.Chunking(seconds=0.3, min_fill=0)),
    (_SPEC, audiospec.Chunking(seconds=1.2, min_fill=1)),
]


@pytest.fixture
def mixed(kit: Any, tmp_path: Path) -> Path:
    """Tracks of many lengths and rates; some are damaged, too short, or have a wrong header."""
    folder = tmp_path / "mixed"
    lengths = [1.6, 0.6, 3.7, 1.0, 0.2, 2.3, 9.1, 1.6, 1.61, 0.9, 5.0, 1.2]
    for number, seconds in enumerate(lengths):
        kit.write_track(folder, "a", number, seconds=seconds, rate=(8000, 8000, 11025, 6000)[number % 4])
    damaged = bytearray((folder / "a" / "005.flac").read_bytes())
    damaged[len(damaged) * 2 // 3 :] = b"\xff" * (len(damaged) - len(damaged) * 2 // 3)
    (folder / "a" / "005.flac").write_bytes(damaged)
    soundfile.write(folder / "a" / "one.wav", np.ones(1), 8000)
    noise = 0.1 * np.random.default_rng(0).standard_normal(16000 * 5)
    soundfile.write(folder / "a" / "x.mp3", noise, 16000, bitrate_mode="VARIABLE")
    content = (folder / "a" / "x.mp3").read_bytes()
    (folder / "a" / "x.mp3").write_bytes(content.replace(b"Xing", b"XXXX").replace(b"Info", b"XXXX"))
    return folder


def _run(data: Path, store: Path, views: Any = VIEWS, **options: Any) -> Report:
    if "engine" not in options:
        options.setdefault("workers", 0)
    return run("folder", data=data, views=views, store=store, **options)


def _one_by_one(data: Path, store: Path, views: Any = VIEWS) -> Path:
    for view in views:
        _run(data, store, [view])
    return store


def _small_shards(patch: pytest.MonkeyPatch, rows: int) -> None:
    """Limit shards to the bytes of `rows` rows of the first view, and make decoded blocks small."""
    size = ViewInfo(spec=VIEWS[0][0], chunking=VIEWS[0][1], shard_rows=1).row_bytes
    patch.setattr("audiospec.stores.layout.info.SHARD_BYTES", rows * size)
    patch.setattr("audiospec.audio.recording.BLOCK_FRAMES", 3001)


def _decoded(patch: pytest.MonkeyPatch) -> Counter[str]:
    """Return a counter of the files that are decoded from now on."""
    counts: Counter[str] = Counter()
    streams = Recording.streams

    def counting(recording: Recording, wanted: Any) -> Any:
        counts[recording.source.path.name] += 1
        return streams(recording, wanted)

    patch.setattr(Recording, "streams", counting)
    return counts


@pytest.mark.parametrize(("suffix", "workers"), [(".zarr", 0), (".zarr", 2), (".h5", 0)])
def test_views_together_are_views_one_by_one(
    kit: Any, mixed: Path, tmp_path: Path, suffix: str, workers: int
) -> None:
    apart = _one_by_one(mixed, tmp_path / f"apart{suffix}")
    report = _run(mixed, tmp_path / f"together{suffix}", workers=workers)
    assert kit.contents(open_store(report.store)) == kit.contents(open_store(apart))
    assert not work_folder(report.store).exists()
    names = [ViewInfo(spec=spec, chunking=chunking, shard_rows=1).name for spec, chunking in VIEWS]
    assert [view.name for view in report.views] == names
    for view in report.views:
        assert (view.read() == kit.truth(view, mixed)).all()
    assert list(report.problems) == ["a/005.flac"]
    skipped = [set(report.skipped[name]) for name in names]
    short = {"a/004.flac", "a/one.wav"}
    assert skipped == [short, short, set(), short | {"a/001.flac", "a/003.flac", "a/009.flac"}]


@pytest.mark.parametrize("rows", [1, 3, 8, 1000])
@pytest.mark.parametrize("views", [VIEWS, VIEWS[::-1], VIEWS[:1]])
def test_each_track_is_decoded_once(
    kit: Any, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, views: Any
) -> None:
    (mixed / "a" / "x.mp3").unlink()  # its number of rows is only known once it is decoded
    _small_shards(monkeypatch, rows)
    decoded = _decoded(monkeypatch)
    report = _run(mixed, tmp_path / "s.zarr", views)
    with_rows = {name for view in report.views for name in view.ids} | {"a/005.flac"}
    assert decoded == {name.removeprefix("a/"): 1 for name in with_rows}
    for view in report.views:
        assert (view.read() == kit.truth(view, mixed)).all()


def test_a_track_of_estimated_length_is_decoded_at_most_twice(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = _decoded(monkeypatch)
    _run(mixed, tmp_path / "s.zarr")
    assert decoded.pop("x.mp3") <= 2
    assert set(decoded.values()) == {1}


def test_two_workers_decode_each_track_once(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _small_shards(monkeypatch, 3)
    owned: Counter[str] = Counter()
    tasks = schedule.Schedule.tasks

    def spy(schedule: schedule.Schedule, run: RunConstants) -> Iterator[Task]:
        for task in tasks(schedule, run):
            needed = {
                row.track
                for view in task.views
                for shard in view.shards
                for row in shard.rows
                if row.existing is None and not row.fragment
            }
            owned.update(track.id for track in task.tracks if track.number in needed)
            yield task

    monkeypatch.setattr(schedule.Schedule, "tasks", spy)
    (mixed / "a" / "x.mp3").unlink()
    _run(mixed, tmp_path / "s.zarr", workers=2)
    assert set(owned.values()) == {1}


class _Engine(SerialEngine):
    """Runs tasks in an order, and stops as on Ctrl-C after `results` shards."""

    def __init__(self, order: list[int], results: int | None = None) -> None:
        super().__init__()
        self.order = order
        self.results = results

    def run(self, function: str, tasks: Any) -> Iterator[dict[str, Any]]:
        tasks = list(tasks)
        order = sorted(range(len(tasks)), key=lambda i: self.order[i % len(self.order)])
        shards = 0
        for result in super().run(function, [tasks[i] for i in order]):
            if "digest" in result:
                if shards == self.results:
                    raise KeyboardInterrupt
                shards += 1
            yield result


@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.generate],  # shrinking would take many minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    lengths=st.lists(st.sampled_from([0.2, 0.6, 1.0, 1.2, 1.6, 2.5, 6.0]), min_size=2, max_size=9),
    rows=st.integers(1, 9),
    order=st.lists(st.integers(0, 99), min_size=1, max_size=14),
    stops=st.lists(st.integers(0, 25), max_size=3),
    bad=st.integers(0, 12),
)
def test_a_run_that_was_stopped_anywhere_is_resumed(
    kit: Any,
    tmp_path_factory: pytest.TempPathFactory,
    lengths: list[float],
    rows: int,
    order: list[int],
    stops: list[int],
    bad: int,
) -> None:
    folder = tmp_path_factory.mktemp("stopped")
    kit.write_track(folder / "music", "a", 99, seconds=3.0)  # so that every view has rows
    for number, seconds in enumerate(lengths):
        path = kit.write_track(folder / "music", "a", number, seconds=seconds)
        if number == bad:
            content = bytearray(path.read_bytes())
            content[len(content) * 3 // 4 :] = b"\xff" * (len(content) - len(content) * 3 // 4)
            path.write_bytes(content)
    store = folder / "s.zarr"
    with pytest.MonkeyPatch.context() as patch:
        _small_shards(patch, rows)
        for results in stops:
            try:
                _run(folder / "music", store, engine=_Engine(order, results))
            except KeyboardInterrupt:
                continue
        decoded = _decoded(patch)
        left: list[Path] = []
        publish = ViewBuilder.publish

        def spy(builder: ViewBuilder) -> Any:
            left.extend(work_folder(store).glob("*/*-*.shard"))
            return publish(builder)

        patch.setattr(ViewBuilder, "publish", spy)
        _run(folder / "music", store, engine=_Engine(order))
        assert set(decoded.values()) <= {1}
        if not stops and bad >= len(lengths):
            assert left == []  # fragments are removed once their shard is assembled
        apart = _one_by_one(folder / "music", folder / "apart.zarr")
    assert kit.contents(open_store(store)) == kit.contents(open_store(apart))


def test_fragments_that_are_late_are_assembled_by_the_next_plan(
    kit: Any, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _small_shards(monkeypatch, 3)
    (mixed / "a" / "x.mp3").unlink()
    apart = _one_by_one(mixed, tmp_path / "apart.zarr")
    with monkeypatch.context() as patch:
        decoded = _decoded(patch)
        _run(mixed, tmp_path / "s.zarr", engine=_Engine(list(range(99, 0, -1))))
        assert set(decoded.values()) == {1}
    assert kit.contents(open_store(tmp_path / "s.zarr")) == kit.contents(open_store(apart))


def test_a_damaged_fragment_is_computed_again(
    kit: Any, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _small_shards(monkeypatch, 3)
    store = tmp_path / "s.zarr"
    with pytest.raises(KeyboardInterrupt):
        _run(mixed, store, engine=_Engine(list(range(99, 0, -1)), 40))
    fragments = sorted(work_folder(store).glob("*/*-*.shard"))
    assert len(fragments) > 3
    for number, file in enumerate(fragments):
        content = bytearray(file.read_bytes())
        content[5] ^= 1
        file.write_bytes(content if number % 2 else content[:20])
    _run(mixed, store)
    apart = _one_by_one(mixed, tmp_path / "apart.zarr")
    assert kit.contents(open_store(store)) == kit.contents(open_store(apart))


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_a_finished_view_is_not_computed_again_and_new_tracks_are_decoded_once(
    kit: Any, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    store = tmp_path / f"s{suffix}"
    (mixed / "a" / "x.mp3").unlink()
    _run(mixed, store, VIEWS[1:2])
    views: list[set[str]] = []
    original = worker.compute

    def spy(task: dict[str, Any]) -> Any:
        views.append({view.name for view in Task.from_json(task).views})
        return original(task)

    with monkeypatch.context() as patch:
        patch.setattr(worker, "compute", spy)
        finished = open_store(store).view_names()[0]
        report = _run(mixed, store)
        assert all(finished not in names for names in views)
        assert report.planned[1].missing_shards == 0
    for number in (20, 21):
        kit.write_track(mixed, "b", number, seconds=1.3)
    decoded = _decoded(monkeypatch)
    _run(mixed, store)
    assert decoded == {"020.flac": 1, "021.flac": 1}
    kit.write_track(mixed, "b", 20, seconds=4.4)
    decoded.clear()
    _run(mixed, store)
    assert decoded == {"020.flac": 1}
    apart = _one_by_one(mixed, tmp_path / f"apart{suffix}")
    together, one_by_one = (kit.contents(open_store(path)) for path in (store, apart))
    assert together == one_by_one


def test_views_that_lack_different_tracks_are_computed_in_one_pass(
    kit: Any, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (mixed / "a" / "x.mp3").unlink()
    for number, view in enumerate(VIEWS):  # each view lacks the tracks that are added after it
        kit.write_track(mixed, "b", number)
        _run(mixed, tmp_path / "s.zarr", [view])
    decoded = _decoded(monkeypatch)
    monkeypatch.setattr("audiospec.pipeline.builder.MAX_PASSES", 2)
    report = _run(mixed, tmp_path / "s.zarr")
    assert decoded == {f"{number:03d}.flac": 1 for number in range(1, 4)}
    for view in report.views:
        assert (view.read() == kit.truth(view, mixed)).all()


def test_progress_counts_each_track_once(mixed: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    (mixed / "a" / "x.mp3").unlink()
    (mixed / "a" / "005.flac").unlink()
    report = _run(mixed, tmp_path / "s.zarr", progress=seen.append)
    lead = max(report.planned, key=lambda planned: planned.missing_bytes).name
    assert {now.view for now in seen} == {f"{lead} and 3 more"}
    assert (seen[0].shards, seen[0].tracks, seen[0].audio_seconds) == (0, 0, 0.0)
    assert [now.shards for now in seen] == list(range(seen[0].shards_total + 1))
    assert (seen[-1].tracks, seen[-1].tracks_total) == (12, 12)
    assert seen[-1].audio_seconds == pytest.approx(seen[-1].audio_seconds_total)
    alone: list[Progress] = []
    _run(mixed, tmp_path / "alone.zarr", [VIEWS[1]], progress=alone.append)
    assert alone[-1].view == lead
    # Two tracks are too short for the lead; another view counts them.
    assert alone[-1].tracks == 10
    assert alone[-1].audio_seconds < seen[-1].audio_seconds < alone[-1].audio_seconds + 0.5


class _LevelSpec(FeatureSpec, feature="levels"):
    """Mean power and number of samples of a chunk."""

    pads = False

    def validate(self) -> None:
        pass

    dims = ("level",)
    unit = ""

    def row_shape(self, samples: int) -> tuple[int, ...]:
        return (2,)

    def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
        return {"level": (["power", "samples"], "")}


class _Levels(Frontend):
    spec_class = _LevelSpec
    backends = ("plain",)

    def parity(self, samples: int) -> float:
        return 0.0

    def compute(self, waves: torch.Tensor) -> torch.Tensor:
        samples = torch.full((len(waves),), float(waves.shape[-1]))
        return torch.stack([waves.square().mean(-1), samples], dim=-1)


@pytest.fixture
def levels(monkeypatch: pytest.MonkeyPatch) -> FeatureSpec:
    monkeypatch.setitem(features._entries, "levels", _Levels)
    return _LevelSpec(sample_rate=8000, dtype="float32")


@pytest.mark.parametrize("batch", [1, 64])
def test_a_feature_that_does_not_pad_gets_only_audio(
    kit: Any,
    mixed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    levels: FeatureSpec,
    batch: int,
) -> None:
    if batch > 1:  # as on a device other than a CPU
        original = filling.ViewFiller.__init__

        def batching(view: Any, *args: Any) -> None:
            original(view, *args)
            view.batch = batch

        monkeypatch.setattr(filling.ViewFiller, "__init__", batching)
    decoded = _decoded(monkeypatch)
    (mixed / "a" / "x.mp3").unlink()
    chunking = audiospec.Chunking(seconds=0.5, min_fill=0)
    report = _run(mixed, tmp_path / "s.zarr", [VIEWS[0], (levels, chunking)])
    assert set(decoded.values()) == {1}
    mel, view = report.views
    assert (mel.read() == kit.truth(mel, mixed)).all()
    seconds = view.rows["seconds"]
    assert 0 < np.count_nonzero(seconds < 0.5) < len(view)
    values = view.read()
    assert (values[:, 1] == np.rint(seconds * 8000)).all()
    wave = load(mixed / "a" / "008.flac", 8000)
    rows = view.rows_of("a/008.flac")
    powers = [np.square(wave[i * 4000 :][:4000]).mean() for i in range(4)]
    assert values[rows, 0] == pytest.approx(powers, rel=1e-6)


def test_a_backend_is_used_for_the_features_that_have_it(
    mixed: Path, tmp_path: Path, levels: FeatureSpec
) -> None:
    views = [VIEWS[0], (levels, VIEWS[0][1])]
    report = _run(mixed, tmp_path / "s.zarr", views, backend="conv")
    assert [view.info.made["backend"] for view in report.views] == ["conv", "plain"]
    with pytest.raises(
        SpecError,
        match=r"^feature 'mel' or 'levels' has no backend 'plane'; did you mean 'plain'\? "
        r"\(it has: native, fft, conv, fused, plain\)$",
    ):
        _run(mixed, tmp_path / "s.zarr", views, backend="plane")


def test_a_view_that_is_requested_twice_is_made_once(mixed: Path, tmp_path: Path) -> None:
    report = _run(mixed, tmp_path / "s.zarr", [VIEWS[0], VIEWS[1], VIEWS[0]])
    assert len(report.views) == len(report.planned) == 2
