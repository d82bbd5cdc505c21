"""A run that computes only mel, on a CPU with the extension, needs no torch: neither its workers nor it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiospec.compiled import library as compiled
from audiospec.stores.base import open_store

HIDDEN = ("torch", "torchaudio", "torchvision", "lightning", "nnAudio2", "triton")
#: Raises in the command and in its workers, which are started with the same environment.
SITE = f"""
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HIDDEN}:
            raise ImportError(f"{{name}} is hidden")
sys.meta_path.insert(0, Hide())
"""


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Notes with a beat over noise, in several rates, formats and numbers of channels."""
    folder = tmp_path_factory.mktemp("music")
    random = np.random.default_rng(0)
    files = (("a/0.wav", 22050, 1), ("a/1.flac", 44100, 2), ("b/0.ogg", 32000, 2), ("b/1.wav", 16000, 1))
    for name, rate, channels in files:
        time = np.arange(round(5.3 * rate)) / rate
        notes = sum(np.sin(2 * np.pi * hertz * time) for hertz in (110, 277, 660, 1760))
        sound = 0.1 * notes * np.exp(-8 * (time % 0.5)) + 0.01 * random.standard_normal(len(time))
        (folder / name).parent.mkdir(exist_ok=True)
        soundfile.write(folder / name, np.stack([sound] * channels, 1), rate)
    return folder


@pytest.fixture
def hidden(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which torch cannot be imported."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
    path = [str(tmp_path / "site"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}


def featurize(music: Path, store: Path, env: dict[str, str], *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "audiospec", "featurize", "folder", "--data", str(music)]
    command += ["--store", str(store), "--chunk", "2", "--workers", "2", "--json", *more]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def files_of(store: Path) -> dict[str, bytes]:
    return {str(file.relative_to(store)): file.read_bytes() for file in store.rglob("*") if file.is_file()}


@pytest.mark.skipif(bool(compiled.reason_missing()), reason=f"native: {compiled.reason_missing()}")
@pytest.mark.parametrize(
    "more",
    [
        (),
        pytest.param(("--dtype", "uint8"), marks=pytest.mark.long),
        pytest.param(("--backend", "native", "--n-fft", "1024", "--n-mels", "64"), marks=pytest.mark.long),
    ],
    ids=str,
)
def test_the_store_is_that_of_a_machine_with_torch(
    more: tuple[str, ...], music: Path, hidden: dict[str, str], tmp_path: Path
) -> None:
    assert subprocess.run([sys.executable, "-c", "import torch"], env=hidden, capture_output=True).returncode
    stores = []
    for name, env in (("with", dict(os.environ)), ("without", hidden)):
        done = featurize(music, tmp_path / name / "s.zarr", env, *more)
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["problems"] == {}
        stores.append(files_of(tmp_path / name / "s.zarr"))
    assert len(stores[0]) > 20
    assert stores[0] == stores[1]
    (view,) = open_store(tmp_path / "without" / "s.zarr").views()
    assert len(view) == 12
    assert view.info.made["backend"] == "native"
    assert view.info.made["parity"] < 0.001
    assert view.info.made["versions"]["torch"]  # of the installation


def test_another_backend_says_what_is_missing(music: Path, hidden: dict[str, str], tmp_path: Path) -> None:
    done = featurize(music, tmp_path / "s.zarr", hidden, "--n-fft", "1000", "--n-mels", "40")
    assert done.returncode == 2
    assert "torch is hidden" in done.stdout
    more = ("--n-fft", "1000", "--n-mels", "40", "--backend", "native")
    done = featurize(music, tmp_path / "s.zarr", hidden, *more)
    assert done.returncode == 2
    (line,) = done.stdout.splitlines()
    reason = "n_fft must be a power of 2 from 64 to 8192; got 1000: choose another --backend, or none"
    assert json.loads(line)["message"].startswith(f"backend 'native': {reason}")
    assert not (tmp_path / "s.zarr").exists()


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        (
            "audiospec.engines._worker_process, audiospec.pipeline.worker",
            (*HIDDEN, "zarr", "h5py", "typer", "rich", "filelock", "sklearn", "pandas", "importlib.metadata"),
        ),
        (
            "audiospec.cli, audiospec.pipeline.featurize, audiospec.pipeline.repair, audiospec.stores.zarr, "
            "audiospec.stores.hdf5, audiospec.features.native.mel, audiospec.features.rows.writing",
            (*HIDDEN, "sklearn", "pandas"),
        ),
    ],
    ids=["worker", "parent"],
)
def test_importing_loads_no_torch(
    modules: str, heavy: tuple[str, ...], python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    script = f"import sys, {modules}; print([name for name in {heavy} if name in sys.modules])"
    assert python(script).stdout.strip() == "[]"


@pytest.mark.skipif(bool(compiled.reason_missing()), reason=f"native: {compiled.reason_missing()}")
def test_computing_a_row_loads_no_torch(python: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    script = (
        "import sys, numpy as np; from audiospec.features.rows.writing import row_writer; "
        "from audiospec.specs.base import FeatureSpec; "
        "spec = FeatureSpec.from_dict({'feature': 'mel', 'version': 1}); writer = row_writer(spec); "
        "row = np.empty(spec.row_shape(22050), spec.dtype); "
        "writer.write([np.zeros(22050, np.float32)], [row]); assert writer.parity(22050) < 0.001; "
        f"print(writer.backend, [name for name in {(*HIDDEN, 'importlib.metadata')} if name in sys.modules])"
    )
    assert python(script).stdout.strip() == "native []"
