"""Presets: each equals its reference; names, changes, and what is refused."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
import torch
from numpy.typing import NDArray

import audiospec
from audiospec.benchmarks.studies.preset_references import REFERENCES, compliance
from audiospec.errors import RegistryError, SpecError
from audiospec.features.base import frontend
from audiospec.specs.base import FeatureSpec
from audiospec.specs.presets.base import preset_of, presets, reference, spec
from audiospec.testing.presets import PresetContract, largest_difference

NAMES = presets.names()


class Contract(PresetContract):
    """The contract with the reference of the study, by the preset's name."""

    def reference(self, wave: NDArray[np.float32]) -> NDArray[Any]:
        return REFERENCES[self.name].compute(wave)


# One class each, as a plug-in has one.
for _name in NAMES:
    _title = f"Test{_name.title().replace('-', '')}"
    globals()[_title] = type(_title, (Contract,), {"name": _name, "__doc__": f"Preset {_name}."})


def test_each_has_a_reference_and_a_bound() -> None:
    assert set(REFERENCES) == set(NAMES)
    for name in NAMES:
        held = reference(name)
        assert held is not None
        assert 0 < held.within <= 0.01


def test_kaldi_is_torchaudios_too() -> None:
    """Kaldi is held to two ports of it, which were written independently."""
    chosen = spec("kaldi")
    wave = (0.1 * np.random.default_rng(1).standard_normal(16000)).astype(np.float32)
    row = frontend(chosen)(torch.from_numpy(wave)).numpy()
    held = reference("kaldi")
    assert held is not None
    assert largest_difference(chosen, row, compliance(wave, num_mel_bins=80)) <= held.within


@pytest.mark.realdata
@pytest.mark.parametrize("name", NAMES)
def test_real_audio_equals_the_reference(name: str, shared_data: Path) -> None:
    """A second of music and of a sound that ends in silence, at the preset's rate."""
    chosen, held = spec(name), reference(name)
    assert held is not None
    for path in ("gtzan-part/genres/rock/rock.00000.*", "esc10/001*/1-100032-A.ogg"):
        (file,) = sorted(shared_data.glob(path))[:1]
        sound, rate = soundfile.read(file, dtype="float32", always_2d=True)
        wave = soxr.resample(sound[:rate].mean(1), rate, chosen.sample_rate)
        wave = np.pad(wave, (0, max(0, chosen.sample_rate - len(wave))))[: chosen.sample_rate]
        row = frontend(chosen)(torch.from_numpy(wave)).numpy()
        assert largest_difference(chosen, row, REFERENCES[name].compute(wave)) <= held.within


def test_the_committed_figures_are_of_these_presets() -> None:
    """Each is within the bound that the test uses; a preset with another bound needs the study again."""
    results = Path(__file__).parents[2] / "benchmarks" / "results" / "presets.json"
    figures = json.loads(results.read_text(encoding="utf-8"))["figures"]["presets"]
    assert [one["preset"] for one in figures] == NAMES
    for one in figures:
        held = reference(one["preset"])
        assert held is not None
        assert (one["reference"], one["bound"]) == (held.name, held.within)
        assert 0 < one["in_range"] <= held.within


def test_a_difference_is_noticed() -> None:
    """The measure has the scale's unit; a row that is wrong anywhere in range is far from its reference."""
    decibels, linear = spec("study"), spec("torchaudio")
    row = np.linspace(-100, 0, 12).reshape(3, 4)
    loud, quiet = row.copy(), row.copy()
    loud[-1, -1] += 2
    quiet[0, 0] += 2  # 100 dB below the largest
    assert largest_difference(decibels, loud, row) == 2
    assert largest_difference(decibels, quiet, row) == 0
    assert largest_difference(decibels, quiet, row, math.inf) == 2
    # Whisper's unit is 40 dB, so 80 dB are 2.
    assert largest_difference(spec("whisper"), quiet / 100, row / 100) == pytest.approx(0.02)
    assert largest_difference(spec("whisper"), quiet / 40, row / 40) == 0
    assert largest_difference(linear, 3 * np.ones((2, 2)), 2 * np.ones((2, 2))) == 0.5
    with pytest.raises(ValueError, match=r"shape \(3, 4\), its reference \(3, 3\)"):
        largest_difference(decibels, row, row[:, :3])


# --- names and changes --------------------------------------------------------------------------------------


def test_the_study_is_the_default() -> None:
    assert audiospec.spec("study") == audiospec.MelSpec()


@pytest.mark.parametrize(
    ("name", "seconds", "shape"),
    [
        ("whisper", 30, (80, 3000)),
        ("whisper-large-v3", 30, (128, 3000)),
        ("vggish", 0.975, (64, 96)),
        ("yamnet", 0.975, (64, 96)),
        ("birdnet-low", 3, (96, 511)),
        ("birdnet-high", 3, (96, 511)),
        ("panns", 10, (64, 1001)),
        ("clap", 10, (64, 1001)),
    ],
)
def test_a_chunk_has_the_shape_that_the_model_reads(
    name: str, seconds: float, shape: tuple[int, int]
) -> None:
    """As the models' authors publish it."""
    chosen = audiospec.spec(name)
    assert chosen.row_shape(round(seconds * chosen.sample_rate)) == shape


def test_a_change_is_converted_and_gives_another_fingerprint() -> None:
    whisper: Any = audiospec.spec("whisper")
    more: Any = audiospec.spec("whisper", n_mels="128")
    assert (whisper.n_mels, more.n_mels) == (80, 128)
    assert more == audiospec.spec("whisper-large-v3")
    assert more.fingerprint != whisper.fingerprint


def test_an_unknown_name_lists_the_choices() -> None:
    with pytest.raises(
        RegistryError, match=r"no preset is called 'wisper'; did you mean 'whisper'.*ast, beats"
    ):
        audiospec.spec("wisper")


def test_a_feature_is_no_preset() -> None:
    with pytest.raises(RegistryError, match=r"'tabular' is a feature.*`features=tabular` computes"):
        audiospec.spec("tabular")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_mel": 64}, "preset 'kaldi' of feature 'mel' has no parameter 'n_mel'; did you mean 'n_mels'"),
        ({"n_mels": "many"}, "parameter n_mels must be a whole number; got 'many'"),
        ({"win_length": 513}, "win_length=513 contradicts n_fft=512"),
        ({"scale": "linear", "dtype": "float16"}, 'scale="linear" needs dtype="float32"'),
    ],
)
def test_an_impossible_change_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        audiospec.spec("kaldi", **changes)


def test_a_preset_that_returns_no_spec_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(presets._entries, "kaldi", dict)
    with pytest.raises(RegistryError, match="preset 'kaldi' returns a dict; expected a spec"):
        audiospec.spec("kaldi")


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_knows_its_preset(name: str) -> None:
    """Whatever it is stored as; a change of the mathematics makes it another."""
    chosen = spec(name)
    assert preset_of(FeatureSpec.from_dict(chosen.to_dict())) == name
    assert preset_of(spec(name, dtype="float32", channel="left")) == name
    assert preset_of(spec(name, hop_length=123)) is None


def test_specs_of_other_features_have_no_preset() -> None:
    assert preset_of(audiospec.TabularSpec()) is None


def test_presets_need_no_heavy_library(python: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    output = python(
        "import sys, audiospec\nfrom audiospec.specs.presets.base import presets\n"
        "print(*[f'{name}: {audiospec.spec(name).sample_rate}' for name in presets])\n"
        "assert not {'torch', 'numpy', 'librosa', 'torchaudio', 'transformers'} & sys.modules.keys()"
    ).stdout
    assert "whisper: 16000" in output
