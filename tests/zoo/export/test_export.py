"""Runs as files: what is in them, what they predict in another program, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import audiospec
from audiospec.cli import main
from audiospec.datasets.base import open_dataset
from audiospec.errors import ModelError, RunError
from audiospec.features.base import Frontend, frontend
from audiospec.features.mel import MelFrontend
from audiospec.specs.base import FeatureSpec
from audiospec.specs.mel import MelSpec
from audiospec.specs.wave import WaveSpec
from audiospec.stores.layout.view import View
from audiospec.testing.audio import noise, write
from audiospec.zoo.base import models
from audiospec.zoo.export import export as module
from audiospec.zoo.export.clips import clips_of
from audiospec.zoo.export.export import Export, export_run
from audiospec.zoo.export.formats import Names, Onnx, trace
from audiospec.zoo.export.graph import Graph, Stored, model_module
from audiospec.zoo.network import NetworkModel
from audiospec.zoo.runs.run import Run
from audiospec.zoo.targets.frames import Frames
from audiospec.zoo.training import train

pytest.importorskip("onnxruntime", reason="no ONNX: pip install 'audiospec[onnx]'")

CRNN = {"epochs": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def network(mel: View, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A crnn-base after one epoch, on mel rows of a second in float16."""
    return train("crnn-base", mel, settings=CRNN, out=tmp_path_factory.mktemp("runs") / "crnn")


