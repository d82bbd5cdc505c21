"""`audiospec features embedding --set model=FILE`: what an ONNX model takes and returns, before a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audiospec.specs.embedding import EmbeddingSpec
from audiospec.testing.onnx_models import COLUMNS, conv_model, write_model

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUDIOSPEC_DATA", str(tmp_path / "data"))
    stated = {
        "audiospec.sample_rate": "16000",
        "audiospec.labels": '["a", "b", "c", "d", "e", "f"]',
        "audiospec.licence": "CC0",
    }
    return write_model(tmp_path / "m.onnx", conv_model(outputs=("classes", "embedding"), metadata=stated))


def test_a_model_is_shown_with_its_parity(call, model: Path) -> None:
    waves = np.zeros((1, 400), np.float32)
    np.savez(model.with_name("m.reference.npz"), input=waves, output=np.zeros((1, COLUMNS)))
    given = ("--set", f"embedding.model={model}", "--set", "output=embedding", "--set", "window=0.1")
    lines = [" ".join(line.split()) for line in call("features", "embedding", *given).out.splitlines()]
    spec = EmbeddingSpec(model=str(model), output="embedding", window=0.1)
    for line in (
        f"SHA-256 {spec.sha256}",
        "rate 16000 Hz",
        "licence CC0",
        "labels 6: a, b, c, d, e, …",
        "input waves float32 free × free",
        "output embedding float32 free × 6",
        "windows 0.1 s every 0.1 s",
        "reference differs by at most 0 of the largest value",
        f"fingerprint {spec.fingerprint}",
    ):
        assert line in lines
    assert lines[-1].endswith(
        f"--features embedding --set model={model} --set output=embedding --set window=0.1"
    )


def test_outputs_are_shown_before_one_is_missed(call, model: Path) -> None:
    shown = call("features", "embedding", "--set", f"model={model}")
    assert shown.status == 2
    assert "embedding  float32  free × 6" in shown.out
    assert shown.err.endswith("name one, such as --set output=classes\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--features", "embedding"), "needs an ONNX model: give --set model=FILE.onnx"),
        (("--features", "embedding", "--set", "model=none.onnx"), "cannot read the ONNX model none.onnx"),
    ],
)
def test_featurize_says_what_to_give(call, music: Path, arguments: tuple[str, ...], message: str) -> None:
    failed = call("featurize", "folder", "--data", music, *arguments)
    assert failed.status == 2
    assert message in failed.err


def test_other_features_show_what_a_field_leads_to(call) -> None:
    assert "40 × 862 dB" in call("features", "mel", "--set", "n_mels=40").out
    assert "expected the name of a feature" in call("features", "--set", "n_mels=40").err
