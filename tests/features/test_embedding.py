"""Feature `embedding`: what rows hold, how the model is found again, and what is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad

import audiospec
from audiospec.errors import AudioError, AudiospecError, ModelError, SpecError
from audiospec.specs.base import FeatureSpec
from audiospec.testing.onnx_models import COLUMNS, HOP, WIDTH, conv_model, write_model

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper

from audiospec.features.embedding import EmbeddingFrontend
from audiospec.features.native.embedding import EmbeddingKernel
from audiospec.features.rows.writing import row_writer
from audiospec.specs.embedding import EmbeddingSpec
from audiospec.specs.mel import MelSpec

RATE = 8000
WAVES = torch.randn(3, 2000, generator=torch.Generator().manual_seed(1)) / 10


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a data folder, where models are kept."""
    monkeypatch.setenv("AUDIOSPEC_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AUDIOSPEC_MODELS", raising=False)
    return tmp_path / "data"


def spec(path: Path, model: Any = None, **changes: Any) -> EmbeddingSpec:
    """Write a model, and return the spec of it."""
    write_model(path / "m.onnx", conv_model() if model is None else model)
    return EmbeddingSpec(model=str(path / "m.onnx"), **{"sample_rate": RATE, **changes})


def by_torch(waves: Tensor, seed: int = 0) -> Tensor:
    """Return the frames (B, frames, columns) of the small model, by torch in float64."""
    weights = np.random.default_rng(seed).normal(0, 1 / 8, (COLUMNS, 1, WIDTH)).astype(np.float32)
    return conv1d(waves[:, None].double(), torch.from_numpy(weights).double(), stride=HOP).relu().mT


# --- what a row holds ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [("n",), (1, "n"), ("b", "n"), ("b", 1, "n"), (1, 1, 2000), (2000,)])
@pytest.mark.parametrize("output", ["frames", "embedding"])
def test_rows_are_those_of_torch(shape: tuple[Any, ...], output: str, tmp_path: Path) -> None:
    """Waves of rank 1 to 3, of free or fixed length, and outputs with or without frames."""
    rows = EmbeddingFrontend(spec(tmp_path, conv_model(shape, (output,))))(WAVES)
    assert (rows - by_torch(WAVES).mean(1)).abs().max() < 1e-6


def test_pooling_is_over_the_frames_of_all_windows(tmp_path: Path) -> None:
    """Windows of 0.1 s every 0.05 s; the last one ends where the chunk ends."""
    made = spec(tmp_path, conv_model(outputs=("frames",)), window=0.1, hop=0.05, pooling="max,mean,std")
    starts = [0, 400, 800, 1190]
    assert made.window_starts(1990) == starts
    rows = EmbeddingFrontend(made)(WAVES[:, :1990])
    frames = torch.cat([by_torch(WAVES[:, start : start + 800]) for start in starts], dim=1)
    expected = torch.cat([frames.amax(1), frames.mean(1), frames.std(1, correction=0)], dim=1)
    assert (rows - expected).abs().max() < 1e-6
    assert made.columns[:1] + made.columns[-1:] == ("embedding1_max", f"embedding{COLUMNS}_std")


def test_a_chunk_shorter_than_a_window_is_followed_by_zeros(tmp_path: Path) -> None:
    rows = EmbeddingFrontend(spec(tmp_path, window=0.1))(WAVES[:, :300])
    assert (rows - by_torch(pad(WAVES[:, :300], (0, 500))).mean(1)).abs().max() < 1e-6


def test_windows_are_scaled_to_their_peak(tmp_path: Path) -> None:
    """Each window for itself; silence stays silence."""
    waves = torch.cat([WAVES[:1, :800] + 0.3, torch.zeros(1, 800)], dim=1)
    rows = EmbeddingFrontend(spec(tmp_path, window=0.1, peak=0.25))(waves)
    centred = WAVES[:1, :800] - WAVES[:1, :800].mean()
    expected = by_torch(0.25 * centred / centred.abs().max()).mean(1) / 2
    assert (rows - expected).abs().max() < 1e-5


