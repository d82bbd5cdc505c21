"""The study of features by simple models: spectrograms as tables, and its page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import audiospec
from audiospec.audio.chunking import Chunking
from audiospec.benchmarks.studies.pooled import pooled
from audiospec.benchmarks.studies.probes import REFERENCE, markdown, probes, show
from audiospec.stores.layout.view import View
from audiospec.testing.audio import noise, write

MEL = audiospec.MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=8, fmax=4000, dtype="float32")


def featurized(folder: Path, seconds: tuple[float, ...]) -> View:
    for place, label in enumerate(("ant", "bee")):
        for number, length in enumerate(seconds):
            wave = noise(length, 8000, seed=10 * place + number)
            write(folder / label / f"{label}.{number}.wav", wave, 8000)
    chunk = Chunking(seconds=1.0, min_fill=0.25)
    return audiospec.featurize(
        "folder", data=folder, spec=MEL, chunk=chunk, store=folder / "x.zarr", workers=0
    )


@pytest.mark.parametrize("seconds", [(1.0, 0.5), (2.25, 1.0)], ids=["whole tracks", "pieces"])
def test_a_pooled_view_has_the_mean_and_the_deviation_of_the_frames_of_audio(
    tmp_path: Path, seconds: tuple[float, ...]
) -> None:
    view = featurized(tmp_path, seconds)
    table = pooled(view)
    assert table.columns[::8] == ["mean_000", "std_000"]
    assert table.ids.tolist() == view.ids.tolist()
    assert table.labels.tolist() == view.labels.tolist()
    np.testing.assert_array_equal(table.rows["start"], view.rows["start"])
    rows, frames = view.read().astype(np.float64), view.info.row_shape[1]
    shortest = int(view.rows["seconds"].argmin())
    assert view.rows["seconds"][shortest] < 1
    for number, seconds_heard in enumerate(view.rows["seconds"].tolist()):
        heard = rows[number, :, : round(frames * seconds_heard)]
        expected = np.concatenate([heard.mean(1), heard.std(1)])
        np.testing.assert_allclose(table.read([number])[0], expected, rtol=1e-5, atol=1e-4)
    # The zeros that fill the last chunk up are silence, which would lower the mean.
    padded = rows[shortest].mean(1)
    assert (table.read([shortest])[0, :8] > padded + 1).all()
    assert pooled(view).name == table.name  # the same table is not written again


def test_every_probe_has_a_name_and_the_reference_is_one() -> None:
    assert next(iter(probes())) == REFERENCE
    assert probes()[REFERENCE]() == audiospec.TabularSpec()
    assert probes()["mel: whisper"]() == audiospec.spec("whisper")


def test_the_page_names_what_was_not_run_and_every_licence() -> None:
    own: dict[str, Any] = {"split": "track", "splits": ["track, seed 0"] * 2, "track_accuracy": [0.5, 0.7]}
    other = {**own, "track_accuracy": [0.8, 0.8], "difference": 0.2, "interval": [-0.05, 0.45]}
    assert show(own) == "60.0 ± 14.1"
    assert show(other) == "80.0 ± 0.0 (+20.0: −5.0 to +45.0)"
    rows = {
        REFERENCE: {"columns": 57, "models": {"svm": own, "lr": own}},
        "ears": {"columns": 200, "models": {"svm": other, "lr": other}},
    }
    about = {"spec": {"sample_rate": 16000}, "kind": "table", "licence": "for research (ask them)"}
    figures = {
        "features": {REFERENCE: {**about, "licence": ""}, "ears": about},
        "suites": {"x": {"title": "Tunes", "features": rows}},
        "not_run": {"cqt": "no feature is called 'cqt'"},
    }
    text = markdown(figures)
    assert "## Tunes: 2 splits, track\n" in text
    cells = "80.0 ± 0.0 (+20.0: −5.0 to +45.0) | 80.0 ± 0.0 (+20.0: −5.0 to +45.0)"
    assert f"| ears | 200 | {cells} | for research |\n" in text
    assert f"| {REFERENCE} | 57 | 60.0 ± 14.1 | 60.0 ± 14.1 | – |\n" in text
    assert "\nears: for research (ask them).\n" in text
    assert text.endswith("Not run: cqt (no feature is called 'cqt').\n")
