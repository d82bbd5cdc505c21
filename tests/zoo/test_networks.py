"""The networks: what they see of a spectrogram, how they stop, and how they are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import audiospec
from audiospec.errors import ModelError
from audiospec.stores.base import View
from audiospec.zoo.base import Rows, models
from audiospec.zoo.models._crnn import Crnn
from audiospec.zoo.models.crnn_base import BLOCKS

NETWORKS = ("crnn-base", "crnn-large")
RATE = 8000
SPEC = audiospec.MelSpec(sample_rate=RATE, n_fft=256, hop_length=256, n_mels=24, fmax=4000)


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    """Spectrograms of half a second, of 30 tracks in three classes that differ."""
    folder = tmp_path_factory.mktemp("networks")
    random = np.random.default_rng(0)
    time = np.arange(RATE) / RATE
    for label, hertz in (("low", 200), ("middle", 900), ("high", 3000)):
        (folder / "audio" / label).mkdir(parents=True)
        for number in range(10):
            wave = 0.3 * np.sin(2 * np.pi * hertz * (1 + number / 50) * time)
            wave += 0.02 * random.standard_normal(len(time))
            soundfile.write(folder / "audio" / label / f"{number:02d}.wav", wave, RATE)
    return audiospec.featurize(
        "folder", data=folder / "audio", spec=SPEC, chunk=0.5, store=folder / "x.zarr", workers=0
    )


def test_a_network_learns_and_says_how(view: View, tmp_path: Path) -> None:
    seen: list[dict[str, float]] = []
    run = audiospec.train(
        "crnn-base", view, settings={"epochs": 6, "batch": 8}, out=tmp_path / "run", progress=seen.append
    )
    assert run.metrics["test"]["chunk"]["accuracy"] > 0.8
    assert [entry["epoch"] for entry in seen] == [0, 1, 2, 3, 4, 5]
    assert seen[-1]["train_loss"] < seen[0]["train_loss"]
    lines = (run.path / "history.csv").read_text().splitlines()
    assert lines[0] == "epoch,train_accuracy,train_loss,valid_accuracy,valid_loss"
    assert len(lines) == 7
    for name in ("curves.png", "confusion.png"):
        assert (run.path / name).read_bytes().startswith(b"\x89PNG")
    assert run.info.parameters == sum(
        weights.numel() for weights in Crnn(24, BLOCKS, 3, dropout=0).parameters()
    )
    assert run.info.split["shares"] == [0.8, 0.1, 0.1]
    song = view.store.root / "high" / "03.wav"
    (prediction,) = audiospec.predict(run, [song])
    assert prediction.classes[0] == "high"


def test_the_best_epoch_is_kept_and_patience_ends_it(view: View, tmp_path: Path) -> None:
    # At such a rate the loss goes up and down.
    settings = {"epochs": 40, "patience": 2, "batch": 8, "learning_rate": 0.05}
    run = audiospec.train("crnn-base", view, settings=settings, out=tmp_path / "run", seed=1)
    lines = [line.split(",") for line in (run.path / "history.csv").read_text().splitlines()[1:]]
    losses = [float(line[-1]) for line in lines]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 2 < 40
    from audiospec.split import split

    made = split(view, seed=1, shares=(0.8, 0.1, 0.1))
    rows = Rows(view, made.valid, run.info.classes)
    probabilities = run.model().predict_proba(rows.read())
    loss = -np.log(probabilities[np.arange(len(rows)), rows.targets]).mean()
    assert loss == pytest.approx(losses[best], rel=1e-4)


def test_a_seed_is_one_network(view: View, tmp_path: Path) -> None:
    rows = view.read([0, 5, 9]).astype(np.float32)
    found = []
    for number, seed in enumerate((3, 3, 4)):
        run = audiospec.train(
            "crnn-base", view, settings={"epochs": 1}, seed=seed, out=tmp_path / str(number)
        )
        found.append(run.model().predict_proba(rows))
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("mels", "frames", "classes"), [(192, 87, 10), (128, 1, 2), (1, 1, 2), (7, 300, 3), (40, 16, 50)]
)
def test_any_number_of_bins_frames_and_classes(name: str, mels: int, frames: int, classes: int) -> None:
    cls = models[name]
    made = cls(cls.Settings(), (mels, frames), [f"{n:02d}" for n in range(classes)])
    net = made.network().eval()  # type: ignore[attr-defined]
    with torch.inference_mode():
        assert net(torch.randn(2, mels, frames)).shape == (2, classes)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_top_third_of_192_bins_counts(name: str) -> None:
    # Pools of 2, 4, 4 and 4 leave one row and a half of 192; dropping the half would drop bins 128 to 191.
    torch.manual_seed(0)
    cls = models[name]
    net = cls(cls.Settings(), (192, 64), ["a", "b"]).network().eval()  # type: ignore[attr-defined]
    rows = torch.randn(1, 192, 64, requires_grad=True)
    net(rows)[0, 0].backward()
    assert rows.grad is not None
    heard = rows.grad.abs().sum((0, 2))
    assert (heard > 0).all()
    assert heard[160:].sum() > 0.05 * heard.sum()


def test_weights_are_safetensors(view: View, tmp_path: Path) -> None:
    from safetensors import safe_open

    run = audiospec.train("crnn-base", view, settings={"epochs": 1}, out=tmp_path / "run")
    with safe_open(run.path / "model.safetensors", "pt") as file:
        assert "norm.weight" in file.keys()  # noqa: SIM118 (it is no mapping)
    made = models["crnn-base"](models["crnn-base"].Settings(), (23, 16), ["a", "b"])
    with pytest.raises(ModelError, match=r"model\.safetensors cannot be read .*size mismatch"):
        made.load(run.path)
    with pytest.raises(ModelError, match=r"model\.safetensors cannot be read"):
        made.load(tmp_path)
    said = json.loads((run.path / "run.json").read_text())
    assert said["settings"]["epochs"] == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "parameter epochs must be at least 1; got 0"),
        ({"dropout": 1}, "parameter dropout must be from 0 to below 1; got 1.0"),
        ({"learning_rate": "fast"}, "parameter learning_rate must be a finite number; got 'fast'"),
        ({"epoch": 1}, "model 'crnn-base' has no parameter 'epoch'; did you mean 'epochs'"),
        ({"learning_rate": 1e30}, "loss is not finite in epoch [01]: lower learning_rate"),
    ],
    ids=["epochs", "dropout", "text", "unknown", "diverges"],
)
def test_what_is_refused(view: View, tmp_path: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        audiospec.train("crnn-base", view, settings=settings, out=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_there_must_be_rows_to_stop_by(view: View, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no validation rows to stop by"):
        audiospec.train("crnn-base", view, shares=(0.8, 0, 0.2), out=tmp_path / "run")