def test_a_fixed_length_is_the_window(tmp_path: Path) -> None:
    made = spec(tmp_path, conv_model((1, 800)))
    assert (made.window, made.hop, made.window_samples) == (0.1, 0.1, 800)
    with pytest.raises(SpecError, match=r"takes windows of 800 samples \(0.1 s at 8000 Hz\); got window=0.2"):
        spec(tmp_path, conv_model((1, 800)), window=0.2)


@pytest.mark.long
def test_a_network_that_torch_exports(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Unflatten(1, (1, -1)),
        nn.Conv1d(1, 8, 64, 16),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Conv1d(8, 5, 9, 4),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
    ).eval()
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("samples", min=1000)}
    program = torch.onnx.export(network, (WAVES,), dynamo=True, dynamic_shapes=(axes,), verbose=False)
    assert program is not None
    made = spec(tmp_path, program.model_proto, window=0.25)
    rows = EmbeddingFrontend(made)(WAVES)
    assert made.size == 5
    assert (rows - network(WAVES)).abs().max() < 1e-5


# --- the spec ------------------------------------------------------------------------------------------


def test_the_path_is_not_a_part_of_a_spec(tmp_path: Path) -> None:
    """Two names of one file give one fingerprint; another file another."""
    one = spec(tmp_path)
    shutil.copy(tmp_path / "m.onnx", tmp_path / "again.onnx")
    again = EmbeddingSpec(model=str(tmp_path / "again.onnx"), sample_rate=RATE)
    assert again == one
    assert again.fingerprint == one.fingerprint
    assert str(tmp_path) not in json.dumps(one.to_dict()) + repr(one)
    assert one.sha256 == hashlib.sha256((tmp_path / "m.onnx").read_bytes()).hexdigest()
    assert spec(tmp_path, conv_model(seed=1)).fingerprint != one.fingerprint
    assert dataclasses.replace(one, pooling=("max",)).sha256 == one.sha256


def test_a_stored_spec_names_no_file_to_read(tmp_path: Path) -> None:
    """A store or a run may come from elsewhere: it must not choose what is read."""
    values = spec(tmp_path).to_dict()
    with pytest.raises(SpecError, match="has no field 'model' once it is made"):
        FeatureSpec.from_dict({**values, "model": "/etc/passwd"})


def test_the_rate_is_that_of_the_metadata(tmp_path: Path) -> None:
    model = conv_model(metadata={"audiospec.sample_rate": "16000"})
    assert spec(tmp_path, model, sample_rate=0).sample_rate == 16000
    with pytest.raises(SpecError, match=r"states that it takes waves at 16000 Hz; got sample_rate=8000"):
        spec(tmp_path, model)
    with pytest.raises(SpecError, match="does not state the rate"):
        spec(tmp_path, sample_rate=0)
    with pytest.raises(ModelError, match="state sample_rate = 'fast'; expected a rate"):
        spec(tmp_path, conv_model(metadata={"sample_rate": "fast"}))


def test_without_a_model_the_message_says_what_to_give() -> None:
    with pytest.raises(SpecError, match=r'needs an ONNX model: give `model="FILE\.onnx"`'):
        EmbeddingSpec()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hop": 0.1}, "hop must be none without `window`"),
        ({"window": 0.1, "hop": 0.2}, "hop must be from"),
        ({"window": 0.1, "hop": 0.0001}, "hop must be from"),
        ({"window": 1e6}, "window must be up to"),
        ({"pooling": "mean,mean"}, "pooling must be some of mean, std, max, each once"),
        ({"pooling": "median"}, "pooling must be"),
        ({"peak": 0}, "peak must be above 0"),
        ({"size": 7}, "has 6 columns; got size=7"),
        ({"dtype": "uint8"}, "not in decibels"),
        ({"output": "embeding"}, "did you mean 'embedding'"),
    ],
)
def test_contradictions_are_named(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=reason):
        spec(tmp_path, **changes)


def unstated() -> Any:
    """Return a model that does not state the length of its output."""
    model = conv_model()
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [None, None])
    )
    return model


