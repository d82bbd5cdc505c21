"""Tabular features from the command line: from audio to a table, and back."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import audiospec
from audiospec import open_store
from audiospec.features.tabular import TabularFrontend
from audiospec.specs.tabular import FAMILIES, TabularSpec


@pytest.fixture(scope="module")
def both(music: Path, run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with spectrograms and tables of `music`, computed in one run."""
    folder = tmp_path_factory.mktemp("both")
    done = run(
        *("featurize", "folder", "--data", music, "--features", "mel,tabular", "--chunk", 2, "--chunk", 3),
        *("--set", "mel.n_mels=64", "--set", "tabular.n_mfcc=13", "--store", "both.h5"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return folder / "both.h5"


def test_both_features_from_one_run(both: Path, music: Path) -> None:
    store = open_store(both)
    assert [(view.name.rpartition("-")[0], view.shape) for view in store.views()] == [
        ("mel-2s", (12, 64, 173)),
        ("mel-3s", (6, 64, 259)),
        ("tabular-2s", (12, 43)),
        ("tabular-3s", (6, 43)),
    ]
    view = store.view("tabular-2s")
    assert view.spec == TabularSpec(n_mfcc=13)
    assert view.columns == list(view.spec.columns)
    wave, _ = soundfile.read(music / "loud" / "song1.wav", dtype="float32")
    expected = TabularFrontend(view.spec)(torch.from_numpy(wave.reshape(2, -1)))
    assert np.array_equal(view.read(view.rows_of("song1")), expected.numpy())
    assert len(view.damaged()) == 0
    assert 0 < view.info.made["parity"] < 1e-3


def test_the_end_of_a_track_is_not_padded(both: Path, call, music: Path, tmp_path: Path) -> None:
    # 4 s in chunks of 2.5 s: the second has 1.5 s of audio.
    path = tmp_path / "x.zarr"
    done = call(
        *("featurize", "folder", "--data", music, "--features", "tabular", "--families", "rms,harmony"),
        *("--chunk", 2.5, "--store", path, "--workers", 0),
    )
    assert (done.status, done.err) == (0, "")
    view = open_store(path).view()
    assert (
        done.out.splitlines()[-1]
        == f"next: audiospec table export {path} --view {view.name} --out features.csv"
    )
    assert view.rows["seconds"].tolist() == [2.5, 1.5] * 6
    wave, rate = soundfile.read(music / "loud" / "song3.wav", dtype="float32")
    expected = TabularFrontend(view.spec)(torch.from_numpy(wave[round(2.5 * rate) :]))
    assert view.read(view.rows_of("song3"))[1].tolist() == expected.tolist()


def test_a_tail_too_short_for_reflection_has_no_row(call, tmp_path: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(22050 * 3)
    for name, samples in (
        ("whole", 2 * 22050),
        ("tail", 2 * 22050 + 1024),
        ("long", 2 * 22050 + 1025),
        ("short", 900),
    ):
        (tmp_path / "a" / name).mkdir(parents=True)
        soundfile.write(tmp_path / "a" / name / "x.wav", noise[:samples], 22050)
    path = tmp_path / "x.zarr"
    done = call(
        *(
            "featurize",
            "folder",
            "--data",
            tmp_path / "a",
            "--features",
            "mel,tabular",
            "--pad-mode",
            "reflect",
        ),
        *("--chunk", 1, "--min-fill", 0, "--store", path, "--workers", 0),
    )
    assert (done.status, done.err) == (0, "")
    assert "  short/x.wav: too short: 900 samples (0.0408 s), a chunk of 1 s needs 1025" in done.out
    view = open_store(path).view("tabular")
    rows = {name: len(view.rows_of(f"{name}/x.wav")) for name in ("whole", "tail", "long")}
    assert rows == {"whole": 2, "tail": 2, "long": 3}
    assert len(open_store(path).view("mel")) == 2 + 3 + 3 + 1


def test_verify_repairs_computed_views_and_prints_how_to_import_tables(
    both: Path, call, tmp_path: Path
) -> None:
    path, out = tmp_path / "copy.zarr", tmp_path / "t.csv"
    assert call("store", "export", both, path).status == 0
    assert call("table", "export", path, "--chunk", 2, "--out", out).status == 0
    out.write_text(out.read_text().replace("rms_mean", "loudness"))
    imported = ("--store", path, "--columns", "loudness,tempo", "--chunk", 2)
    assert call("table", "import", out, *imported).status == 0
    names = ("table", "tabular-3s")
    values = [open_store(path).view(name).read().tobytes() for name in names]
    for name in names:
        shard = open_store(path).view(name).shard_file(0)
        before = shard.read_bytes()
        shard.write_bytes(bytes([before[0] ^ 1]) + before[1:])
    done = call("store", "verify", path, "--repair", "--workers", 0)
    assert done.status == 1
    assert open_store(path).view("tabular-3s").read().tobytes() == values[1]
    remedy = done.out.splitlines()[-1].partition("import it again: audiospec ")[2].split()
    assert remedy[:3] == ["table", "import", "t.csv"]
    remedy[2] = str(out)
    assert call(*remedy).status == 0
    assert open_store(path).view("table").read().tobytes() == values[0]
    assert call("store", "verify", path).status == 0


def test_a_computed_table_is_restored_from_its_file(both: Path, call, tmp_path: Path) -> None:
    out = tmp_path / "features.csv"
    done = call("table", "export", both, "--chunk", 2, "--out", out)
    assert (done.status, done.err) == (0, "")
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    view = open_store(both).view("tabular-2s")
    assert [row["filename"] for row in rows[:3]] == [
        "loud/song1.0.wav",
        "loud/song1.1.wav",
        "loud/song3.0.wav",
    ]
    assert {row["length"] for row in rows} == {"44100"}
    assert [row["label"] for row in rows] == view.labels.tolist()
    columns = ",".join(view.columns)
    done = call("table", "import", out, "--store", tmp_path / "again.zarr", "--columns", columns)
    assert (done.status, done.err) == (0, "")
    again = open_store(tmp_path / "again.zarr").view()
    assert np.array_equal(again.read(), view.read())
    assert np.array_equal(again.rows["start"], view.rows["start"])


def test_a_damaged_table_is_computed_again(both: Path, call, music: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.zarr"
    assert call("store", "export", both, path).status == 0
    view = open_store(path).view("tabular-3s")
    values = view.read().tobytes()
    shard = view.shard_file(0)
    before = shard.read_bytes()
    shard.write_bytes(bytes([before[0] ^ 1]) + before[1:])
    done = call("store", "verify", path)
    assert done.status == 1
    done = call("store", "verify", path, "--repair", "--workers", 0)
    assert (done.status, done.err.count("error")) == (0, 0)
    assert open_store(path).view("tabular-3s").read().tobytes() == values


def test_store_info_of_a_table(both: Path, call) -> None:
    done = call("store", "info", both)
    assert done.status == 0
    assert "  feature   tabular with n_mfcc 13" in done.out.splitlines()
    assert "families 10 (chroma_stft, rms, spectral_centroid, …)" in done.out
    assert max(map(len, done.out.splitlines())) < 400


def test_features_lists_the_formula_of_each_family(call) -> None:
    done = call("features", "tabular")
    assert done.status == 0
    for name, family in FAMILIES.items():
        assert f"  {name} " in done.out
        assert family.formula in done.out
    assert "  families      published  " in done.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--families", "mfc"), "got 'mfc'; did you mean 'mfcc'"),
        (("--dtype", "float16"), 'a tabular spec needs dtype="float32"'),
        (("--set", "mel.n_mels=3"), "'mel.n_mels' is of feature 'mel'; --features has: tabular"),
        (("--set", "tabular.n_mfc=3"), "has no parameter 'n_mfc'; did you mean 'n_mfcc'"),
        (("--backend", "conv"), "'conv'"),
    ],
)
def test_invalid_options_are_refused(
    arguments: tuple[str, ...], message: str, call, music: Path, tmp_path: Path
) -> None:
    done = call(
        *("featurize", "folder", "--data", music, "--features", "tabular", "--store", tmp_path / "x.zarr"),
        *arguments,
    )
    assert (done.status, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "x.zarr").exists()


def test_the_library_call(music: Path, tmp_path: Path) -> None:
    view = audiospec.featurize(
        "folder",
        data=music,
        spec=TabularSpec(families=("tempo",)),
        chunk=4,
        store=tmp_path / "x.zarr",
        workers=0,
    )
    assert view.to_pandas()["tempo"].tolist() == view.read()[:, 0].tolist()
