"""Views of cqt, gammatone and mfcc: in a store, in pictures and the explorer, and under a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import audiospec
from audiospec import Chunking, CqtSpec, GammatoneSpec, MfccSpec
from audiospec.explorer.spectrograms import picture_of
from audiospec.features.base import one_thread
from audiospec.render import spectrogram as picture
from audiospec.stores.base import FeatureStore, open_store

RATE = 8000
CQT = CqtSpec(sample_rate=RATE, fmin=55, n_bins=64, hop_length=200, dtype="uint8")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """Notes of 220 Hz and of 880 Hz, eight of each."""
    folder = tmp_path_factory.mktemp("notes")
    time = np.arange(RATE) / RATE
    random = np.random.default_rng(0)
    for name, hertz in (("low", 220), ("high", 880)):
        (folder / name).mkdir()
        for number in range(8):
            wave = 0.3 * np.sin(2 * np.pi * hertz * time) + 0.01 * random.standard_normal(RATE)
            soundfile.write(folder / name / f"{name}{number}.wav", wave, RATE)
    specs = (
        CQT,
        GammatoneSpec(sample_rate=RATE, n_fft=512, hop_length=200, n_bins=32),
        MfccSpec(sample_rate=RATE, n_fft=512, hop_length=200, n_mels=40, n_mfcc=13),
    )
    audiospec.run(
        "folder",
        data=folder,
        views=[(spec, Chunking(seconds=1)) for spec in specs],
        store=folder / "notes.zarr",
        workers=0,
    )
    return open_store(folder / "notes.zarr")


def test_the_store_says_what_the_axes_are(store: FeatureStore) -> None:
    view = store.view("cqt")
    assert view.spec == CQT
    assert view.shape == (16, 64, 41)
    assert view.info.made["parity"] < 0.01
    assert view.info.axis_attributes()["bin"] == {"long_name": "centre of the bin", "units": "Hz"}
    assert store.view("mfcc").info.axis_attributes()["coefficient"] == {
        "long_name": "number of the coefficient"
    }


@pytest.mark.parametrize(("name", "hertz"), [("low3", 220), ("high5", 880)])
@pytest.mark.parametrize("feature", ["cqt", "gammatone"])
def test_a_note_is_at_its_frequency_in_the_picture(
    store: FeatureStore, feature: str, name: str, hertz: float
) -> None:
    view = store.view(feature)
    figure = picture.draw(view, name)
    strongest = int(np.asarray(figure.axes[0].images[0].get_array())[:, 20].argmax())
    assert view.spec.coordinates(RATE)["bin"][0][strongest] == pytest.approx(hertz, rel=0.1)
    label, ticks = picture.first_axis(view)
    assert label == figure.axes[0].get_ylabel() == "frequency (Hz)"
    # Octaves: 55 to 2093 Hz of the CQT have more of them than the gammatone filters have space for.
    assert {"125", "250", "500", "1000", "2000"} <= set(ticks) or feature == "gammatone"
    low, high = float(ticks["250"]), float(ticks["1000"])
    assert (low < strongest < high) == (hertz == 880)


def test_octaves_are_evenly_spaced_on_the_axis_of_a_cqt(store: FeatureStore) -> None:
    _, ticks = picture.first_axis(store.view("cqt"))
    places = [ticks[hertz] for hertz in ("62.5", "125", "250", "500", "1000", "2000")]
    assert np.allclose(np.diff(places), 12, atol=0.01)


def test_coefficients_are_numbered(store: FeatureStore) -> None:
    view = store.view("mfcc")
    assert picture.first_axis(view) == ("coefficient", {str(n): float(n) for n in range(0, 13, 2)})
    row = view.read(0)
    low, high = picture.colour_limits(view.spec, row)
    assert (low, high) == (row[1:].min(), row[1:].max())  # the zeroth is the loudness
    assert row[0].min() < low
    figure = picture.draw(view, "low0")
    assert figure.axes[0].get_ylabel() == "coefficient"
    assert picture_of(view, 0).startswith(b"\x89PNG")


@pytest.mark.parametrize("feature", ["cqt", "mfcc"])
def test_a_network_reads_them(store: FeatureStore, feature: str, tmp_path: Path) -> None:
    settings = {"epochs": 1, "batch": 4, "device": "cpu"}
    with one_thread():
        run = audiospec.train("crnn-base", store.view(feature), settings=settings, out=tmp_path / "run")
        (prediction,) = audiospec.predict(run, [store.path.parent / "low" / "low0.wav"])
    assert run.spec == store.view(feature).spec
    assert prediction.problem == ""
    assert sorted(prediction.classes) == ["high", "low"]
