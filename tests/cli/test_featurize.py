"""The command `featurize`, end to end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiospec import open_store
from audiospec.engines.base import engines

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def events(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_second_run_has_nothing_to_do(run, call, music: Path, tmp_path: Path) -> None:
    arguments = ("featurize", "folder", "--data", music, "--chunk", 2, "--n-mels", 64, "--workers", 1)
    first = run(*arguments, cwd=tmp_path)
    assert first.returncode == 0
    view = open_store(tmp_path / "folder.zarr").view()
    # On stderr there is only progress, and that only if the machine is slow.
    assert [line for line in first.stderr.splitlines() if not line.startswith(f"{view.name}: ")] == []
    assert (view.shape, view.spec.n_mels) == ((12, 64, 173), 64)
    lines = first.stdout.splitlines()
    assert lines[0] == "folder.zarr: 6 tracks"
    assert lines[1].split() == [view.name, "6", "tracks", "12", "×", "64", "×", "173", "float16", "266", "kB"]
    assert lines[2].startswith("24 s of audio in ")
    assert lines[3:] == ["next: audiospec show folder.zarr loud/song1.wav"]
    again = run(*arguments, cwd=tmp_path)
    assert again.stdout.splitlines()[:3] == [*lines[:2], "nothing to do: all rows were computed before"]
    quiet = call(*arguments, "--store", tmp_path / "folder.zarr", "--quiet")
    assert (quiet.status, quiet.out, quiet.err) == (0, "", "")


def test_both_formats_have_equal_features(store: Path, call, music: Path, tmp_path: Path) -> None:
    path = tmp_path / "good.h5"
    done = call(
        "featurize", "folder", "--data", music, "--store", path, "--chunk", 2, "--hop", 1, "--workers", 0
    )
    assert done.status == 0, done.err
    view = open_store(path).view()
    same = open_store(store).view(view.name)
    assert np.array_equal(view.read(), same.read())


@pytest.mark.parametrize("engine", engines.names())
def test_an_engine_is_chosen_by_its_name(
    store: Path, call, music: Path, tmp_path: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    path = tmp_path / "good.zarr"
    arguments = ("featurize", "folder", "--data", music, "--store", path, "--chunk", 2, "--hop", 1)
    more = ("--scheduler", request.getfixturevalue("dask_cluster").address) if engine == "dask" else ()
    done = call(*arguments, "--engine", engine, *more)
    assert done.status == 0, done.err
    view = open_store(path).view()
    assert np.array_equal(view.read(), open_store(store).view(view.name).read())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--engine", "locl"), "no engine is called 'locl'; did you mean 'local'?"),
        (
            ("--engine", "serial", "--workers", 2),
            "engine 'serial' has no workers: expected 0 or None; got 2: use --engine local",
        ),
        (
            ("--engine", "local", "--workers", 0),
            "engine 'local' needs at least 1 worker; got 0: use --engine serial, which has none",
        ),
        (
            ("--engine", "dask", "--scheduler", "tcp://127.0.0.1:1", "--workers", 2),
            "engine 'dask' has the workers of its cluster: expected no --workers; got 2: start more with "
            "`dask worker`",
        ),
        (
            ("--scheduler", "tcp://127.0.0.1:1"),
            "engine 'local' has no --scheduler: use --engine dask, which has it",
        ),
    ],
)
def test_an_impossible_engine_is_refused(call, music: Path, tmp_path: Path, options, message: str) -> None:
    done = call("featurize", "folder", "--data", music, "--store", tmp_path / "x.zarr", *options)
    assert done.status == 2
    assert message in done.err
    assert list(tmp_path.iterdir()) == []


def test_json_is_an_object_a_line(call, music: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.zarr"
    arguments = ("featurize", "folder", "--data", music, "--store", path, "--workers", 0, "--chunk", 4)
    done = call(*arguments, "--json")
    assert (done.status, done.err) == (0, "")
    *steps, end = events(done.out)
    assert {step["event"] for step in steps} == {"progress"}
    assert steps[-1]["shards"] == steps[-1]["shards_total"]
    assert steps[-1]["tracks"] == steps[-1]["tracks_total"] == 6
    assert steps[-1]["audio_seconds"] == steps[-1]["audio_seconds_total"] == 24
    view = open_store(path).view()
    assert end["event"] == "done"
    assert (end["store"], end["tracks"], end["problems"], end["skipped"]) == (
        str(path),
        6,
        {},
        {view.name: {}},
    )
    assert end["views"] == [
        {
            "name": view.name,
            "rows": 6,
            "shape": list(view.shape),
            "dtype": "float16",
            "tracks": 6,
            "bytes": view.read().nbytes,
        }
    ]
    assert end["times_real_time"] > 0
    (end,) = events(call(*arguments, "--json").out)
    assert (end["event"], end["computed_shards"]) == ("done", 0)


def test_a_dry_run_writes_nothing(call, music: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ("featurize", "folder", "--data", music, "--chunk", 2, "--dry-run")
    done = call(*arguments)
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "folder.zarr: 6 tracks"
    name, rows, shards, missing, *rest = lines[2].split()
    assert (name[:7], rows, missing) == ("mel-2s-", "12", shards)
    assert rest == ["24", "s", "797", "kB", "797", "kB"]
    assert lines[3] == "dry run: nothing was computed or written"
    (plan,) = events(call(*arguments, "--json").out)
    assert plan["event"] == "plan"
    assert plan["views"][0]["rows"] == 12
    assert plan["views"][0]["missing_audio_seconds"] == 24
    assert not list(tmp_path.iterdir())


def test_tracks_without_rows_are_listed_with_reasons(mixed_store: Path, call, mixed: Path) -> None:
    output = (mixed_store.parent / "said").read_text()
    reasons = {
        "cut": "truncated: ",
        "empty": "empty: the file has 0 bytes",
        "garbage": "not decodable: ",
        "nan": "not finite: NaN or infinity at 0.045 s",
        "nothing": "no audio: the file has 0 samples",
        "silent": "silent: all 88200 samples are zero",
        "one": "too short: ",
    }
    lines = output.splitlines()
    for name, reason in reasons.items():
        (line,) = (line for line in lines if line.startswith(f"  bad/{name}.wav: "))
        assert line.split(": ", 1)[1].startswith(reason)
    assert "7 tracks with a problem:" in lines
    assert f"1 track skipped in {open_store(mixed_store).view().name}:" in lines
    assert any(line.startswith("  bad/bell\\x07.wav: ") for line in lines)
    assert len(open_store(mixed_store).view()) == 12
    listed = call("store", "info", mixed_store, "--problems").out.splitlines()
    assert (
        listed == [line for line in lines if line.startswith("  bad") or line.endswith(":")][-len(listed) :]
    )


def test_a_long_list_of_problems_is_cut_short(call, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "good.wav", np.random.default_rng(0).standard_normal(22050) / 9, 22050)
    for number in range(25):
        (tmp_path / f"bad{number:02}.wav").touch()
    path = tmp_path / "x.zarr"
    done = call("featurize", "folder", "--data", tmp_path, "--store", path, "--chunk", 1, "--workers", 0)
    lines = done.out.splitlines()
    at = lines.index("25 tracks with a problem:")
    assert lines[at + 20].startswith("  bad19.wav")
    assert lines[at + 21] == f"  … and 5 more: audiospec store info {path} --problems"
    assert call("store", "info", path, "--problems").out.count("empty: ") == 25


def test_strict_refuses_tracks_that_cannot_be_used(call, mixed: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.zarr"
    done = call("featurize", "folder", "--data", mixed, "--store", path, "--chunk", 2, "--strict")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert "of 14 tracks cannot be used" in done.err
    assert done.err.endswith(": fix or remove them, or run without --strict\n")
    assert not path.exists()


def test_flags_and_set_reach_the_spec(call, music: Path, tmp_path: Path) -> None:
    done = call(
        *("featurize", "folder", "--data", music, "--store", tmp_path / "x.zarr", "--json", "--dry-run"),
        *("--sample-rate", 16000, "--norm", "none", "--no-center", "--top-db", 80, "--fmax", "7600"),
        *(
            "--set",
            "hop-length=512",
            "--set",
            "dtype=float32",
            "--features",
            "mel,mel",
            "--chunk",
            1,
            "--chunk",
            1,
        ),
    )
    assert done.status == 0, done.out
    (plan,) = events(done.out)
    assert len(plan["views"]) == 1  # a view that is requested twice is made once
    frames = (16000 - 2048) // 512 + 1
    assert plan["views"][0]["bytes"] == 24 * 192 * frames * 4


def test_a_changed_file_is_reported_until_it_is_computed_again(call, music: Path, tmp_path: Path) -> None:
    folder, path = Path(shutil.copytree(music, tmp_path / "music")), tmp_path / "x.zarr"
    arguments = ("featurize", "folder", "--data", folder, "--store", path, "--workers", 0)
    assert call(*arguments, "--chunk", 4).status == 0
    soundfile.write(folder / "loud" / "song1.wav", np.random.default_rng(5).standard_normal(88200) / 9, 22050)
    assert call(*arguments, "--chunk", 2).status == 0
    info = call("store", "info", path).out
    assert info.count("stale     1 track changed since: loud/song1.wav") == 1
    verified = call("store", "verify", path)
    assert verified.status == 0
    assert "audio has changed for 1 track: loud/song1.wav (not damaged;" in verified.out
    assert call(*arguments, "--chunk", 4).status == 0
    assert "changed since" not in call("store", "info", path).out


@pytest.mark.realdata
@pytest.mark.skipif(not REAL.exists(), reason=f"no shared audio at {REAL}")
def test_gtzan_lists_the_one_bad_file(call, tmp_path: Path) -> None:
    arguments = ("featurize", "gtzan", "--data", REAL / "gtzan-part", "--store", tmp_path / "x.zarr")
    done = call(*arguments, "--dry-run")
    assert done.status == 0
    assert done.out.splitlines()[2].split()[1] == "255"
    assert done.out.splitlines()[-2] == "1 track with a problem:"
    assert done.out.splitlines()[-1].startswith("  jazz.00054: not decodable: ")


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_a_store_of_bytes(call, music: Path, tmp_path: Path, suffix: str) -> None:
    store = tmp_path / f"s{suffix}"
    arguments = ("featurize", "folder", "--data", music, "--chunk", 2, "--dtype", "uint8", "--store", store)
    done = call(*arguments, "--dry-run")
    assert done.status == 0
    assert "< 399 kB" in done.out
    (plan,) = events(call(*arguments, "--dry-run", "--json").out)
    assert (plan["views"][0]["packed"], plan["views"][0]["bytes"]) == (True, 12 * 192 * 173)
    assert call(*arguments, "--workers", 0).status == 0
    view = open_store(store).view()
    done = call("store", "info", store)
    assert "code      -100.0 to 54.6 dB in steps of 0.606 dB, error at most 0.303 dB" in done.out
    (info,) = events(call("store", "info", store, "--json").out)
    printed = info["views"][0]
    assert printed["bytes"] == view.bytes_on_disk() < 12 * 192 * 173
    assert (printed["scale"], printed["offset"]) == (view.spec.code.scale, view.spec.code.offset)
    other = tmp_path / f"copy{'.h5' if suffix == '.zarr' else '.zarr'}"
    assert call("store", "export", store, other).status == 0
    assert call("store", "verify", other).status == 0
    assert np.array_equal(open_store(other).view().read(), view.read())
    assert call("show", other, view.ids[0], "--out", tmp_path / "x.png").status == 0


def test_only_decibels_can_be_stored_as_bytes(call, music: Path, tmp_path: Path) -> None:
    arguments = ("featurize", "folder", "--data", music, "--chunk", 2, "--store", tmp_path / "s.zarr")
    for options, message in (
        (("--features", "mel,tabular", "--dtype", "uint8"), "feature 'tabular' is not in decibels"),
        (("--dtype", "uint8", "--scale", "linear"), "power spans more than uint8 can hold"),
    ):
        done = call(*arguments, *options)
        assert done.status == 2
        assert message in done.err
    assert not list(tmp_path.iterdir())