def test_a_length_that_is_not_stated_is_given_and_checked(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="does not state the length of output 'embedding'"):
        spec(tmp_path, unstated())
    assert EmbeddingFrontend(spec(tmp_path, unstated(), size=COLUMNS))(WAVES).shape == (3, COLUMNS)
    with pytest.raises(
        ModelError, match=r"expected 7 columns of output 'embedding'; .* gives 6: give `size=6`"
    ):
        EmbeddingFrontend(spec(tmp_path, unstated(), size=7))(WAVES)


# --- finding the file again ----------------------------------------------------------------------------


def test_a_model_is_found_after_its_file_is_gone(tmp_path: Path) -> None:
    values = spec(tmp_path).to_dict()
    (tmp_path / "m.onnx").unlink()
    assert EmbeddingFrontend(FeatureSpec.from_dict(values))(WAVES).shape == (3, COLUMNS)


def test_a_folder_of_models_is_searched_by_sha256(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = spec(tmp_path)
    shutil.rmtree(home)
    folder = tmp_path / "models"
    folder.mkdir()
    write_model(folder / "another.onnx", conv_model(seed=1))
    monkeypatch.setenv("AUDIOSPEC_MODELS", str(folder))
    with pytest.raises(ModelError) as caught:
        EmbeddingFrontend(made)
    message = str(caught.value)
    assert f"expected an ONNX model with SHA-256 {made.sha256} in {folder} and {home / 'models'}" in message
    assert "another.onnx has " in message
    assert "set AUDIOSPEC_MODELS" in message
    shutil.copy(tmp_path / "m.onnx", folder / "any name.onnx")
    assert EmbeddingFrontend(made)(WAVES).shape == (3, COLUMNS)
    EmbeddingSpec(model=str(tmp_path / "m.onnx"), sample_rate=RATE)
    assert not home.exists()  # no second copy is kept


def test_a_copy_that_was_changed_is_refused(tmp_path: Path, home: Path) -> None:
    made = spec(tmp_path)
    write_model(home / "models" / f"{made.sha256}.onnx", conv_model(seed=1))
    with pytest.raises(ModelError, match=f"expected an ONNX model with SHA-256 {made.sha256}.*got others"):
        EmbeddingFrontend(made)


def test_another_file_than_the_specs_is_refused(tmp_path: Path) -> None:
    made = spec(tmp_path)
    with pytest.raises(SpecError, match=f"expected a model with SHA-256 '{made.sha256}'; .* has "):
        spec(tmp_path, conv_model(seed=1), sha256=made.sha256)


@pytest.mark.parametrize("changes", [{"size": 5}, {"window": 0.1, "hop": 0.1}, {"output": "frames"}])
def test_a_spec_of_elsewhere_must_fit_the_file(changes: dict[str, Any], tmp_path: Path) -> None:
    values = {**spec(tmp_path, conv_model((1, 2000))).to_dict(), **changes}
    with pytest.raises(
        (ModelError, SpecError), match=r"states 6 columns and windows of 2000|no output 'frames'"
    ):
        EmbeddingFrontend(FeatureSpec.from_dict(values))


# --- parity --------------------------------------------------------------------------------------------


def reference(path: Path, **arrays: Any) -> None:
    np.savez(path / "m.reference.npz", **arrays)


def test_a_reference_is_checked_and_its_difference_kept(tmp_path: Path) -> None:
    exact = by_torch(WAVES[:1]).mean(1).numpy()
    reference(tmp_path, input=WAVES[:1].numpy(), output=exact)
    kernel = EmbeddingKernel(spec(tmp_path))
    assert kernel.reference_difference is not None
    assert 0 < kernel.reference_difference < 1e-6
    assert kernel.parity(2000) >= kernel.reference_difference
    reference(tmp_path, input=WAVES[:1].numpy(), output=exact + 0.02 * exact.max())
    with pytest.raises(ModelError, match=r"differs from its reference .* by 0\.02 .*at most 0\.001"):
        EmbeddingFrontend(spec(tmp_path))
    reference(tmp_path, input=WAVES[:1].numpy(), output=exact * 1.01, tolerance=0.1)
    assert EmbeddingKernel(spec(tmp_path)).reference_difference == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"input": np.zeros((1, 2000))}, "has no array 'output'"),
        ({"input": np.zeros(2000), "output": np.zeros((1, COLUMNS))}, "the model takes rank 2"),
        ({"input": np.zeros((1, 2000)), "output": np.zeros(COLUMNS)}, r"output of shape \(6,\)"),
        (
            {"input": np.zeros((1, 2000)), "output": np.full((1, COLUMNS), np.nan)},
            "differs from its reference",
        ),
        ({"input": np.array([{}]), "output": np.zeros(1)}, "cannot read the reference"),
    ],
)
def test_a_reference_that_does_not_fit_is_refused(
    arrays: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    reference(tmp_path, **arrays)
    with pytest.raises(ModelError, match=reason):
        EmbeddingFrontend(spec(tmp_path))


def test_a_reference_that_unpacks_to_more_than_it_may_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiospec.onnx_files.reference.MOST_REFERENCE", 1 << 20)
    with zipfile.ZipFile(tmp_path / "m.reference.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("input.npy", bytes(2 << 20))
    with pytest.raises(ModelError, match="holds more than"):
        EmbeddingFrontend(spec(tmp_path))


def test_parity_is_the_difference_from_the_graph_in_the_file(tmp_path: Path) -> None:
    assert EmbeddingFrontend(spec(tmp_path)).parity(2000) < 1e-6


# --- models that fail ----------------------------------------------------------------------------------


def ending(op: str, *inputs: str, **weights: Any) -> Any:
    """Return the model with another operator as its output."""
    model = conv_model()
    model.graph.node.append(helper.make_node(op, ["embedding", *inputs], ["out"]))
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items())
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("out", TensorProto.FLOAT, [None, COLUMNS]))
    return model


