"""Feature `embedding` from the command line: featurize in workers, train, predict, and show a model."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import audiospec
from audiospec.errors import ModelError
from audiospec.testing.onnx_models import COLUMNS, conv_model, write_model

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper

from audiospec.specs.embedding import EmbeddingSpec


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUDIOSPEC_DATA", str(tmp_path / "data"))
    return tmp_path


def featurize_train_predict(home: Path, audio: Path, dataset: str, files: list[Path]) -> list[str]:
    """Make a store in workers and a run, lose the model's file, and return what the run predicts."""
    outputs = ("frames", "embedding")
    path = write_model(home / "m.onnx", conv_model(outputs=outputs, metadata={"sample_rate": "16000"}))
    spec = EmbeddingSpec(model=str(path), output="frames", window=0.96, pooling=("mean", "std", "max"))
    view = audiospec.featurize(dataset, data=audio, spec=spec, chunk=2, store=home / "a.zarr", workers=2)
    assert view.shape[1:] == (3 * COLUMNS,)
    made = view.info.made
    assert made["backend"] == "onnxruntime"
    assert 0 <= made["parity"] < 1e-5
    assert made["versions"]["onnxruntime"]
    path.unlink()
    run = audiospec.train("svm", view, out=home / "runs")
    return [prediction.classes[0] for prediction in audiospec.predict(run, files)]


def test_from_audio_to_predictions(home: Path) -> None:
    """Tones and noises are told apart, from files that the run has not seen, without the model's file."""
    random = np.random.default_rng(0)
    time = np.arange(2 * 16000) / 16000
    for place, count in ((home / "audio", 8), (home / "new", 2)):
        for number in range(count):
            sounds = {
                "tone": np.sin(2 * np.pi * random.uniform(200, 800) * time),
                "noise": random.normal(0, 1, len(time)),
            }
            for label, wave in sounds.items():
                (place / label).mkdir(parents=True, exist_ok=True)
                soundfile.write(place / label / f"{number}.wav", 0.1 * wave, 16000)
    files = sorted((home / "new").rglob("*.wav"))
    predicted = featurize_train_predict(home, home / "audio", "folder", files)
    view = audiospec.open_store(home / "a.zarr").views()[0]
    again = audiospec.featurize(
        "folder", data=home / "audio", spec=view.spec, chunk=2, store=home / "b.h5", workers=0
    )
    assert np.array_equal(view.read(range(len(view))), again.read(range(len(again))))
    assert predicted == [file.parent.name for file in files]


@pytest.mark.realdata
def test_from_esc10_to_predictions(home: Path, shared_data: Path) -> None:
    audio = home / "esc10"
    for folder in sorted((shared_data / "esc10").glob("*- *"))[:3]:
        for fold in range(1, 6):
            for clip in sorted(folder.glob(f"{fold}-*.ogg"))[:3]:
                (audio / folder.name).mkdir(parents=True, exist_ok=True)
                shutil.copy(clip, audio / folder.name)
    files = sorted(audio.rglob("*.ogg"))
    predicted = featurize_train_predict(home, audio, "esc10", files)
    share = np.mean([file.parent.name.endswith(label) for file, label in zip(files, predicted, strict=True)])
    assert share > 0.5  # of three classes; four of five folds are known to the run


def ending(node: Any, **weights: Any) -> Any:
    """Return the small model with another node, whose output is the model's."""
    model = conv_model()
    model.graph.node.append(node)
    model.graph.initializer.extend(numpy_helper.from_array(np.array(v), k) for k, v in weights.items())
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("out", TensorProto.FLOAT, [None, COLUMNS]))
    return model


def test_a_model_that_never_ends_is_found_before_the_first_track(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = [None, COLUMNS]
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still"]), helper.make_node("Add", ["x", "x"], ["twice"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, row),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("twice", TensorProto.FLOAT, row),
        ],
    )
    loop = helper.make_node("Loop", ["times", "yes", "embedding"], ["out"], body=body)
    path = write_model(home / "m.onnx", ending(loop, times=np.int64(1 << 62), yes=True))
    monkeypatch.setattr("audiospec.pipeline.isolated._SECONDS", 2.0)
    spec = EmbeddingSpec(model=str(path), sample_rate=8000)
    with pytest.raises(ModelError, match="computing it on noise did not end in 2 s"):
        audiospec.featurize("folder", data=home, spec=spec, chunk=2, store=home / "a.zarr")


WORKER = """
import sys
import numpy as np
from audiospec.errors import AudioError
from audiospec.features.native.embedding import EmbeddingKernel
from audiospec.limits import make_expendable
from audiospec.specs.embedding import EmbeddingSpec
kernel = EmbeddingKernel(EmbeddingSpec(model=sys.argv[1], sample_rate=8000))
make_expendable()
try:
    kernel.compute(np.zeros(2000, np.float32))
except AudioError as error:
    print(error.reason)
# The process's own peak: that of getrusage is at least the peak of the process that started it.
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak) >> 20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit memory")
def test_a_worker_gives_a_model_no_more_memory_than_its_limit(home: Path) -> None:
    """A worker refuses 24 GB, which a large machine would give, and stays small (GB of KiB of Linux)."""
    expand = helper.make_node("Expand", ["embedding", "large"], ["out"])
    path = write_model(home / "m.onnx", ending(expand, large=np.array([1 << 30, COLUMNS])))
    script = [sys.executable, "-c", WORKER, str(path)]
    reason, size = subprocess.run(script, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "Failed to allocate memory" in reason
    assert int(size) == 0
