"""What is damaged in the trials of stores, runs and processes: a folder of sounds, its store, and runs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

import audiospec
from audiospec.audio.chunking import Chunking
from audiospec.manifest import Manifest
from audiospec.pipeline.summary import Report
from audiospec.specs.base import FeatureSpec
from audiospec.stores.layout.view import View
from audiospec.zoo.runs.run import Run

RATE = 8000
#: Suffix of each format of stores.
SUFFIXES = {"zarr": ".zarr", "hdf5": ".h5"}
#: Settings of the network's training, short and with two checkpoints.
EPOCHS = {"epochs": 3, "batch": 8}


def make_music(folder: Path, tracks: int = 8) -> Path:
    """Write tracks of 1.5 to 2.5 s in two classes; return the folder."""
    for number in range(tracks):
        random = np.random.default_rng(number)
        label = ("low", "high")[number % 2]
        time = np.arange(int(RATE * (1.5 + number % 3 / 2))) / RATE
        wave = 0.3 * np.sin(2 * np.pi * (200, 2500)[number % 2] * time)
        path = folder / label / f"{label}{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, wave + 0.05 * random.standard_normal(len(time)), RATE)
    return folder


def views() -> list[tuple[FeatureSpec, Chunking]]:
    """Return the views of the store: spectrograms in two bytes and in one, and columns."""
    half = Chunking(seconds=0.5)
    mel: dict[str, Any] = {"sample_rate": RATE, "n_fft": 256, "hop_length": 128, "n_mels": 8, "fmax": 4000.0}
    return [
        (audiospec.MelSpec(**mel), half),
        (audiospec.MelSpec(**mel, dtype="uint8"), half),
        (
            audiospec.TabularSpec(
                sample_rate=RATE, families=("rms", "mfcc"), n_fft=512, hop_length=128, n_mels=40, n_mfcc=8
            ),
            half,
        ),
    ]


def featurize(
    music: Path, store: Path, *, manifest: Manifest | None = None, count: int = 3, **options: Any
) -> Report:
    """Make the first `count` views of a folder of music, or of a manifest of it."""
    source: dict[str, Any] = {"data": music} if manifest is None else {}
    return audiospec.run(manifest or "folder", views=views()[:count], store=store, **source, **options)


def train(model: str, store: Path, run: Path, **options: Any) -> Run:
    """Train a network or a model of columns on a store."""
    by_kind: dict[str, View] = {}
    for view in audiospec.open_store(store).views():
        by_kind.setdefault(view.spec.kind, view)
    settings = EPOCHS if model.startswith("crnn") else {}
    kind = "spectrogram" if model.startswith("crnn") else "table"
    return audiospec.train(model, by_kind[kind], settings=settings, seed=1, out=run, **options)


def store_content(path: Path) -> str:
    """Return a digest of all that our reader finds in a store."""
    store = audiospec.open_store(path)
    parts: list[Any] = [store.dataset, [repr(track) for track in store.tracks.records()]]
    for view in store.views():
        coordinates = {
            name: (np.asarray(values).tolist(), *rest)
            for name, (values, *rest) in view.info.coordinates().items()
        }
        parts += [
            view.name,
            repr(view.info.to_attributes()),
            repr(coordinates),
            sorted(view.skipped().items()),
        ]
        parts += [_sha(view.rows.tobytes()), _sha(view.read_stored().tobytes()), _sha(view.read().tobytes())]
    return _sha(json.dumps(parts).encode())


def plain_content(path: Path) -> str:
    """Return a digest of all that the format's own library finds in a store: arrays and attributes."""
    parts: dict[str, Any] = {}
    if path.suffix == ".zarr":
        import zarr

        group = zarr.open_group(path, mode="r")
        parts[""] = dict(group.attrs)
        for name, member in group.members(max_depth=None):
            parts[name] = [dict(member.attrs)]
            if isinstance(member, zarr.Array):
                names = member.metadata.dimension_names  # type: ignore[union-attr]
                parts[name] += [str(member.dtype), member.shape, names, _values(member[...])]
    else:
        import h5py

        with h5py.File(path, "r") as file:
            parts[""] = _attributes(file)

            def add(name: str, member: Any) -> None:
                parts[name] = [_attributes(member)]
                if isinstance(member, h5py.Dataset):
                    parts[name] += [str(member.dtype), member.shape, _values(member[...])]

            file.visititems(add)
    return _sha(json.dumps(parts, sort_keys=True, default=repr).encode())


def run_content(path: Path) -> str:
    """Return a digest of all that a run holds, without the times of its training."""
    run = Run(path)
    history = [{name: value for name, value in row.items() if name != "seconds"} for row in run.history()]
    weights = [_sha(file.read_bytes()) for file in sorted(path.glob("model.*"))]
    run.model()
    info = {
        name: value
        for name, value in vars(run.info).items()
        if name not in ("seconds", "date", "made", "store", "created")
    }
    return _sha(json.dumps([repr(sorted(info.items())), run.metrics, history, weights]).encode())


def _attributes(member: Any) -> dict[str, Any]:
    return {name: _values(value) for name, value in member.attrs.items()}


def _values(values: Any) -> Any:
    array = np.asarray(values)
    return array.tolist() if array.dtype == object or array.size < 64 else _sha(array.tobytes())


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
