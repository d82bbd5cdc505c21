"""Networks on waves: the frontend inside, augmentation in training, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor, nn

import audiospec
from audiospec.errors import AudiospecError, ModelError
from audiospec.features.base import one_thread
from audiospec.features.mel import MelFrontend
from audiospec.find import find_view
from audiospec.stores.layout.view import View
from audiospec.zoo.base import Rows, models
from audiospec.zoo.fitting.augmented_waves import WaveAugmentation
from audiospec.zoo.fitting.settings import AUGMENTATIONS, NetworkSettings
from audiospec.zoo.fitting.wave_network import WaveNetwork
from audiospec.zoo.network import NetworkModel
from audiospec.zoo.runs.info import comparable_settings
from audiospec.zoo.runs.run import Run
from audiospec.zoo.targets.frames import Frames

RATE = 8000
WAVES = audiospec.WaveSpec(sample_rate=RATE)
MEL = audiospec.MelSpec(sample_rate=RATE, n_fft=256, n_mels=24, fmax=4000, dtype="float32")
FRONTEND = {"frontend": "mel", "frontend.n_fft": 256, "frontend.n_mels": "24", "frontend.fmax": 4000}
SMALL = {"epochs": 2, "batch": 8, "device": "cpu"}
ALL = {**SMALL, **FRONTEND, "augment": ",".join(AUGMENTATIONS), "mixup": 0.2, "mask_mel": 0.2}


@pytest.fixture(autouse=True)
def single() -> Iterator[None]:
    """Keep torch on one thread, so that a network is the same in every process."""
    with one_thread():
        yield


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> dict[str, View]:
    """Waves and spectrograms of half a second, of 15 tracks in three classes that differ."""
    folder = tmp_path_factory.mktemp("waves")
    draw = np.random.default_rng(0)
    time = np.arange(RATE) / RATE
    for label, hertz in (("low", 200), ("middle", 900), ("high", 3000)):
        (folder / "audio" / label).mkdir(parents=True)
        for number in range(5):
            wave = 0.3 * np.sin(2 * np.pi * hertz * (1 + number / 50) * time)
            wave += 0.02 * draw.standard_normal(len(time))
            soundfile.write(folder / "audio" / label / f"{number:02d}.wav", wave, RATE)
    return {
        spec.feature: audiospec.featurize(
            "folder", data=folder / "audio", spec=spec, chunk=0.5, store=folder / "x.zarr", workers=0
        )
        for spec in (MEL, WAVES)
    }


@pytest.fixture(scope="module")
def augmented(views: dict[str, View], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on waves with all augmentations."""
    with one_thread():
        return trained(views["wave"], tmp_path_factory.mktemp("augmented") / "run", ALL)


def trained(view: View, out: Path, settings: dict[str, Any], **options: Any) -> Run:
    shares = (0.6, 0.2, 0.2)
    return audiospec.train("crnn-base", view, settings=settings, out=out, shares=shares, **options)


def weights(run: Run) -> bytes:
    return (run.path / "model.safetensors").read_bytes()


def losses(run: Run) -> list[dict[str, float]]:
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in run.history()]


# --- the frontend inside -----------------------------------------------------------------------------------


def test_a_network_on_waves_is_that_on_the_features_of_its_frontend(
    views: dict[str, View], tmp_path: Path
) -> None:
    inside = trained(views["wave"], tmp_path / "wave", {**SMALL, **FRONTEND, "mask_time": 0.2})
    stored = trained(views["mel"], tmp_path / "mel", {**SMALL, "mask_time": 0.2})
    assert losses(inside) == losses(stored)
    assert inside.metrics == stored.metrics
    assert inside.info.parameters == stored.info.parameters
    assert weights(inside) == weights(stored)  # also: nothing of the frontend is among them
    model: Any = inside.model()
    assert isinstance(model.net, WaveNetwork)
    # From a file to probabilities, too.
    files = [views["wave"].store.root / "high" / "03.wav"]
    one, two = (next(audiospec.predict(run, files)) for run in (inside, stored))
    assert dataclasses.asdict(one) == dataclasses.asdict(two)