def test_numbers_that_are_not_finite_are_errors(tmp_path: Path) -> None:
    """Of one file they are that file's problem; of noise, the model's."""
    frontend = EmbeddingFrontend(spec(tmp_path, ending("Div", "none", none=np.float32(0))))
    with pytest.raises(AudioError, match="gives numbers that are not finite"):
        frontend(WAVES)
    with pytest.raises(ModelError, match="gives numbers that are not finite"):
        frontend.parity(2000)


def test_a_window_that_the_model_cannot_compute(tmp_path: Path) -> None:
    frontend = EmbeddingFrontend(spec(tmp_path))
    with pytest.raises(AudioError, match=r"cannot compute an input of shape \(1, 10\)"):
        frontend(WAVES[:, :10])


def test_a_model_that_asks_for_all_memory_fails(tmp_path: Path) -> None:
    """It asks for 2^60 numbers, which no machine has; in a worker far fewer are too many."""
    frontend = EmbeddingFrontend(
        spec(tmp_path, ending("Expand", "large", large=np.array([1 << 60, COLUMNS])))
    )
    with pytest.raises(AudioError, match="cannot compute an input"):
        frontend(WAVES)


def test_a_device_without_a_provider_says_so(tmp_path: Path) -> None:
    frontend = EmbeddingFrontend(spec(tmp_path))
    with pytest.raises(SpecError, match=r"onnxruntime cannot compute on device 'mps'; it has: .*CPU"):
        frontend.kernel_on("mps")


def test_a_cast_to_half_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"was cast to torch\.float16"):
        EmbeddingFrontend(spec(tmp_path)).half()(WAVES)


def test_a_store_gets_the_rows_of_the_frontend(tmp_path: Path) -> None:
    made = spec(tmp_path, pooling="mean,max")
    row = np.empty(made.row_shape(2000), np.float32)
    row_writer(made).write([WAVES[0].numpy()], [row])
    assert np.array_equal(row, EmbeddingFrontend(made)(WAVES[0]).numpy())


def test_numbers_that_float16_cannot_hold_are_errors(tmp_path: Path) -> None:
    made = spec(tmp_path, ending("Mul", "large", large=np.float32(1e7)), dtype="float16")
    row = np.empty(made.row_shape(2000), np.float16)
    with pytest.raises(AudioError, match="which dtype float16 cannot hold"):
        row_writer(made).write([WAVES[0].numpy()], [row])


