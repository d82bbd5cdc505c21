"""musicnn: parity with the original graph, windows, the wheel that it reads, and what is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import shutil
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

import audiospec
from audiospec.errors import ModelError, SpecError
from audiospec.features.musicnn import MusicnnFrontend
from audiospec.features.pretrained.musicnn_weights import from_checkpoint, musicnn_weights
from audiospec.specs.base import FeatureSpec
from audiospec.specs.musicnn import SHA256, SPARE, TAGS, WINDOW, MusicnnSpec

HERE = Path(__file__).parent / "musicnn_reference"
INSTALL = r"run `pip install --no-deps musicnn==0\.1\.0` \(ISC licence\)"
REPAIR = r"run `pip install --no-deps --force-reinstall musicnn==0\.1\.0`"


try:
    WHEEL: Path | None = Path(str(distribution("musicnn").locate_file("musicnn")))
except PackageNotFoundError:
    WHEEL = None

needs_wheel = pytest.mark.skipif(WHEEL is None, reason="no weights: pip install --no-deps musicnn==0.1.0")


@pytest.fixture(scope="module")
def reference() -> SimpleNamespace:
    """What the original graph says of `notes`, and the script that made it."""
    spec = importlib.util.spec_from_file_location("musicnn_reference", HERE / "make.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    with np.load(HERE / "reference.npz") as arrays:
        return SimpleNamespace(arrays=dict(arrays), script=script, notes=torch.from_numpy(script.notes()))


# --- parity ----------------------------------------------------------------------------------------------


@needs_wheel
@pytest.mark.parametrize("output", ["penultimate", "tags"])
@pytest.mark.parametrize("weights", ["msd", "mtt"])
def test_equals_the_original_graph(reference: SimpleNamespace, weights: Any, output: Any) -> None:
    frontend = MusicnnFrontend(MusicnnSpec(weights=weights, output=output))
    expected = reference.arrays[f"{weights}_windows_{output}"]
    # The reference has three different windows, whose mean is the row of the whole wave.
    places = frontend.spec.windows(frontend.mel(reference.notes).shape[1])
    assert places == [(first, first + WINDOW) for first in reference.script.STARTS]
    assert np.abs(expected - expected.mean(0)).max() > 0.02
    assert np.abs(frontend(reference.notes).numpy() - expected.mean(0)).max() < 3e-5
    # A chunk that is shorter than a window is one window of its own length.
    short = frontend(reference.notes[: reference.script.SHORT]).numpy()
    assert np.abs(short - reference.arrays[f"{weights}_short_{output}"][0]).max() < 3e-5


@needs_wheel
def test_loud_audio_is_finite() -> None:
    frontend = MusicnnFrontend(MusicnnSpec())
    loud = torch.sign(torch.sin(torch.arange(48000) * 0.05))
    mel = frontend.mel(loud)
    assert mel.max() > np.log10(65504)  # 10000 m is infinite in half precision, as the wheel computes it
    assert frontend(loud).isfinite().all()


@needs_wheel
def test_a_long_chunk_is_the_mean_of_its_windows() -> None:
    noise = torch.randn(2 * 48000 + 8000, generator=torch.Generator().manual_seed(1)) / 10
    frontend = MusicnnFrontend(MusicnnSpec(hop_frames=100))
    mel = frontend.mel(noise)
    places = frontend.spec.windows(mel.shape[1])
    assert len(places) == 4
    with torch.no_grad():
        alone = torch.stack([frontend.network(mel[None, :, first:end])[0] for first, end in places])
    assert torch.allclose(frontend(noise), alone.mean(0), rtol=0, atol=1e-5)
    # On other devices, windows and chunks are computed together.
    waves = torch.stack([noise, noise.flip(0), noise / 2])
    assert torch.allclose(frontend._together(waves, windows=3), frontend(waves), rtol=0, atol=1e-5)


@needs_wheel
@pytest.mark.long
def test_exports_for_any_number_of_chunks() -> None:
    frontend = MusicnnFrontend(MusicnnSpec())
    waves = torch.randn(3, 80000, generator=torch.Generator().manual_seed(2)) / 10
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    exported = torch.export.export(frontend, (waves[:2],), dynamic_shapes=(batch,)).module()
    assert len(frontend.spec.windows(frontend.mel(waves).shape[2])) == 2
    for some in (waves, waves[:1]):
        assert torch.allclose(exported(some), frontend(some), rtol=0, atol=1e-4)


@needs_wheel
def test_does_not_export_for_any_length() -> None:
    """The number of windows is part of what is recorded, so other lengths would lose some in silence."""
    frontend, free = MusicnnFrontend(MusicnnSpec()), torch.export.Dim.DYNAMIC
    with pytest.raises(Exception, match=r"specialized|constant \(80000\)"):
        torch.export.export(frontend, (torch.zeros(2, 80000),), dynamic_shapes=({0: free, 1: free},))


@needs_wheel
def test_tags_are_probabilities_of_what_is_played(reference: SimpleNamespace) -> None:
    spec = MusicnnSpec(weights="mtt", output="tags")
    row = MusicnnFrontend(spec)(reference.notes)
    assert ((row > 0) & (row < 1)).all()
    loudest = [spec.columns[place] for place in row.argsort(descending=True)[:8]]
    assert "metal" not in loudest
    assert {"guitar", "piano", "classical", "slow", "no vocals", "harp"} & set(loudest)


@needs_wheel
def test_the_tags_are_those_of_the_wheel() -> None:
    values: dict[str, Any] = {}
    assert WHEEL is not None
    exec((WHEEL / "configuration.py").read_text(), values)
    assert {"msd": tuple(values["MSD_LABELS"]), "mtt": tuple(values["MTT_LABELS"])} == TAGS


# --- windows and the spec --------------------------------------------------------------------------------


@given(st.integers(1, 3000), st.integers(1, WINDOW))
def test_windows_cover_a_chunk(frames: int, hop: int) -> None:
    windows = MusicnnSpec(hop_frames=hop).windows(frames)
    assert windows[0][0] == 0
    assert {end - first for first, end in windows} == {min(frames, WINDOW)}
    assert 0 <= frames - windows[-1][1] <= SPARE
    steps = [later - first for (first, _), (later, _) in pairwise(windows)]
    assert set(steps[:-1]) <= {hop}
    assert all(0 < step <= hop for step in steps)


def test_windows_of_the_original() -> None:
    # A chunk of 30 s has ten windows, as in the wheel; its last 6 frames are in none.
    assert MusicnnSpec().windows(1876) == [(first, first + 187) for first in range(0, 1870, 187)]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"sample_rate": 22050}, "sample_rate must be 16000 Hz for musicnn; got 22050"),
        ({"hop_frames": 0}, "hop_frames must be from 1 to 187; got 0"),
        ({"hop_frames": 188}, "hop_frames must be from 1 to 187; got 188"),
        ({"weights": "big"}, "weights must be 'msd' or 'mtt'; got 'big'"),
        ({"output": "logits"}, "output must be 'penultimate' or 'tags'; got 'logits'"),
        ({"sha256": "abc"}, "sha256 must be 64 hexadecimal digits; got 'abc'"),
        ({"sha256": SHA256["mtt"]}, 'sha256 is that of weights="mtt"; got weights="msd": leave out `sha256`'),
        ({"dtype": "uint8"}, "stores decibels"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(SpecError, match=reason) as caught:
        MusicnnSpec(**values)
    assert "\n" not in str(caught.value)


def test_the_fingerprint_names_the_weights() -> None:
    specs = [
        MusicnnSpec(),
        MusicnnSpec(weights="mtt"),
        MusicnnSpec(sha256="0" * 64),
        MusicnnSpec(output="tags"),
    ]
    assert len({spec.fingerprint for spec in specs}) == 4
    stored = specs[1].to_dict()
    assert stored["sha256"] == SHA256["mtt"]
    assert FeatureSpec.from_dict(stored) == specs[1]
    assert MusicnnSpec(sha256=SHA256["msd"]) == MusicnnSpec()
    assert not any("/" in str(value) for value in stored.values())


# --- the wheel -------------------------------------------------------------------------------------------


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that installs another wheel before the real one, and returns its folder of MSD."""

    def install(version: str = "0.1.0") -> Path:
        metadata = tmp_path / f"musicnn-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: musicnn\nVersion: {version}\n")
        if WHEEL is not None:
            shutil.copytree(WHEEL / "MSD_musicnn", tmp_path / "musicnn" / "MSD_musicnn")
        monkeypatch.syspath_prepend(str(tmp_path))
        return tmp_path / "musicnn" / "MSD_musicnn"

    return install


