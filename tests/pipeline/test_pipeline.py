"""featurize: what it computes, when it computes something again, and that it loses nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import audiospec
from audiospec.audio.recording import probe
from audiospec.audio.source import SourceFile
from audiospec.engines.serial import SerialEngine
from audiospec.errors import DatasetError, DiskFullError, StoreBusyError, StoreError
from audiospec.pipeline.builder import ViewBuilder
from audiospec.pipeline.featurize import run
from audiospec.pipeline.progress import Progress
from audiospec.pipeline.repair import repair
from audiospec.pipeline.summary import Report
from audiospec.stores.base import open_store
from audiospec.stores.layout.lock import locked, work_folder


def _run(kit: Any, data: Path, store: Path, **options: Any) -> Report:
    """Make one view, by default in this process; `computed` of the report has its progress."""
    steps: list[Progress] = []
    if "engine" not in options:
        options.setdefault("workers", 0)
    report = run(
        "folder",
        data=data,
        views=[(options.pop("spec", kit.spec), options.pop("chunking", kit.chunking))],
        store=store,
        progress=steps.append,
        **options,
    )
    object.__setattr__(report, "computed", steps)
    return report


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_a_store_has_the_features_that_the_frontend_computes(
    kit: Any, music: Path, tmp_path: Path, suffix: str
) -> None:
    report = _run(kit, music, tmp_path / f"s{suffix}")
    view = report.views[0]
    assert len(view) == 36
    assert report.problems == {}
    assert (view.read() == kit.truth(view, music)).all()
    assert view.classes == ["ant", "bee", "cat"]
    assert view.rows["start"][:3].tolist() == [0.0, 0.5, 1.0]
    assert len(view.damaged()) == 0
    assert not work_folder(tmp_path / f"s{suffix}").exists()


def test_both_formats_and_both_engines_give_equal_bytes(kit: Any, music: Path, tmp_path: Path) -> None:
    contents = [
        kit.contents(open_store(_run(kit, music, tmp_path / name, workers=workers).store))
        for name, workers in (("a.zarr", 0), ("b.zarr", 2), ("c.h5", 0), ("d.h5", 1))
    ]
    assert contents[0] == contents[1] == contents[2] == contents[3]


def test_a_second_call_computes_and_writes_nothing(kit: Any, music: Path, tmp_path: Path) -> None:
    _run(kit, music, tmp_path / "s.zarr")
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "s.zarr").rglob("*")}
    again = _run(kit, music, tmp_path / "s.zarr")
    assert again.computed == []
    assert again.planned[0].missing_shards == 0
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "s.zarr").rglob("*")} == before


def _decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets the names of the files that are decoded from now on."""
    from audiospec.pipeline import worker

    names: list[str] = []
    original = worker.Recording

    def recording(source: SourceFile, *policy: Any, **options: Any) -> Any:
        names.append(f"{source.path.parent.name}/{source.path.name}")
        return original(source, *policy, **options)

    monkeypatch.setattr(worker, "Recording", recording)
    return names


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_only_the_rows_of_a_changed_file_are_computed_again(
    kit: Any, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    store = tmp_path / f"s{suffix}"
    _run(kit, music, store)
    kit.write_track(music, "bee", 2, seconds=1.7)  # as many chunks as before
    decoded = _decoded(monkeypatch)
    view = _run(kit, music, store).views[0]
    assert decoded == ["bee/002.flac"]
    assert (view.read() == kit.truth(view, music)).all()
    fresh = _run(kit, music, tmp_path / f"fresh{suffix}")
    assert kit.contents(open_store(store)) == kit.contents(open_store(fresh.store))


def test_a_file_that_became_longer_moves_the_rows_after_it(
    kit: Any, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(kit, music, tmp_path / "s.zarr")
    kit.write_track(music, "ant", 1, seconds=3.1)
    decoded = _decoded(monkeypatch)
    _run(kit, music, tmp_path / "s.zarr")
    assert set(decoded) == {"ant/001.flac"}
    fresh = _run(kit, music, tmp_path / "fresh.zarr")
    assert kit.contents(open_store(tmp_path / "s.zarr")) == kit.contents(open_store(fresh.store))


def test_a_touched_file_is_recognised_by_its_content(
    kit: Any, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(kit, music, tmp_path / "s.zarr")
    for file in music.rglob("*.flac"):
        os.utime(file, (1, 1))
    decoded = _decoded(monkeypatch)
    assert _run(kit, music, tmp_path / "s.zarr").computed == []
    assert decoded == []


def test_new_tracks_come_after_the_old(
    kit: Any, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _run(kit, music, tmp_path / "s.zarr").views[0].read()
    kit.write_track(music, "aaa", 0)
    decoded = _decoded(monkeypatch)
    view = _run(kit, music, tmp_path / "s.zarr").views[0]
    assert decoded == ["aaa/000.flac"]
    assert (view.read(slice(0, 36)) == before).all()
    assert view.labels[-3:].tolist() == ["aaa"] * 3
    assert (view.read() == kit.truth(view, music)).all()


def test_a_removed_file_is_marked_and_its_rows_stay(kit: Any, music: Path, tmp_path: Path) -> None:
    before = _run(kit, music, tmp_path / "s.zarr").views[0].read()
    away = tmp_path / "away.flac"
    (music / "bee" / "001.flac").rename(away)
    report = _run(kit, music, tmp_path / "s.zarr")
    assert list(report.problems) == ["bee/001.flac"]
    assert "removed" in report.problems["bee/001.flac"]
    assert report.computed == []
    assert (report.views[0].read() == before).all()
    away.rename(music / "bee" / "001.flac")
    again = _run(kit, music, tmp_path / "s.zarr")
    assert again.problems == {}
    assert again.computed == []


@pytest.mark.parametrize("how", ["empty", "silent"])
def test_a_bad_file_that_is_removed_keeps_its_problem(
    kit: Any, music: Path, tmp_path: Path, how: str
) -> None:
    _break(music / "bee" / "001.flac", how)
    before = _run(kit, music, tmp_path / "s.zarr")
    (music / "bee" / "001.flac").unlink()
    for _ in range(2):
        report = _run(kit, music, tmp_path / "s.zarr")
        assert report.problems == before.problems
        assert report.problems["bee/001.flac"].startswith(how)
        assert report.computed == []
        assert len(report.views[0]) == len(before.views[0])


def test_strict_does_not_count_removed_files(kit: Any, music: Path, tmp_path: Path) -> None:
    _run(kit, music, tmp_path / "s.zarr")
    (music / "bee" / "001.flac").unlink()
    assert "bee/001.flac" in _run(kit, music, tmp_path / "s.zarr", strict=True).problems


def test_another_spec_and_another_chunking_are_other_views(kit: Any, music: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.zarr"
    names = {_run(kit, music, store).views[0].name}
    other = audiospec.MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=17, fmax=4000)
    names.add(_run(kit, music, store, spec=other).views[0].name)
    names.add(_run(kit, music, store, chunking=audiospec.Chunking(seconds=0.5, min_fill=0.2)).views[0].name)
    names.add(_run(kit, music, store, chunking=audiospec.Chunking(seconds=0.5, hop=0.25)).views[0].name)
    assert set(open_store(store).view_names()) == names
    assert len(names) == 4
    for view in open_store(store).views():
        assert (view.read() == kit.truth(view, music)).all()


def _break(path: Path, how: str) -> None:
    """Damage a file of noise, 1.6 s at 8 kHz, in one of the ways in which real files are damaged."""
    wave = 0.1 * np.random.default_rng(1).standard_normal(12800)
    if how == "damaged":
        content = bytearray(path.read_bytes())
        half, most = len(content) // 2, len(content) * 3 // 4
        content[half:most] = b"\xff" * (most - half)
        path.write_bytes(content)
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "not finite":
        wave[9000] = np.nan
        soundfile.write(path, wave, 8000, format="WAV", subtype="FLOAT")
    elif how == "silent":
        soundfile.write(path, 0 * wave, 8000)
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "not decodable":
        path.write_bytes(np.random.default_rng(2).bytes(5000))
    elif how == "no audio":
        soundfile.write(path, wave[:0], 8000, format="WAV")


_WAYS = ["damaged", "truncated", "not finite", "silent", "empty", "not decodable", "no audio"]


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_bad_files_are_listed_and_the_others_are_computed(
    kit: Any, music: Path, tmp_path: Path, suffix: str
) -> None:
    for number, how in enumerate(_WAYS):
        _break(kit.write_track(music, "bad", number), how)
    report = _run(kit, music, tmp_path / f"s{suffix}")
    assert {id.rpartition("/")[2]: problem.partition(":")[0] for id, problem in report.problems.items()} == {
        f"{number:03d}.flac": how for number, how in enumerate(_WAYS)
    }
    view = report.views[0]
    assert open_store(report.store).tracks.problems == report.problems
    assert (view.read() == kit.truth(view, music)).all()
    assert len(view) == 36
    shutil.rmtree(music / "bad")
    clean = _run(kit, music, tmp_path / f"clean{suffix}").views[0]
    # `bad` sorts between `ant` and `bee`: tracks have other numbers, rows are the same.
    assert (clean.read() == view.read()).all()


def test_files_with_a_known_problem_are_not_decoded_again(
    kit: Any, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, how in enumerate(_WAYS):
        _break(kit.write_track(music, "bad", number), how)
    first = _run(kit, music, tmp_path / "s.zarr")
    decoded = _decoded(monkeypatch)
    again = _run(kit, music, tmp_path / "s.zarr")
    assert decoded == []
    assert again.problems == first.problems


def test_a_repaired_file_gets_rows(kit: Any, music: Path, tmp_path: Path) -> None:
    _break(music / "bee" / "001.flac", "damaged")
    assert len(_run(kit, music, tmp_path / "s.zarr").views[0]) == 33
    kit.write_track(music, "bee", 1)
    report = _run(kit, music, tmp_path / "s.zarr")
    assert report.problems == {}
    assert (report.views[0].read() == kit.truth(report.views[0], music)).all()
    assert len(report.views[0]) == 36


def test_strict_makes_a_problem_an_error_and_keeps_the_work(kit: Any, music: Path, tmp_path: Path) -> None:
    _break(music / "bee" / "001.flac", "not finite")
    with pytest.raises(DatasetError, match=r"1 of 12 tracks cannot be used, such as bee/001\.flac \(not fin"):
        _run(kit, music, tmp_path / "s.zarr", strict=True)
    assert not (tmp_path / "s.zarr").exists()
    report = _run(kit, music, tmp_path / "s.zarr")
    assert len(report.views[0]) == 33


def test_short_tracks_are_skipped_or_padded(kit: Any, music: Path, tmp_path: Path) -> None:
    kit.write_track(music, "short", 0, seconds=0.1)
    kit.write_track(music, "short", 1, seconds=0.3)
    soundfile.write(music / "short" / "one.wav", np.ones(1), 8000)
    report = _run(kit, music, tmp_path / "s.zarr")
    skipped = report.skipped[report.views[0].name]
    assert sorted(skipped) == ["short/000.flac", "short/one.wav"]
    assert "0.1 s" in skipped["short/000.flac"]
    assert report.views[0].skipped() == skipped
    assert report.views[0].rows["seconds"][-1] == pytest.approx(0.3)
    with pytest.raises(DatasetError, match="2 of 15"):
        _run(kit, music, tmp_path / "strict.zarr", strict=True)
    padded = _run(kit, music, tmp_path / "s.zarr", chunking=audiospec.Chunking(seconds=0.5, min_fill=0))
    assert padded.skipped[padded.views[0].name] == {}
    view = padded.views[0]
    assert (view.read() == kit.truth(view, music)).all()
    assert len(view.rows_of("short/one.wav")) == 1


def test_a_dataset_without_usable_tracks_is_an_error(kit: Any, tmp_path: Path) -> None:
    kit.write_track(tmp_path / "music", "short", 0, seconds=0.1)
    with pytest.raises(
        DatasetError, match=r"none of the 1 tracks gives a chunk of 0.5 s, such as .*too short"
    ):
        _run(kit, tmp_path / "music", tmp_path / "s.zarr")
    assert not (tmp_path / "s.zarr").exists()
    assert not work_folder(tmp_path / "s.zarr").exists()


def test_a_name_that_is_not_utf8_is_a_problem(kit: Any, music: Path, tmp_path: Path) -> None:
    os.rename(os.fsencode(music / "bee" / "001.flac"), os.fsencode(music / "bee") + b"/caf\xe9.flac")
    report = _run(kit, music, tmp_path / "s.zarr")
    assert len(report.problems) == 1
    assert "UTF-8" in next(iter(report.problems.values()))
    assert len(report.views[0]) == 33


def test_a_length_that_the_header_only_estimates(kit: Any, music: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).standard_normal(8000 * 5)
    path = music / "ant" / "x.mp3"
    soundfile.write(path, noise * 0.1, 16000, bitrate_mode="VARIABLE")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"Xing", b"XXXX").replace(b"Info", b"XXXX"))
    view = _run(kit, music, tmp_path / "s.zarr").views[0]
    assert (view.read() == kit.truth(view, music)).all()
    again = _run(kit, music, tmp_path / "s.zarr")
    assert again.computed == []


def test_a_length_that_the_header_estimates_too_short_for_a_chunk(
    kit: Any, music: Path, tmp_path: Path
) -> None:
    # The second of two joined files is found by decoding only.
    sound = 0.1 * np.random.default_rng(0).standard_normal(16000 * 5)
    path = music / "ant" / "x.flac"
    soundfile.write(path, sound, 16000)
    path.write_bytes(2 * path.read_bytes())
    assert (probe(path).seconds, probe(path).exact) == (5, False)
    chunking = audiospec.Chunking(seconds=8)
    planned = _run(kit, music, tmp_path / "s.zarr", chunking=chunking, dry_run=True)
    assert "ant/x.flac" not in next(iter(planned.skipped.values()))
    report = _run(kit, music, tmp_path / "s.zarr", chunking=chunking)
    assert report.views[0].ids.tolist() == ["ant/x.flac"]
    assert (report.views[0].read() == kit.truth(report.views[0], music)).all()


class _Stopping(SerialEngine):
    """Runs tasks in an order, and stops as on Ctrl-C after `results` shards."""

    def __init__(self, order: list[int], results: int) -> None:
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


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.lists(st.integers(0, 99), min_size=1, max_size=14),
    results=st.lists(st.integers(0, 5), min_size=1, max_size=3),
    bad=st.sampled_from([None, 0, 5, 11]),
    suffix=st.sampled_from([".zarr", ".h5"]),
)
def test_a_run_resumes_from_any_subset_of_finished_shards(
    kit: Any,
    tmp_path_factory: pytest.TempPathFactory,
    order: list[int],
    results: list[int],
    bad: int | None,
    suffix: str,
) -> None:
    folder = tmp_path_factory.mktemp("resume")
    for number in range(12):
        path = kit.write_track(folder / "music", "abc"[number // 4], number, seconds=1.0 + 0.2 * (number % 4))
        if number == bad:
            _break(path, "damaged")
    store = folder / f"s{suffix}"
    finished: set[Path] = set()
    for count in results:
        try:
            _run(kit, folder / "music", store, engine=_Stopping(order, count))
        except KeyboardInterrupt:
            files = work_folder(store).glob("*/*.shard")
            staged = {file for file in files if "-" not in file.stem}  # fragments go into shards
            assert finished <= staged  # no finished shard is lost
            finished = staged
    times = {file: file.stat().st_mtime_ns for file in finished}
    if not store.exists():
        with pytest.MonkeyPatch.context() as patch:
            kept: dict[Path, int] = {}
            publish = ViewBuilder.publish

            def spy(builder: ViewBuilder) -> Any:
                kept.update({f: f.stat().st_mtime_ns for f in times if f.exists()})
                return publish(builder)

            patch.setattr(ViewBuilder, "publish", spy)
            _run(kit, folder / "music", store)
        assert kept == times  # no finished shard is computed again
    unbroken = _run(kit, folder / "music", folder / f"unbroken{suffix}")
    assert kit.contents(open_store(store)) == kit.contents(open_store(unbroken.store))


def _stop_after(kit: Any, music: Path, store: Path, results: int) -> list[Path]:
    """Start a run, stop it after `results` shards, and return their files."""
    with pytest.raises(KeyboardInterrupt):
        _run(kit, music, store, engine=_Stopping([0], results))
    return sorted(work_folder(store).glob("*/*.shard"))


@pytest.mark.parametrize("how", ["a bit", "the end", "the file"])
def test_damaged_staged_shards_are_computed_again(kit: Any, music: Path, tmp_path: Path, how: str) -> None:
    files = _stop_after(kit, music, tmp_path / "s.zarr", 4)
    content = bytearray(files[1].read_bytes())
    content[100] ^= 1
    files[1].write_bytes(content if how == "a bit" else content[: len(content) // 2])
    if how == "the file":
        files[1].unlink()
    view = _run(kit, music, tmp_path / "s.zarr").views[0]
    assert (view.read() == kit.truth(view, music)).all()
    assert len(view.damaged()) == 0


def test_staged_rows_are_kept_if_shards_get_another_size(
    kit: Any, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = _stop_after(kit, music, tmp_path / "s.zarr", 4)
    for number in range(40):  # so many that shards get another size
        kit.write_track(music, "more", number)
    decoded = _decoded(monkeypatch)
    view = _run(kit, music, tmp_path / "s.zarr").views[0]
    assert view.info.shard_rows > 3
    assert len(decoded) == len(set(decoded)) == 52 - len(kept)
    assert (view.read() == kit.truth(view, music)).all()


def test_long_tracks_are_decoded_once_for_many_shards(
    kit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, seconds in enumerate([30.3, 1.6, 12.0, 0.7, 25.0]):
        kit.write_track(tmp_path / "music", "long", number, seconds=seconds)
    row_bytes = audiospec.stores.base.ViewInfo(spec=kit.spec, chunking=kit.chunking, shard_rows=1).row_bytes
    monkeypatch.setattr("audiospec.stores.layout.info.SHARD_BYTES", 4 * row_bytes)
    monkeypatch.setattr("audiospec.audio.recording.BLOCK_FRAMES", 3001)
    decoded = _decoded(monkeypatch)
    view = _run(kit, tmp_path / "music", tmp_path / "s.zarr").views[0]
    assert view.info.shard_rows == 4
    assert (view.read() == kit.truth(view, tmp_path / "music")).all()
    assert sorted(decoded) == [f"long/{number:03d}.flac" for number in range(5)]


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
def test_resampled_streams_are_cut_where_planned(kit: Any, tmp_path: Path, rate: int) -> None:
    for number, seconds in enumerate([1.0, 1.00001, 1.249, 1.25, 1.3333, 2.0]):
        kit.write_track(tmp_path / "music", "x", number, seconds=seconds, rate=rate)
    report = _run(kit, tmp_path / "music", tmp_path / "s.zarr")
    view = report.views[0]
    assert (view.read() == kit.truth(view, tmp_path / "music")).all()
    counts = [len(view.rows_of(f"x/{n:03d}.flac")) for n in range(6)]
    assert counts == [2, 2, 2, 3, 3, 4]
    assert report.planned[0].rows == len(view)  # the plan from the headers was right


def test_two_runs_cannot_write_to_one_store(kit: Any, music: Path, tmp_path: Path) -> None:
    with (
        locked(tmp_path / "s.zarr"),
        pytest.raises(
            StoreBusyError, match=rf"another run \(process {os.getpid()}\) is writing to .*s\.zarr"
        ),
    ):
        _run(kit, music, tmp_path / "s.zarr")
    assert len(_run(kit, music, tmp_path / "s.zarr").views[0]) == 36


def test_a_store_of_another_dataset_is_refused(kit: Any, music: Path, tmp_path: Path) -> None:
    _run(kit, music, tmp_path / "s.zarr")
    tracks = (audiospec.Track(id="x", path="ant/000.flac", label="ant"),)
    manifest = audiospec.Manifest("other", music, tracks)
    with pytest.raises(StoreError, match="holds dataset 'folder', not 'other': choose another `store`"):
        run(manifest, views=[(kit.spec, kit.chunking)], store=tmp_path / "s.zarr", workers=0)


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_a_full_disk_is_found_before_the_work(
    kit: Any, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=5000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    decoded = _decoded(monkeypatch)
    with pytest.raises(
        DiskFullError, match=r" kB are needed, 5 kB are free: free some space, or choose a `store`"
    ):
        _run(kit, music, tmp_path / f"s{suffix}")
    assert decoded == []


def test_a_dry_run_writes_nothing(kit: Any, music: Path, tmp_path: Path) -> None:
    report = _run(kit, music, tmp_path / "s.zarr", dry_run=True)
    assert report.planned[0].rows == 36
    assert report.planned[0].missing_shards == report.planned[0].shards > 1
    assert report.views == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["music"]


def test_repair_computes_only_the_damaged_rows(
    kit: Any, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "s.zarr"
    _run(kit, music, store)
    expected = kit.contents(open_store(store))
    view = open_store(store).view()
    row_bytes = view.info.row_bytes
    file = view.shard_file(2)
    content = bytearray(file.read_bytes())
    content[row_bytes + 7] ^= 1
    file.write_bytes(content)
    view = open_store(store).view()
    damaged = view.damaged()
    assert damaged.tolist() == [2 * view.info.shard_rows + 1]
    decoded = _decoded(monkeypatch)
    repair(open_store(store), {view.name: damaged}, workers=0)
    assert len(decoded) == 1
    assert kit.contents(open_store(store)) == expected
    assert len(open_store(store).view().damaged()) == 0


def test_repair_keeps_the_rows_of_missing_files(kit: Any, music: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.zarr"
    _run(kit, music, store)
    (music / "bee" / "001.flac").unlink()
    _run(kit, music, store)  # marks it as removed
    (music / "cat" / "002.flac").unlink()  # no run has noticed this yet
    expected = kit.contents(open_store(store))
    view = open_store(store).view()
    file = view.shard_file(0)
    content = bytearray(file.read_bytes())
    content[7] ^= 1
    file.write_bytes(content)
    damaged = open_store(store).view().damaged()
    assert damaged.tolist() == [0]
    repair(open_store(store), {view.name: damaged}, workers=0)
    assert kit.contents(open_store(store)) == expected


def test_repair_refuses_audio_that_has_changed(kit: Any, music: Path, tmp_path: Path) -> None:
    _run(kit, music, tmp_path / "s.zarr")
    store = open_store(tmp_path / "s.zarr")
    kit.write_track(music, "ant", 0, seconds=1.7)
    with pytest.raises(
        DatasetError, match=r"cannot repair: .*000\.flac has changed .*: run `audiospec featurize` again"
    ):
        repair(store, {store.view().name: [0]}, workers=0)
    (music / "ant" / "000.flac").unlink()
    with pytest.raises(
        DatasetError, match=r"cannot repair: .*000\.flac is not readable: .*: put the audio back into"
    ):
        repair(store, {store.view().name: [0]}, workers=0)


def test_the_library_call(kit: Any, music: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _break(music / "bee" / "001.flac", "silent")
    view = audiospec.featurize(
        "folder", data=music, spec=kit.spec, chunk=0.5, store=tmp_path / "s.h5", workers=0
    )
    assert view.read([0, 5, 7]).shape == (3, 16, 32)
    assert view.read([0, 5, 7]).dtype == np.float16
    assert "bee/001.flac: silent" in caplog.text
    features, target = view.torch_dataset()[5]
    assert features.shape == (16, 32)
    assert view.classes[target] == view.labels[5]
