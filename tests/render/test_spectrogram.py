"""Pictures: axes, colours, positions of chunks, literal names."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import audiospec
from audiospec import Chunking, MelSpec
from audiospec.errors import StoreError
from audiospec.render import spectrogram as picture
from audiospec.stores.layout.view import View

RATE = 22050
NAME = r"$a_b^{c} \frac.wav"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of 5 s from 100 Hz to 8 kHz, and half a second of noise."""
    folder = tmp_path_factory.mktemp("sound") / "x_$y"
    folder.mkdir()
    time = np.arange(5 * RATE) / RATE
    sweep = np.sin(2 * np.pi * 100 * 5 / np.log(80) * (80 ** (time / 5) - 1))
    soundfile.write(folder / NAME, sweep / 2, RATE)
    soundfile.write(folder / "long.wav", np.random.default_rng(0).standard_normal(7 * RATE) / 9, RATE)
    return folder


def featurize(folder: Path, store: Path, chunk: Chunking, **spec: object) -> View:
    return audiospec.featurize(
        "folder", data=folder, store=store, chunk=chunk, workers=0, spec=MelSpec(**spec)
    )


@pytest.fixture(scope="module")
def view(folder: Path) -> View:
    return featurize(folder, folder.parent / "plain.zarr", Chunking(seconds=2))


@pytest.fixture(scope="module")
def overlapping(folder: Path) -> View:
    return featurize(folder, folder.parent / "hop.zarr", Chunking(seconds=2, hop=0.5, min_fill=0))


def image(figure) -> np.ndarray:
    return np.asarray(figure.axes[0].images[0].get_array())


def sweep_at(figure) -> np.ndarray:
    """Return, for each column, the sweep's frequency in Hz at its centre and the frequency in the picture."""
    drawn = figure.axes[0].images[0]
    start, end, _, _ = drawn.get_extent()
    values = image(figure)
    times = start + (np.arange(values.shape[1]) + 0.5) * (end - start) / values.shape[1]
    centres = np.array(MelSpec().mel_edges[1:-1])
    return np.stack([100 * 80 ** (times / 5), centres[values.argmax(0)]])


@pytest.mark.parametrize("name", ["view", "overlapping"])
def test_every_moment_is_drawn_once_at_its_position(request, name: str) -> None:
    figure = picture.draw(request.getfixturevalue(name), NAME)
    start, end, low, high = figure.axes[0].images[0].get_extent()
    assert (start, end) == (0, 5)
    assert (low, high) == (-0.5, 191.5)
    assert image(figure).shape == (192, round(5 * RATE / 256))
    true, drawn = sweep_at(figure)
    inner = slice(20, -40)  # the ends of the sweep are reflected
    assert np.abs(np.log2(drawn / true))[inner].max() < 0.25


def test_one_chunk(view: View) -> None:
    figure = picture.draw(view, NAME, 1)
    assert figure.axes[0].images[0].get_extent()[:2] == [2, 4]
    assert np.array_equal(image(figure), view.read(view.rows_of(NAME)[1])[:, :172].astype(np.float32))
    assert figure.axes[0].get_title("right") == f"{view.name}, chunk 1 of 0 to 2"


def test_the_padded_end_is_not_drawn(view: View) -> None:
    assert view.rows["seconds"][view.rows_of(NAME)[2]] == 1
    assert picture.draw(view, NAME, 2).axes[0].images[0].get_extent()[:2] == [4, 5]


def test_frequency_labels_are_at_their_bins(view: View) -> None:
    axis = picture.draw(view, "long").axes[0]
    labels = [text.get_text() for text in axis.get_yticklabels()]
    assert {"250", "500", "1000", "2000", "4000", "8000"} <= set(labels)
    centres = view.info.coordinates()["mel"][0]
    for position, label in zip(axis.get_yticks(), labels, strict=True):
        if label != "8000":
            assert np.interp(position, range(192), centres) == pytest.approx(float(label), abs=0.01)
    assert dict(zip(labels, axis.get_yticks(), strict=True))["8000"] == 192
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("time (s)", "frequency (Hz)")


def test_a_narrow_range_has_frequency_labels(folder: Path) -> None:
    spec = {"n_mels": 8, "fmin": 1100.0, "fmax": 1600.0}
    view = featurize(folder, folder.parent / "narrow.zarr", Chunking(seconds=2), **spec)
    labels = [text.get_text() for text in picture.draw(view, "long").axes[0].get_yticklabels()]
    assert len(labels) >= 3
    assert all(1100 <= int(label) <= 1600 for label in labels)


def test_colours_end_80_db_below_the_peak(view: View) -> None:
    figure = picture.draw(view, NAME)
    low, high = figure.axes[0].images[0].get_clim()
    assert high == image(figure).max()
    assert low == high - 80
    assert figure.axes[0].images[0].get_cmap().name == "magma"
    assert figure.axes[1].get_ylabel() == "dB"


def test_linear_values_begin_at_zero(folder: Path) -> None:
    view = featurize(
        folder, folder.parent / "linear.zarr", Chunking(seconds=2), scale="linear", dtype="float32"
    )
    figure = picture.draw(view, NAME)
    assert figure.axes[0].images[0].get_clim()[0] == 0
    assert figure.axes[1].get_ylabel() == "power"


def test_names_are_drawn_literally(view: View, tmp_path: Path) -> None:
    figure = picture.draw(view, NAME)
    title = figure.axes[0].title
    left = figure.axes[0]._left_title
    assert figure.axes[0].get_title("left") == f"{NAME} · x_$y"
    assert not left.get_parse_math()
    assert title is not None
    picture.save(figure, tmp_path / "x.svg")  # mathtext would fail on \frac


def test_a_long_track_is_sampled(view: View, monkeypatch) -> None:
    monkeypatch.setattr(picture, "MAX_COLUMNS", 50)
    figure = picture.draw(view, NAME)
    assert image(figure).shape == (192, 50)
    true, drawn = sweep_at(figure)
    assert np.abs(np.log2(drawn / true))[2:-4].max() < 0.25


def test_pyplot_has_no_figures(view: View, tmp_path: Path) -> None:
    picture.save(picture.draw(view, NAME), tmp_path / "x.png")
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_invalid_requests_are_refused(view: View, tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(StoreError, match=r"has chunks 0 to 2 .* got 3"):
        picture.draw(view, NAME, 3)
    with pytest.raises(StoreError, match="has no track"):
        picture.draw(view, "gone")
    with pytest.raises(StoreError, match=r"expected a name that ends in .*png"):
        picture.save(picture.draw(view, NAME), tmp_path / "x.doc")
    monkeypatch.setattr(MelSpec, "kind", "other")
    with pytest.raises(
        StoreError, match=r"cannot be drawn: expected spectrograms, feature 'mel' has rows of \(mel, frame\)"
    ):
        picture.draw(view, NAME)