def test_the_run_states_the_whole_spec_of_its_frontend(augmented: Run) -> None:
    stated = json.loads((augmented.path / "run.json").read_text())
    assert stated["settings"]["frontend"] == MEL.to_dict()
    assert stated["spec"] == WAVES.to_dict()
    assert stated["row_shape"] == [RATE // 2]
    assert "mels 24" in (augmented.path / "card.md").read_text()
    model: Any = augmented.model()
    assert model.frontend == MEL
    assert [layer.shape for layer in model.layers()[:2]] == [(24, 16), (24, 16)]


def test_a_run_on_waves_is_evaluated_as_it_was_tested(augmented: Run) -> None:
    test = audiospec.evaluate(augmented).chunk
    assert test.to_dict() == augmented.metrics["test"]["chunk"]


@pytest.mark.parametrize("name", ["crnn-large", "resnet18-gru", "efficientnet-lite0-gru"])
def test_every_network_has_its_frontend(name: str) -> None:
    if name.startswith("efficientnet"):
        pytest.importorskip("efficientnet_lite_pytorch")
    settings = models[name].Settings.replace_in({**FRONTEND, "device": "cpu"}).for_spec(WAVES)
    model: Any = models[name](settings, (RATE,), ["a", "b"])
    features: Any = models[name](
        dataclasses.replace(settings, frontend=None), MEL.row_shape(RATE), ["a", "b"]
    )
    assert [layer[1:] for layer in model.layers()[1:]] == [layer[1:] for layer in features.layers()]
    assert model.training_memory().fixed >= features.training_memory().fixed
    waves = torch.randn(2, RATE, requires_grad=True)
    model.whole_network()(waves).sum().backward()
    assert waves.grad is not None  # for those who ask
    assert waves.grad.abs().sum() > 0


def test_a_frontend_may_be_a_preset() -> None:
    settings = NetworkSettings.replace_in({"frontend": "whisper", "frontend.n_mels": "64"})
    whole = settings.for_spec(audiospec.WaveSpec(sample_rate=16000)).frontend
    assert whole == audiospec.spec("whisper", n_mels=64, dtype="float32").to_dict()


def test_frames_of_a_network_on_waves_are_those_of_its_features() -> None:
    settings = models["crnn-base"].Settings.replace_in(FRONTEND).for_spec(WAVES)
    inside = models["crnn-base"](settings, (RATE,), Frames(["a", "b"]))
    stored = models["crnn-base"](models["crnn-base"].Settings(), MEL.row_shape(RATE), Frames(["a", "b"]))
    assert inside.target.output_shape == stored.target.output_shape != (0, 2)


def test_a_model_reads_spectrograms_unless_it_has_a_frontend(views: dict[str, View]) -> None:
    cls, store = models["crnn-base"], views["mel"].store
    assert cls.reads(MEL)
    assert cls.reads(WAVES)
    assert not models["svm"].reads(WAVES)
    for settings, feature in (({}, "mel"), ({"frontend": "none"}, "mel"), ({"frontend": "mel"}, "wave")):
        assert find_view(store, what=cls.input_with(settings)).spec.feature == feature


class RawNetwork(NetworkModel):
    """A network of another package, which reads the samples themselves."""

    input = "wave"

    def network(self) -> nn.Module:
        layers = (nn.Unflatten(1, (1, -1)), nn.Conv1d(1, 4, 64, 32), nn.Flatten(), nn.Linear(4 * 124, 3))
        return nn.Sequential(*layers)


def test_a_network_may_read_the_samples_themselves(views: dict[str, View]) -> None:
    view = views["wave"]
    settings = RawNetwork.settings_for(NetworkSettings.replace_in({**SMALL, "augment": "gain"}), WAVES)
    model = RawNetwork(settings, view.info.row_shape, view.classes)
    rows = Rows(view, np.arange(len(view)), model.target)
    assert len(model.fit(rows, rows.some(np.arange(6)), seed=0)) == 2
    assert model.predict_proba(view.read([0, 1])).shape == (2, 3)


# --- augmentation ------------------------------------------------------------------------------------------


def test_only_training_rows_are_augmented(
    views: dict[str, View], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before: list[Tensor] = []
    after: list[Tensor] = []
    computed: list[Tensor] = []
    augment, compute = WaveAugmentation.__call__, MelFrontend.compute

    def augmenting(self: WaveAugmentation, waves: Tensor, seed: Any) -> Tensor:
        before.append(waves)
        after.append(augment(self, waves, seed))
        return after[-1]

    def computing(self: MelFrontend, waves: Tensor) -> Tensor:
        computed.append(waves.clone())
        return compute(self, waves)

    monkeypatch.setattr(WaveAugmentation, "__call__", augmenting)
    monkeypatch.setattr(MelFrontend, "compute", computing)
    view = views["wave"]
    run = trained(view, tmp_path / "run", {**SMALL, **FRONTEND, "augment": "gain", "augment_share": 1})
    rows = {row.tobytes(): number for number, row in enumerate(view.read())}

    def numbers(batches: list[Tensor]) -> set[int]:
        return {rows.get(wave.tobytes(), -1) for batch in batches for wave in batch.numpy()}

    sides = {side: set[int]() for side in ("train", "valid", "test")}
    for track in run.tracks():
        sides[track.side] |= set(view.rows_of(track.known.track).tolist())
    assert numbers(before) == sides["train"]
    assert numbers(after) == {-1}
    # All else that the network sees, in validation and for its scores, are rows as they are stored.
    augmented = {wave.tobytes() for batch in after for wave in batch.numpy()}
    others = [batch for batch in computed if not {wave.tobytes() for wave in batch.numpy()} & augmented]
    assert numbers(others) == sides["train"] | sides["valid"] | sides["test"]


def test_a_resumed_training_has_the_same_bits(views: dict[str, View], augmented: Run, tmp_path: Path) -> None:
    def stop(entry: dict[str, float]) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        trained(views["wave"], tmp_path / "run", ALL, progress=stop)
    random.random()  # what else draws, must not matter
    torch.rand(3)
    run = trained(views["wave"], tmp_path / "run", ALL, resume=True)
    assert losses(run) == losses(augmented)
    assert weights(run) == weights(augmented)


def test_the_seed_decides_what_is_drawn() -> None:
    waves = torch.randn(6, RATE, generator=torch.Generator().manual_seed(0)) / 10
    change = WaveAugmentation(NetworkSettings.replace_in({"augment": AUGMENTATIONS}), RATE)
    states = random.getstate(), torch.get_rng_state()
    original, one = waves.clone(), change(waves, (0, 1, 0, 2))
    assert torch.equal(waves, original)
    assert random.getstate() == states[0]
    assert torch.equal(torch.get_rng_state(), states[1])
    random.seed(5)
    torch.manual_seed(5)
    assert torch.equal(change(waves, (0, 1, 0, 2)), one)
    for other in ((1, 1, 0, 2), (0, 2, 0, 2), (0, 1, 1, 2), (0, 1, 0, 3)):  # seed, epoch, process, batch
        assert not torch.equal(change(waves, other), one)
    assert one.shape == waves.shape
    assert one.dtype == torch.float32
    assert one.isfinite().all()
    assert change(torch.zeros(3, RATE), (0,)).isfinite().all()  # silence


def changed(waves: Tensor, **settings: Any) -> Tensor:
    values = {"augment_share": 1, **settings}
    return WaveAugmentation(NetworkSettings.replace_in(values), RATE)(waves, (0,))


def decibels(ratio: Tensor) -> Tensor:
    return 20 * torch.log10(ratio)


def test_each_augmentation_stays_in_its_range() -> None:
    waves = torch.randn(40, RATE, generator=torch.Generator().manual_seed(0)) / 10
    level = waves.square().mean(1).sqrt()
    gains = decibels(changed(waves, augment="gain", gain="-9,-3").square().mean(1).sqrt() / level)
    assert -9.01 < gains.min() < -8
    assert -4 < gains.max() < -2.99
    noise = changed(waves, augment="noise", noise=(10, 20)) - waves
    ratio = decibels(level / noise.square().mean(1).sqrt())
    assert 9.9 < ratio.min() < 11.5
    assert 18.5 < ratio.max() < 20.1
    ramp = torch.arange(float(RATE)).repeat(40, 1)
    shifts = changed(ramp, augment="shift", shift="-0.25,0.1").argmin(1)
    shifts = torch.where(shifts > RATE // 2, shifts - RATE, shifts)
    assert -0.25 * RATE <= shifts.min() < -0.2 * RATE
    assert 0.05 * RATE < shifts.max() <= 0.1 * RATE
    tone = torch.sin(2 * np.pi * 1000 * torch.arange(RATE) / RATE).repeat(8, 1)
    hertz = torch.fft.rfft(changed(tone, augment="pitch", pitch="-4,4")).abs().argmax(1)
    assert {round(12 * np.log2(one / 1000), 1) for one in hertz.tolist()} == {-3.9, 3.9}


def test_rooms_decay_within_their_reverberation_time_and_keep_the_energy() -> None:
    waves = torch.randn(20, 2 * RATE, generator=torch.Generator().manual_seed(0)) / 10
    wet = changed(waves, augment="room", room="0.2,0.21")
    assert (wet != waves).any(1).all()
    torch.testing.assert_close(wet.square().sum(1), waves.square().sum(1))
    click = torch.zeros(20, RATE)
    click[:, 0] = 1
    energy = changed(click, augment="room", room="0.2,0.21").square()
    assert (energy[:, 0] == energy.amax(1)).all()  # the direct sound is first
    tail = energy[:, 1:].mean(0)
    early, late = (tail[int(one * RATE) : int((one + 0.04) * RATE)].mean() for one in (0.01, 0.11))
    assert float(decibels((early / late).sqrt())) == pytest.approx(30, abs=1.5)  # 60 dB in 0.2 s


def test_the_share_is_the_part_of_the_rows_that_change() -> None:
    waves = torch.randn(400, 200, generator=torch.Generator().manual_seed(0))
    for name in ("gain", "noise", "shift", "room"):
        share = float((changed(waves, augment=name, augment_share=0.25) != waves).any(1).float().mean())
        assert 0.18 < share < 0.32


@pytest.mark.long
def test_two_processes_augment_their_own_rows(views: dict[str, View], tmp_path: Path) -> None:
    one, other = (trained(views["wave"], tmp_path / name, {**ALL, "devices": 2}) for name in ("a", "b"))
    assert weights(one) == weights(other)


# --- what is refused, and runs of before -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("feature", "settings", "reason"),
    [
        ("wave", {}, 'through a frontend; got none: choose one with `frontend="mel"`$'),
        ("wave", {"frontend": "mell"}, "parameter frontend must be .* did you mean 'mel'"),
        (
            "wave",
            {"frontend": 3},
            "the name of a feature or preset, a spec, or none: got 3$",
        ),
        ("wave", {"frontend": "mel"}, "fmax must be at most 4000 Hz"),
        ("wave", {"frontend": "mel", "frontend.n_melz": 3}, "'mel' has no parameter 'n_melz'.*'n_mels'"),
        (
            "wave",
            {"frontend.n_mels": 3},
            "frontend.n_mels is of a frontend that has a name; got None",
        ),
        ("wave", {"frontend": audiospec.MelSpec()}, "is at 22050 Hz; the waves are at 8000 Hz: featurize"),
        ("wave", {"frontend": "whisper"}, "frontend mel is at 16000 Hz; the waves are at 8000 Hz: featurize"),
        ("wave", {"frontend": "tabular"}, "computes 'spectrogram' rows .* 'tabular' has 'table' rows"),
        ("wave", {"frontend": "wave"}, "feature 'wave' has 'wave' rows"),
        ("wave", {**FRONTEND, "frontend.channel": "left"}, "reads waves of one channel; got channel 'left'"),
        ("wave", {**FRONTEND, "augment": "gian"}, "names of augmentations; got 'gian'; did you mean 'gain'"),
        (
            "wave",
            {**FRONTEND, "gain": "3,-3"},
            "gain must be two numbers from -60 to 60, the lower",
        ),
        ("wave", {**FRONTEND, "gain": "3"}, "parameter gain must be two numbers; got '3'"),
        ("wave", {**FRONTEND, "augment_share": 0}, "parameter augment_share must be above 0, at most 1"),
        (
            "wave",
            {**FRONTEND, "augment": "pitch", "pitch": "0.1,0.2"},
            "no pitch from 0.1 to 0.2 semitones",
        ),
        ("mel", {"frontend": "mel"}, "parameter frontend is for a view of waves; got 'spectrogram' rows"),
        (
            "mel",
            {"augment": "gain,noise"},
            "augment is for a view of waves; got 'spectrogram' rows",
        ),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(
    views: dict[str, View], tmp_path: Path, feature: str, settings: dict[str, Any], reason: str
) -> None:
    with pytest.raises(AudiospecError, match=reason) as caught:
        trained(views[feature], tmp_path / "run", {**SMALL, **settings})
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_rows_are_not_shifted_away_from_labels_in_time() -> None:
    settings = NetworkSettings.replace_in({**FRONTEND, "augment": "gain,shift"})
    with pytest.raises(ModelError, match="'shift' would move sounds away from labels in time: leave"):
        settings.for_target(Frames)


def test_a_missing_library_has_its_line(
    views: dict[str, View], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch_audiomentations", None)
    with pytest.raises(ModelError, match=r"not installed: pip install 'audiospec\[augment\]'"):
        trained(views["wave"], tmp_path / "run", {**SMALL, **FRONTEND, "augment": "gain"})


def test_a_field_of_a_frontend_is_not_searched(views: dict[str, View], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"parameter frontend\.n_mels can be given, but not searched"):
        trained(
            views["wave"],
            tmp_path / "run",
            {**SMALL, "frontend": "mel"},
            search={"frontend.n_mels": [16, 24]},
        )


def test_settings_survive_json_and_earlier_runs_are_the_same() -> None:
    settings = NetworkSettings.replace_in(ALL).for_spec(WAVES)
    stated = json.loads(json.dumps(dataclasses.asdict(settings)))
    assert NetworkSettings.replace_in(stated) == settings
    # The values that earlier runs do not state are the defaults.
    default = json.loads(json.dumps(dataclasses.asdict(NetworkSettings())))
    earlier = {"epochs": 100, "mixup": 0.0}
    added = {name for name in default if name not in comparable_settings(default)}
    assert added == {"balance", "frontend", "augment", "augment_share", "noise_decay", *AUGMENTATIONS}
    assert comparable_settings({**earlier, **{name: default[name] for name in added}}) == comparable_settings(
        earlier
    )
    assert comparable_settings(stated)["augment"] == stated["augment"]