@pytest.fixture(scope="module")
def machine(tabular: View, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A calibrated svm on 18 columns."""
    return train("svm", tabular, calibrate=True, out=tmp_path_factory.mktemp("runs") / "svm")


@pytest.fixture(scope="module")
def linear(tabular: View, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A logistic regression on 18 columns, which is exported soonest."""
    return train("lr", tabular, out=tmp_path_factory.mktemp("runs") / "lr")


@pytest.fixture(scope="module")
def exported(network: Run, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """The network as ONNX."""
    return export_run(network, tmp_path_factory.mktemp("exports") / "model.onnx", licence="CC0")


def session(path: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def test_an_export_is_compared_on_test_tracks(exported: Export, network: Run) -> None:
    assert exported.difference <= 1e-4
    assert (exported.compared, exported.input, exported.any_length) == ("test tracks", "wave", True)
    tested = {track.known.track for track in network.tracks() if track.side == "test"}
    assert len(exported.clips) > len(tested)  # of so few tracks, more than the beginning of each
    files = {Path(name.partition(" from ")[0]).name for name in exported.clips}
    assert files == {name.rpartition("/")[2] for name in tested}
    assert {"chunks", "0.7 chunks", "1.9 chunks"} <= {*exported.cases}
    assert exported.bytes == exported.path.stat().st_size


def test_it_says_what_it_is(exported: Export, network: Run) -> None:
    about = session(exported.path).get_modelmeta().custom_metadata_map
    assert json.loads(about["audiospec.labels"]) == network.info.classes
    assert about["audiospec.sample_rate"] == "8000"
    assert (about["audiospec.chunk_seconds"], about["audiospec.chunk_samples"]) == ("1.0", "8000")
    assert about["audiospec.samples"] == "any"
    assert about["audiospec.licence"] == "CC0" == exported.licence
    assert about["audiospec.version"] == audiospec.__version__
    assert json.loads(about["audiospec.spec"]) == network.info.spec
    assert json.loads(about["audiospec.target"]) == network.info.target
    scores = json.loads(about["audiospec.scores"])
    assert scores["track"]["macro_f1"] == network.metrics["test"]["track"]["macro_f1"]
    assert len(scores["track"]["macro_f1_interval"]) == 2


def test_any_batch_of_any_length(exported: Export) -> None:
    opened = session(exported.path)
    assert [(one.name, one.shape) for one in opened.get_inputs()] == [("wave", ["batch", "samples"])]
    assert [(one.name, one.shape) for one in opened.get_outputs()] == [("probabilities", ["batch", 3])]
    for batch, samples in ((1, 8000), (7, 3000), (2, 50000)):
        wave = np.random.default_rng(0).normal(0, 0.1, (batch, samples)).astype(np.float32)
        (together,) = opened.run(None, {"wave": wave})
        assert together.shape == (batch, 3)
        assert together.sum(1) == pytest.approx(1, abs=1e-5)
        (alone,) = opened.run(None, {"wave": wave[-1:]})
        assert together[-1] == pytest.approx(alone[0], abs=1e-5)


@pytest.mark.long
def test_a_machine_is_exported_behind_its_frontend(machine: Run, tmp_path: Path) -> None:
    done = export_run(machine, tmp_path / "svm.onnx")
    assert done.difference <= 1e-4
    assert "a last chunk" in done.cases  # statistics are of the audio that is left
    about = session(done.path).get_modelmeta().custom_metadata_map
    assert about["audiospec.pads"] == "false"


def test_features_in(machine: Run, tmp_path: Path, tabular: View) -> None:
    done = export_run(machine, tmp_path / "svm.onnx", input="features")
    opened = session(done.path)
    assert json.loads(opened.get_modelmeta().custom_metadata_map["audiospec.columns"])[0] == "rms_mean"
    rows = tabular.read([0, 5, 7]).astype(np.float32)
    (computed,) = opened.run(None, {"features": rows})
    assert computed == pytest.approx(machine.model().predict_proba(rows), abs=1e-4)


def test_a_table_has_no_frontend(run: Run, table: View, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r'imported table.*give `input="features"`'):
        export_run(run, tmp_path / "lr.onnx")
    assert not list(tmp_path.iterdir())
    done = export_run(run, tmp_path / "lr.onnx", input="features")
    assert (done.compared, done.cases, done.clips) == ("rows", ["rows"], [])
    rows = table.read([1, 2]).astype(np.float32)
    (computed,) = session(done.path).run(None, {"features": rows})
    assert computed == pytest.approx(run.model().predict_proba(rows), abs=1e-5)


def test_an_archive_of_torch(network: Run, tmp_path: Path) -> None:
    done = export_run(network, tmp_path / "model.pt2")
    assert done.difference <= 1e-4
    assert not done.any_length  # torch records recurrent layers for one length
    extra = {"audiospec.json": ""}
    module = torch.export.load(done.path, extra_files=extra).module()
    about = json.loads(extra["audiospec.json"])
    assert about["audiospec.samples"] == about["audiospec.chunk_samples"] == "8000"
    assert module(torch.zeros(5, 8000)).shape == (5, 3)


@pytest.mark.long
def test_by_convolution(network: Run, tmp_path: Path) -> None:
    import onnx

    done = export_run(network, tmp_path / "conv.onnx", backend="conv")
    operators = {node.op_type for node in onnx.load(done.path).graph.node}
    assert "DFT" not in operators
    assert {"Conv", "GRU"} <= operators
    assert done.difference <= 1e-4


def test_given_and_synthesised_audio(linear: Run, tmp_path: Path) -> None:
    write(tmp_path / "audio" / "one.wav", noise(2.0, 8000, level=0.1, seed=1), 8000)
    audio = [str(tmp_path / "audio")]
    given = clips_of(linear, audio)
    assert (given.source, [Path(name).name for name in given.names]) == ("given", ["one.wav"])
    (tmp_path / "audio" / "one.wav").write_bytes(b"no audio")
    with pytest.raises(ModelError, match="none of the 1 audio files can be decoded"):
        export_run(linear, tmp_path / "b.onnx", audio=audio, input="features")
    assert not (tmp_path / "b.onnx").exists()
    moved = Run(linear.path)
    moved.info = dataclasses.replace(moved.info, store=str(tmp_path / "gone.zarr"))
    made = clips_of(moved)
    assert (made.source, len(made.waves)) == ("synthesised", 10)


class _Off(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.model(rows) + 0.004
        return outputs


def test_without_parity_nothing_is_written(
    linear: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.onnx").write_text("as it was")
    real = module.model_module
    monkeypatch.setattr(module, "model_module", lambda *args, **kwargs: _Off(real(*args, **kwargs)))
    with pytest.raises(
        ModelError, match=r"within 0.0001 of the run's.* differs by 0.004 on .*nothing is written"
    ):
        export_run(linear, tmp_path / "model.onnx", input="features")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["as it was"]


def test_what_is_refused(linear: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"suffix .onnx or .pt2; got 'model.pkl'"):
        export_run(linear, tmp_path / "model.pkl")
    with pytest.raises(ModelError, match=r"parameter input must be 'wave' or 'features'; got 'rows'"):
        export_run(linear, tmp_path / "model.onnx", input="rows")
    monkeypatch.setattr(Frontend, "reason_not_exported", classmethod(lambda *_: "it is computed by a friend"))
    with pytest.raises(ModelError, match='cannot be exported: it is computed by a friend: give `input="feat'):
        export_run(linear, tmp_path / "model.onnx")
    monkeypatch.setattr("audiospec.zoo.export.formats.find_spec", lambda _: None)
    with pytest.raises(
        ModelError, match=r"needs onnx, onnxscript, onnxruntime.*pip install 'audiospec\[onnx\]'"
    ):
        export_run(linear, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_the_part_in_the_way_is_named(linear: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def by_numpy(self: nn.Module, rows: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(rows.numpy() + 1)

    from audiospec.features.tabular import TabularFrontend
    from audiospec.zoo.export.estimators import Scaled

    with monkeypatch.context() as patch:
        patch.setattr(Scaled, "forward", by_numpy)
        with pytest.raises(ModelError, match=r"model 'lr' of run .* cannot be exported: "):
            export_run(linear, tmp_path / "model.onnx")
    monkeypatch.setattr(TabularFrontend, "compute", by_numpy)
    with pytest.raises(
        ModelError, match=r"feature 'tabular' of run .* cannot be exported: .*`input=\"features\"`"
    ):
        export_run(linear, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


SPEC = MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, fmax=4000, dtype="float32")


@pytest.mark.long
def test_labels_in_time_keep_their_frames() -> None:
    target = Frames(["a", "b"])
    cls = models["crnn-base"]
    model = cls(cls.Settings.replace_in({"device": "cpu"}), SPEC.row_shape(8000), target)
    assert isinstance(model, NetworkModel)
    model.net = model.network().eval()
    graph = Graph(MelFrontend(SPEC, backend="fft"), Stored(SPEC), model_module(model, onnx=True))
    traced = trace(graph, torch.randn(2, 8000) / 10, any_length=True)
    names = Names("wave", "probabilities", ("batch", "samples"))
    compute = Onnx().opened(Onnx().write(traced, names, {"audiospec.description": "a test"}))
    waves = np.random.default_rng(0).normal(0, 0.1, (3, 8000)).astype(np.float32)
    expected = model.predict_proba(MelFrontend(SPEC)(torch.from_numpy(waves)).numpy())
    assert compute(waves).shape == expected.shape
    assert compute(waves) == pytest.approx(expected, abs=1e-4)
    assert traced.any_length
    longer = compute(np.tile(waves, 3))
    assert longer.shape == (3, 47, 2)


@pytest.mark.long
def test_a_frontend_inside_the_network() -> None:
    spec = WaveSpec(sample_rate=8000)
    inside = {
        "feature": "mel",
        "sample_rate": 8000,
        "n_fft": 256,
        "hop_length": 128,
        "n_mels": 8,
        "fmax": 4000,
    }
    cls = models["crnn-base"]
    model = cls(cls.Settings.replace_in({"device": "cpu", "frontend": inside}), (8000,), ["a", "b"])
    assert isinstance(model, NetworkModel)
    model.net = model.whole_network().eval()
    graph = Graph(frontend(spec), Stored(spec), model_module(model, onnx=True))
    traced = trace(graph, torch.randn(2, 8000) / 10, any_length=True)
    names = Names("wave", "probabilities", ("batch", "samples"))
    compute = Onnx().opened(Onnx().write(traced, names, {"audiospec.description": "a test"}))
    waves = np.random.default_rng(0).normal(0, 0.1, (3, 8000)).astype(np.float32)
    assert compute(waves) == pytest.approx(model.predict_proba(waves), abs=1e-4)
    assert compute(np.tile(waves, 2)).shape == (3, 2)


def test_the_command(
    linear: Run,
    tmp_path: Path,
    python: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "new" / "lr.onnx"
    argv = ["audiospec", "export", str(linear.path), str(out), "--input", "features"]
    monkeypatch.setattr("sys.argv", argv)
    assert main() == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.splitlines()[0].startswith(f"{out}: ")
    # Another program needs onnxruntime alone.
    code = (
        "import sys, numpy, onnxruntime\n"
        "session = onnxruntime.InferenceSession(sys.argv[1])\n"
        "print(session.run(None, {'features': numpy.zeros((2, 18), 'float32')})[0].shape)\n"
        "assert not {'torch', 'sklearn', 'audiospec'} & {*sys.modules}"
    )
    assert python(code, out).stdout == "(2, 3)\n"


def on_gtzan(root: Path, folder: Path, spec: FeatureSpec, model: str, settings: dict[str, object]) -> Export:
    """Train a model on every fifth clip, and export it."""
    manifest = open_dataset("folder", root / "gtzan-clips").manifest()
    chosen = manifest.subset([track for number, track in enumerate(manifest) if number % 5 == 0])
    audiospec.run(chosen, views=[(spec, audiospec.Chunking(seconds=2))], store=folder / "g.zarr", workers=0)
    view = audiospec.open_store(folder / "g.zarr").view()
    return export_run(train(model, view, settings=settings, out=folder / "run"), folder / "model.onnx")


@pytest.mark.long
@pytest.mark.realdata
def test_ten_clips_of_gtzan(shared_data: Path, tmp_path: Path) -> None:
    """A network on bytes: what is rounded up in the store is rounded up in the file."""
    spec = MelSpec(n_mels=32, dtype="uint8")
    done = on_gtzan(shared_data, tmp_path, spec, "crnn-base", {"epochs": 1, "device": "cpu"})
    assert done.difference <= 1e-4
    assert (done.compared, len(done.clips)) == ("test tracks", 10)


@pytest.mark.long
@pytest.mark.realdata
@pytest.mark.parametrize("model", ["svm", "rf", "knn-5"])
def test_the_columns_of_the_study_on_ten_clips(model: str, shared_data: Path, tmp_path: Path) -> None:
    done = on_gtzan(shared_data, tmp_path, audiospec.TabularSpec(), model, {})
    assert done.difference <= 1e-4
    assert (done.compared, len(done.clips), done.any_length) == ("test tracks", 10, True)