# --- models that take a spectrogram -----------------------------------------------------------------------


MEL = MelSpec(sample_rate=RATE, n_fft=256, hop_length=80, n_mels=20, fmax=4000, dtype="float32")


def spectrogram_model(*shape: Any) -> Any:
    """Return a model whose embedding is the mean over the frames of a spectrogram, times 2."""
    axis = next(i for i, length in enumerate(shape) if i >= len(shape) - 2 and length != 20)
    nodes = [
        helper.make_node("ReduceMean", ["mel", "axes"], ["mean"], keepdims=0),
        helper.make_node("Add", ["mean", "mean"], ["embedding"]),
    ]
    axes = [i for i in range(len(shape)) if i == axis or (i == 1 and len(shape) == 4)]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("mel", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 20][len(shape) == 2 :])],
        [numpy_helper.from_array(np.array(axes, np.int64), "axes")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize(
    "shape", [(20, "t"), (1, 20, "t"), ("b", "t", 20), (1, 1, 20, "t"), ("b", 1, "t", 20), (1, 26, 20)]
)
def test_a_spectrogram_is_computed_inside(shape: tuple[Any, ...], tmp_path: Path) -> None:
    made = spec(tmp_path, spectrogram_model(*shape), sample_rate=0, frontend=MEL)
    waves = WAVES if made.window is None else WAVES[:, : made.window_samples]
    rows = EmbeddingFrontend(made)(waves)
    expected = 2 * audiospec.frontend(MEL)(waves).mean(2)
    assert (rows - expected).abs().max() < 1e-4
    again = FeatureSpec.from_dict(json.loads(json.dumps(made.to_dict())))
    assert again == made
    assert again.fingerprint == made.fingerprint


def test_the_window_follows_from_the_frames(tmp_path: Path) -> None:
    """26 centred frames every 80 samples need 2000 samples at least."""
    made = spec(tmp_path, spectrogram_model(1, 26, 20), frontend=MEL)
    assert made.window_samples == 2000
    with pytest.raises(SpecError, match=r"takes windows of 26 frames \(0.25 s at 8000 Hz\); got window=0.5"):
        spec(tmp_path, spectrogram_model(1, 26, 20), frontend=MEL, window=0.5)


def test_a_chunk_has_a_frame_at_least(tmp_path: Path) -> None:
    mel = dataclasses.replace(MEL, center=False)
    made = spec(tmp_path, spectrogram_model(1, 20, "t"), frontend=mel)
    assert made.least_samples == 256
    assert EmbeddingFrontend(made)(WAVES[:, :256]).shape == (3, 20)
    with pytest.raises(SpecError, match="255 samples is too short"):
        EmbeddingFrontend(made)(WAVES[:, :255])
    with pytest.raises(SpecError, match="too short for n_fft=256"):
        dataclasses.replace(made, window=0.01)


def test_a_preset_is_a_frontend(tmp_path: Path) -> None:
    """The spectrogram's fields are stored, not the preset's name, which may come to mean another."""
    model = spectrogram_model(1, 1024, 128)
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 128
    made = spec(tmp_path, model, sample_rate=0, frontend="ast")
    assert made.sample_rate == 16000
    assert made.frontend == dataclasses.replace(audiospec.spec("ast"), dtype="float32")
    assert made.window_length == 1024
    assert "frontend" not in spec(tmp_path).to_dict()


@pytest.mark.parametrize(
    ("model", "changes", "reason"),
    [
        (conv_model(), {"frontend": MEL}, r"expected a spectrogram \(batch, 20, frames\)"),
        (spectrogram_model(1, 20, "t"), {}, r"name the preset of its spectrogram by `frontend`"),
        (spectrogram_model(1, 20, "t"), {"frontend": "musi"}, "no preset is called 'musi'"),
        (spectrogram_model(1, 20, "t"), {"frontend": MEL, "sample_rate": 16000}, "that of frontend, 8000 Hz"),
    ],
)
def test_a_spectrogram_that_does_not_fit_is_refused(
    model: Any, changes: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(AudiospecError, match=reason):
        spec(tmp_path, model, **changes)
