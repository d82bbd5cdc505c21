"""Small folders of audio, and the contents of a correct store of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import audiospec
from audiospec.audio.reading import STRICT, Reading
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.view import View

#: A spec and a chunking that take a millisecond for a second of audio.
SPEC = audiospec.MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, fmax=4000)
CHUNKING = audiospec.Chunking(seconds=0.5)


def write_track(folder: Path, label: str, number: int, seconds: float = 1.6, rate: int = 8000) -> Path:
    """Write a noisy tone as FLAC; the same for the same arguments."""
    noise = np.random.default_rng([number, sum(label.encode())])
    time = np.arange(round(seconds * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * (200 + 50 * number) * time) + 0.05 * noise.standard_normal(len(time))
    (folder / label).mkdir(parents=True, exist_ok=True)
    path = folder / label / f"{number:03d}.flac"
    soundfile.write(path, wave, rate)
    return path


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Twelve tracks of 1.6 s in three classes: three full chunks and no short one each."""
    for label in ("ant", "bee", "cat"):
        for number in range(4):
            write_track(tmp_path / "music", label, number)
    return tmp_path / "music"


def truth(view: View, folder: Path, reading: Reading = STRICT) -> np.ndarray:
    """Compute the features that the view must have in a plain way: load, cut, transform, row by row."""
    import torch

    from audiospec.audio.recording import load

    frontend = audiospec.frontend(view.spec)
    length = view.chunking.samples(view.spec.sample_rate)
    rows = []
    torch.set_num_threads(1)
    for row in view.rows:
        path = folder / str(view.store.tracks["path"][row["track"]])
        wave = load(path, view.spec.sample_rate, channel=view.spec.channel, reading=reading)
        start = round(float(row["start"]) * view.spec.sample_rate)
        chunk = np.zeros(length, np.float32)
        part = wave[start : start + length]
        chunk[: len(part)] = part
        with torch.inference_mode():
            rows.append(frontend(torch.from_numpy(chunk)).numpy())
    code = view.spec.code
    if code is not None:
        return code.decode(code.encode(np.array(rows)))
    return np.array(rows).astype(view.spec.dtype)


def contents(store: FeatureStore) -> dict[str, object]:
    """Return everything in a store, bit for bit, in a form that compares."""
    values: dict[str, object] = {"tracks": list(store.tracks.records())}
    for view in store.views():
        values[view.name] = (view.read().tobytes(), view.rows.tobytes(), view.info.to_attributes())
    return values


@pytest.fixture
def kit() -> object:
    """The functions and constants above, for test modules (which cannot import a conftest)."""

    class Kit:
        spec = SPEC
        chunking = CHUNKING

    kit = Kit()
    kit.write_track = write_track  # type: ignore[attr-defined]
    kit.truth = truth  # type: ignore[attr-defined]
    kit.contents = contents  # type: ignore[attr-defined]
    return kit
