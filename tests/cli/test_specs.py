"""Presets on the command line: listed, shown, computed, changed and found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiospec import spec
from audiospec.find import find_view
from audiospec.specs.presets.base import presets, reference
from audiospec.stores.base import open_store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two seconds of noise in each of two classes."""
    folder = tmp_path_factory.mktemp("presets")
    for seed, label in enumerate(("soft", "loud")):
        (folder / "audio" / label).mkdir(parents=True)
        noise = 0.01 * 10**seed * np.random.default_rng(seed).standard_normal(2 * 16000)
        soundfile.write(folder / "audio" / label / "noise.wav", noise, 16000)
    return folder


@pytest.mark.parametrize("name", ["whisper", "librosa", "study", "panns"])
def test_a_preset_shows_its_fields_its_source_and_its_reference(call, name: str) -> None:
    out = call("specs", name).out
    chosen, held = spec(name), reference(name)
    assert held is not None
    unit = {"librosa": " of the largest value", "whisper": ""}.get(name, " dB")
    assert f"held to  {held.name}: differs by at most {held.within:g}{unit}\n" in out
    assert "\n  Source:" in out
    assert f"next: audiospec featurize DATASET --spec {name} --set FIELD=VALUE\n" in out
    # The values are accepted by --set, and give the preset from the feature's defaults.
    rows = out.partition("default of mel\n")[2].partition("\n\n")[0].splitlines()
    changes = dict(row.split()[:2] for row in rows)
    assert type(chosen).replace_in(changes) == chosen
    assert bool(rows) == (name != "study")


def test_an_unknown_preset_lists_the_choices(call) -> None:
    done = call("specs", "kladi")
    assert done.status == 2
    assert "no preset is called 'kladi'; did you mean 'kaldi'? (there are: ast, " in done.err


def test_presets_are_computed_changed_and_found_again(call, folder: Path, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    arguments = ("featurize", "folder", "--data", "audio", "--store", "views.zarr", "--chunk", 1)
    options = ("--spec", "whisper,kaldi", "--spec", "whisper-large-v3", "--workers", 0, "--dtype", "float32")
    changes = ("--set", "whisper-large-v3.n_mels=100", "--set", "kaldi.dtype=float16")
    done = call(*arguments, *options, *changes)
    assert done.status == 0, done.err
    views = {view.spec: view.name for view in open_store(folder / "views.zarr").views()}
    whisper, kaldi = spec("whisper", dtype="float32"), spec("kaldi")
    assert views.keys() == {whisper, kaldi, spec("whisper", dtype="float32", n_mels=100)}
    info = call("store", "info", "views.zarr").out
    assert info.count("  preset    ") == 2
    assert "  preset    whisper\n" in info
    assert "  preset    kaldi\n" in info
    store = open_store(folder / "views.zarr")
    assert find_view(store, view="kaldi", what=None).name == views[kaldi]
    assert find_view(store, view="whisper", what="spectrogram").name == views[whisper]
    # The changed one is of no preset any more.
    lost = call("split", "--store", "views.zarr", "--view", "whisper-large-v3")
    assert lost.status == 2
    assert "no view 'whisper-large-v3'" in lost.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--spec", "whisper", "--features", "mel,tabular"),
            "--spec whisper says what is computed, and so does --features mel,tabular; give one of the two",
        ),
        (
            ("--spec", "whisper", "--n-mels", 64, "--no-center"),
            "--spec whisper has its own value for --n-mels, --no-center; to change it, give "
            "--set n_mels=64 --set center=false",
        ),
        (
            ("--spec", "whisper,kaldi", "--set", "ast.n_mels=64"),
            "'ast.n_mels' is of preset 'ast'; --spec has: whisper, kaldi",
        ),
        (
            ("--spec", "whisper", "--set", "n_mel=64"),
            "preset 'whisper' of feature 'mel' has no parameter 'n_mel'; did you mean 'n_mels'?",
        ),
        (("--spec", "wisper"), "no preset is called 'wisper'; did you mean 'whisper'?"),
        (("--spec", "mel"), "'mel' is a feature, not a preset"),
        (("--spec", "mel"), "--features mel computes its defaults"),
        (
            ("--spec", "vggish", "--set", "scale=linear", "--dtype", "float32"),
            'log_offset=0.01 contradicts scale="linear"',
        ),
        (("--spec", "kaldi", "--set", "win_length=513"), "win_length=513 contradicts n_fft=512"),
    ],
)
def test_what_contradicts_is_refused(call, options: tuple[object, ...], message: str) -> None:
    done = call("featurize", "demo", "--dry-run", *options)
    assert (done.status, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1


def test_the_list_is_of_the_registry(call) -> None:
    assert [line.split()[0] for line in call("specs").out.splitlines()] == presets.names()
