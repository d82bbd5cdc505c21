"""doctor, checks: findings as text and as JSON, exit statuses, and fixes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

import audiospec
from audiospec.corrections.corrections import Corrections

RATE = 8000
#: A label that is markup, and has an escape code.
HOSTILE = "<b>loud</b>\x1b[31m"
SAME = "exact-duplicates,contradictions"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of four clips of noise, one of them clipped; one stands in both classes."""
    folder = tmp_path_factory.mktemp("doctor")
    random = np.random.default_rng(0)
    lines = ["path,label"]
    for number in range(4):
        wave = 0.1 * random.standard_normal(3 * RATE)
        if number == 1:
            wave = np.clip(20 * wave, -0.99, 0.99)
        soundfile.write(folder / f"{number}.wav", wave, RATE)
        lines.append(f'{number}.wav,"{HOSTILE if number % 2 else "quiet"}"')
    shutil.copy(folder / "0.wav", folder / "copy.wav")
    lines.append(f'copy.wav,"{HOSTILE}"')
    (folder / "list.csv").write_text("\n".join(lines) + "\n")
    audiospec.featurize(
        "csv",
        data=folder / "list.csv",
        spec=audiospec.MelSpec(sample_rate=RATE, n_fft=256, hop_length=128, n_mels=16, fmax=4000.0),
        chunk=1,
        store=folder / "s.zarr",
        workers=0,
    )
    return folder


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """A copy of the store that a test may change."""
    return Path(shutil.copytree(made / "s.zarr", tmp_path / "s.zarr"))


def test_findings_are_printed_worst_first(store: Path, run) -> None:
    """As a process: the label's escape code reaches no terminal, and the status is 1 with --strict alone."""
    done = run("doctor", store, "--checks", f"clipping,{SAME}", cwd=store.parent)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"{store}: 5 tracks, 1 error, 1 warning, 1 note"
    kinds = [line.partition(":")[0] for line in lines if line.startswith(("error:", "warning:", "note:"))]
    assert kinds == ["error", "warning", "note"]  # splits keep equal files together anyway
    assert any(line.strip().startswith("0.wav = copy.wav: ") and r"\x1b[31m" in line for line in lines)
    assert any(line.strip().startswith("1.wav: ") and "clipped" in line for line in lines)
    assert "checked: clipping, exact-duplicates, contradictions" in lines
    assert lines[-1].startswith("next: audiospec doctor ")


def test_json_and_strict(store: Path, call, tmp_path: Path) -> None:
    out = tmp_path / "diagnosis.json"
    done = call("doctor", store, "--checks", "clipping", "--json", "--strict", "--out", out)
    assert done.status == 1
    found = json.loads(done.out)
    assert found["fixed"] == []
    (finding,) = found["findings"]
    ids = audiospec.open_store(store).tracks["id"].tolist()
    assert [ids[number] for number in finding["tracks"]] == ["1.wav"]
    assert audiospec.Diagnosis.from_dict(json.loads(out.read_text())).to_dict() == {
        name: value for name, value in found.items() if name != "fixed"
    }
    assert call("doctor", store, "--checks", "damaged-rows", "--strict").status == 0
    quiet = call("doctor", store, "--checks", "clipping", "--set", "clipping.least=1", "--strict")
    assert quiet.status == 0
    assert quiet.out.splitlines()[0] == f"{store}: 5 tracks, nothing found"


def test_fixes(store: Path, call) -> None:
    """Clusters are in the store, exclusions beside it; a second time there is nothing to do."""
    rows = audiospec.open_store(store).view().read_stored().tobytes()
    done = call("doctor", store, "--checks", SAME, "--fix", "clusters,contradictions")
    assert done.status == 0
    assert done.out.splitlines()[-2:] == [
        f"contradictions: 2 tracks excluded from training by {store.parent / 'corrections.csv'}",
        "clusters: written for 2 tracks; splits keep each cluster on one side",
    ]
    opened = audiospec.open_store(store)
    ids = opened.tracks["id"].tolist()
    clusters = dict(zip(ids, opened.tracks["cluster"].tolist(), strict=True))
    assert clusters["0.wav"] == clusters["copy.wav"] != ""
    assert {clusters[id] for id in ("1.wav", "2.wav", "3.wav")} == {""}
    excluded = Corrections.of(opened).apply(opened.tracks).excluded
    assert {ids[number] for number in excluded} == {"0.wav", "copy.wav"}
    assert opened.view().read_stored().tobytes() == rows
    again = call("doctor", store, "--checks", SAME, "--fix", "clusters,contradictions")
    assert again.out.splitlines()[-2:] == [
        "contradictions: nothing to exclude; 2 tracks decided on before",
        "clusters: nothing to write",
    ]


def test_what_is_refused(store: Path, call, tmp_path: Path) -> None:
    for options, text in (
        (("--checks", "clippings"), "did you mean 'clipping'"),
        (("--fix", "cluster"), "--fix names no fix 'cluster'; did you mean 'clusters'"),
        (("--set", "clipping.least"), "expected FIELD=VALUE"),
        (("--set", "clipping.most=1"), "has no parameter 'most'"),
    ):
        done = call("doctor", store, *options)
        assert done.status == 2, options
        assert text in " ".join(done.err.split()), options
    assert call("doctor", tmp_path / "none.zarr").status == 2


def test_a_store_without_log_mel_says_what_makes_it(made: Path, tmp_path: Path, call) -> None:
    audiospec.featurize(
        "csv",
        data=made / "list.csv",
        spec=audiospec.TabularSpec(families=("rms",), sample_rate=RATE, n_fft=256, hop_length=128),
        chunk=1,
        store=tmp_path / "t.h5",
        workers=0,
    )
    done = call("doctor", tmp_path / "t.h5", "--checks", f"near-duplicates,{SAME}")
    assert done.status == 0
    assert "0.wav = copy.wav" in done.out
    (line,) = (line for line in done.out.splitlines() if line.startswith("not checked: near-duplicates"))
    assert "audiospec featurize DATASET --features mel --store STORE" in line


def test_checks_are_listed_with_their_settings(call) -> None:
    listed = [line.split()[0] for line in call("checks").out.splitlines()]
    assert {"near-duplicates", "confounds", "clipping"} <= {*listed}
    shown = call("checks", "clipping").out
    assert "least" in shown
    assert "next: audiospec doctor STORE --checks clipping --set clipping.least=0.001" in shown
    assert call("checks", "clip").status == 2
