"""A feature with axes of its own, and a model that reads it: one file, and no change of ours."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from audiospec.testing.audio import noise, tone, write

PLUGIN = '''
"""Statistics of parts of blocks: rows of (block, part, statistic)."""

from dataclasses import dataclass

import numpy as np
import torch

from audiospec.features.base import Frontend
from audiospec.specs.base import FeatureSpec, features, require_samples
from audiospec.zoo.base import models
from audiospec.zoo.network import NetworkModel


@dataclass(frozen=True, kw_only=True)
class CubeSpec(FeatureSpec, feature="cube"):
    """Blocks of a chunk.

    Parameters
    ----------
    block : int
        Samples of a block.
    parts : int
        How many it is cut into.
    """

    dims, unit = ("block", "part", "statistic"), ""

    block: int = 1000
    parts: int = 4

    def validate(self):
        pass

    def row_shape(self, samples):
        require_samples(samples, self.block)
        return (samples // self.block, self.parts, 2)

    def coordinates(self, samples):
        starts = [number * self.block / self.sample_rate for number in range(samples // self.block)]
        return {
            "block": (starts, "s"),
            "part": ([float(part) for part in range(self.parts)], ""),
            "statistic": (["change", "power"], ""),
        }


@features.register(name="cube")
class Cube(Frontend):
    """cube: statistics of parts of blocks."""

    spec_class, backends = CubeSpec, ("plain",)

    def parity(self, samples):
        return 0.0

    def __init__(self, spec, *, backend=None):
        super().__init__(spec, backend=backend)
        self.register_buffer("one", torch.ones(()), persistent=False)

    def compute(self, waves):
        blocks, parts, _ = self.spec.row_shape(waves.shape[1])
        waves = waves.to(self.one.dtype)[:, : blocks * self.spec.block].unflatten(1, (blocks, parts, -1))
        return torch.stack([waves.diff(dim=-1).square().mean(-1), waves.square().mean(-1)], dim=-1)


@dataclass(frozen=True, kw_only=True)
class HeightSpec(FeatureSpec, feature="height"):
    """Quantiles of a chunk's samples: a row of one axis, which is no table."""

    dims, unit = ("share",), ""

    def validate(self):
        pass

    def row_shape(self, samples):
        require_samples(samples, 1)
        return (3,)

    def coordinates(self, samples):
        return {"share": ([0.1, 0.5, 0.9], "")}


@features.register(name="height")
class Height(Frontend):
    """height: quantiles of a chunk's samples."""

    spec_class, backends = HeightSpec, ("plain",)

    def parity(self, samples):
        return 0.0

    def compute(self, waves):
        return waves.quantile(torch.tensor([0.1, 0.5, 0.9]), dim=1).T


@models.register(name="cube-net")
class CubeNet(NetworkModel):
    """cube-net: one dense layer."""

    input = "cube"

    def network(self):
        flat = torch.nn.Flatten()
        return torch.nn.Sequential(flat, torch.nn.Linear(int(np.prod(self.row_shape)), len(self.classes)))
'''


HEAD = """
import sys
sys.path.insert(0, sys.argv[1])
"""

Python = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of one file, with two features and a model."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "cubes.py").write_text(PLUGIN)
    info = folder / "cubes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cubes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[audiospec.features]\ncube = cubes:Cube\nheight = cubes:Height\n"
        "[audiospec.models]\ncube-net = cubes:CubeNet\n"
    )
    return folder


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight tracks in two classes."""
    folder = tmp_path_factory.mktemp("music")
    for number in range(4):
        write(folder / "low" / f"{number}.wav", tone(2.4, 8000, hertz=200 + 9 * number), 8000)
        write(folder / "hiss" / f"{number}.wav", noise(2.4, 8000, level=0.2, seed=number), 8000)
    return folder


@pytest.mark.long
def test_it_goes_through_every_command(site: Path, music: Path, tmp_path: Path, python: Python) -> None:
    script = (
        HEAD
        + """
import os
os.chdir(sys.argv[3])
import numpy as np, xarray
import audiospec
from audiospec import cli
from audiospec.specs.base import FeatureSpec


def call(line, status=0):
    sys.argv = ["audiospec", *line.split()]
    print(">", line, flush=True)
    got = cli.main()
    assert got == status, (line, got)


music = sys.argv[2]
call("features cube")
call(f"featurize folder --data {music} --features cube,height --sample-rate 8000 --chunk 1 --store m.zarr"
     " --workers 0")
call("store info m.zarr")
call("store verify m.zarr")
call("store export m.zarr m.h5")
call("store verify m.h5")

store, copy = audiospec.open_store("m.zarr"), audiospec.open_store("m.h5")
for name, dims in (("cube", ("block", "part", "statistic")), ("height", ("share",))):
    view = store.view(name)
    assert view.spec.kind == "other"
    assert view.spec == FeatureSpec.from_dict(view.spec.to_dict())
    assert copy.view(name).read().tobytes() == view.read().tobytes()
    held = xarray.open_zarr("m.zarr", group=f"views/{view.name}")["data"]
    assert held.dims == ("row", *dims)
    assert np.array_equal(held.values, view.read())
view = store.view("cube")
assert view.shape == (16, 8, 4, 2), view.shape
held = xarray.open_zarr("m.zarr", group=f"views/{view.name}")
assert held["statistic"].values.tolist() == ["change", "power"]

# Damage is found and mended.
shard = next(file for file in sorted((store.path / "views" / view.name / "data").rglob("*")) if file.is_file()
             and file.name != "zarr.json")
data = bytearray(shard.read_bytes())
data[5] ^= 1
shard.write_bytes(data)
call("store verify m.zarr", 1)
call("store verify m.zarr --repair --workers 0")
assert audiospec.open_store("m.zarr").view("cube").read().tobytes() == copy.view("cube").read().tobytes()

# It is neither a table nor a picture, and says so.
call("table export m.zarr --out x.csv", 2)
call(f"table export m.zarr --view {view.name} --out x.csv", 2)
call(f"show m.zarr low/0.wav --view {view.name}", 2)

# A model reads it; others do not.
call("models cube-net --chunk 1")
call("train svm --store m.zarr", 2)
call("train crnn-base --store m.zarr", 2)
call("train cube-net --store m.zarr --set epochs=2 --set device=cpu --shares 0.5,0.25,0.25")
(run,) = os.listdir("runs")
call(f"evaluate runs/{run}")
call(f"predict runs/{run} {music}/low/0.wav")
assert audiospec.Run("runs/" + run).spec == view.spec
"""
    )
    done = python(script, site, music, tmp_path)
    assert re.search(r"cube-1s-\w+: 16 rows checked, all as written", done.stdout)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert [line.partition("; ")[0].removeprefix("error: ") for line in errors[:2]] == [
        "expected a table of features"
    ] * 2
    assert "cannot be drawn: expected spectrograms" in errors[2]
    assert [line.partition("; ")[0] for line in errors[3:]] == [
        "error: svm reads a table of features",
        "error: crnn-base reads a spectrogram",
    ]
    assert "audiospec featurize --features mel" in errors[4]