def test_a_missing_wheel_gets_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def absent(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.distribution", absent)
    with pytest.raises(ModelError, match=f"in a wheel that is not installed: {INSTALL}$"):
        audiospec.frontend(MusicnnSpec())
    assert MusicnnSpec().columns  # the spec, and stores, need no wheel
    music = tmp_path / "music" / "noise"
    music.mkdir(parents=True)
    soundfile.write(music / "one.wav", np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    views = [(MusicnnSpec(), audiospec.Chunking(seconds=1))]
    with pytest.raises(ModelError, match=INSTALL):
        audiospec.run("folder", data=str(music.parent), views=views, store=tmp_path / "s.zarr", workers=0)


def test_another_version_is_refused(installed: Callable[..., Path]) -> None:
    installed("0.2.0")
    with pytest.raises(ModelError, match=f"expected the wheel musicnn 0.1.0; got 0.2.0: {INSTALL}$"):
        musicnn_weights("msd")


@needs_wheel
@pytest.mark.parametrize("file", [".data-00000-of-00001", ".index"])
def test_other_weights_are_refused(installed: Callable[..., Path], file: str) -> None:
    folder = installed()
    assert musicnn_weights("msd")["tags.bias"].shape == (50,)
    content = bytearray((folder / file).read_bytes())
    before = hashlib.sha256(content)
    content[100] ^= 1
    (folder / file).write_bytes(content)
    after = hashlib.sha256(content)
    expected = f"with SHA-256 {before.hexdigest()}; .* has {after.hexdigest()}: {REPAIR}$"
    with pytest.raises(ModelError, match=expected) as caught:
        audiospec.frontend(MusicnnSpec())
    assert "\n" not in str(caught.value)
    (folder / file).unlink()
    with pytest.raises(ModelError, match=rf"cannot be read \(No such file or directory\): {REPAIR}$"):
        audiospec.frontend(MusicnnSpec())


@needs_wheel
def test_a_spec_of_other_weights_is_refused() -> None:
    spec = dataclasses.replace(MusicnnSpec(), sha256="0" * 64)
    with pytest.raises(ModelError, match=f"SHA-256 {'0' * 64}; .* has {SHA256['msd']}: leave out"):
        audiospec.frontend(spec)


@needs_wheel
def test_a_checkpoint_of_another_network_is_refused() -> None:
    assert WHEEL is not None
    folder = WHEEL / "MSD_vgg"
    with pytest.raises(ModelError, match="has no tensor 'conv2d/kernel'"):
        from_checkpoint((folder / ".index").read_bytes(), (folder / ".data-00000-of-00001").read_bytes())


@needs_wheel
def test_nothing_of_the_wheel_is_run(python: Callable[..., Any]) -> None:
    script = """
import sys
from audiospec.specs.musicnn import MusicnnSpec
spec = MusicnnSpec()
assert "torch" not in sys.modules and "numpy" not in sys.modules
import audiospec
audiospec.frontend(spec)
loaded = {name.partition(".")[0] for name in sys.modules}
assert "torch" in loaded
assert not {"musicnn", "tensorflow", "librosa"} & loaded
"""
    python(script)


# --- from files to a store -------------------------------------------------------------------------------


@needs_wheel
def test_a_store_holds_what_the_frontend_computes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label, seconds in (("long", 4.5), ("short", 1.9)):
        folder = tmp_path / "music" / label
        folder.mkdir(parents=True)
        soundfile.write(folder / "one.wav", rng.normal(0, 0.1, round(16000 * seconds)), 16000)
    spec = MusicnnSpec()
    views = [(spec, audiospec.Chunking(seconds=3, min_fill=0.3))]
    audiospec.run("folder", data=str(tmp_path / "music"), views=views, store=tmp_path / "s.zarr", workers=0)
    view = audiospec.open_store(tmp_path / "s.zarr").view("musicnn")
    assert view.spec == spec
    # A chunk at the end of a track is not padded.
    assert view.rows["seconds"].tolist() == pytest.approx([3, 1.5, 1.9])
    frontend = MusicnnFrontend(spec)
    long, _ = soundfile.read(tmp_path / "music" / "long" / "one.wav", dtype="float32")
    short, _ = soundfile.read(tmp_path / "music" / "short" / "one.wav", dtype="float32")
    for row, wave in zip(view.read(range(3)), (long[:48000], long[48000:], short), strict=True):
        assert np.array_equal(row, frontend(torch.from_numpy(wave)).numpy())
