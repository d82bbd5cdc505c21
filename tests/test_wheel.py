"""A wheel that is built here, installed where there is no compiler, and no torch either."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import audiospec
from audiospec.compiled import library
from audiospec.testing.audio import noise, write

pytestmark = pytest.mark.long

ROOT = Path(__file__).parent.parent
#: Removes packages from what can be imported; others find that they are not installed.
HIDE = """
import sys

class Hidden:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {"lightning", "nnAudio2", "torch", "torchaudio", "torchvision"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Return a function that runs Python with arguments where the wheel is, and returns its output."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("audiospec", "benchmarks", "cli", "zoo"):
        ignored = shutil.ignore_patterns("__pycache__", "results", "*.so")
        shutil.copytree(ROOT / name, folder / "source" / name, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(folder / "source")]
    subprocess.run([*pip, *build], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    if wheel.name.endswith("-none-any.whl"):
        pytest.skip("no C compiler: the wheel has no compiled kernels")
    assert "-cp311-abi3-" in wheel.name

    place = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    packages = Path(
        sysconfig.get_path("purelib", vars={"base": str(place), "platbase": str(place)}, scheme="venv")
    )
    # What audiospec needs is the one that these tests use; an editable audiospec is not among it.
    (packages / "needs.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    (packages / "sitecustomize.py").write_text(HIDE, encoding="utf-8")
    interpreter = place / "bin" / "python"
    install = ["--python", str(interpreter), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*pip, *install], check=True, capture_output=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def run(*arguments: str | Path, cwd: Path) -> str:
        done = subprocess.run(
            [interpreter, *arguments],
            cwd=cwd,
            env=clean | {"PATH": str(place / "bin")},  # without a compiler
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


def test_it_is_the_wheel_that_is_imported(installed: Callable[..., str], tmp_path: Path) -> None:
    script = (
        "import importlib.util as u, audiospec.compiled.library as l; "
        "print(l.library().__file__, l.instruction_sets()); print(u.find_spec('torch'))"
    )
    with pytest.raises(AssertionError, match="No module named 'torch'"):
        installed("-c", script, cwd=tmp_path)
    output = installed("-c", script.partition("; print(u.")[0], cwd=tmp_path)
    assert "environment" in output.split()[0]
    if library.library() is not None:
        assert output.rstrip().endswith(str(library.instruction_sets()))


def test_its_kernels_pass_their_tests(installed: Callable[..., str], tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tests" / "compiled", tmp_path / "tests" / "compiled")
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path / "tests")
    options = ("-q", "-p", "no:cacheprovider", "--rootdir", tmp_path)
    names = ("test_log_mel.py", "test_arguments.py")
    output = installed(
        "-m", "pytest", *options, *(tmp_path / "tests" / "compiled" / name for name in names), cwd=tmp_path
    )
    assert " passed" in output
    assert "skipped" not in output


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_a_store_of_mel_has_the_rows_of_this_machine(
    installed: Callable[..., str], tmp_path: Path, dtype: str
) -> None:
    for number in range(4):
        write(tmp_path / "music" / "ab"[number % 2] / f"{number}.wav", noise(2.2, 22050, seed=number), 22050)
    installed(
        *("-m", "audiospec", "featurize", "folder", "--data", tmp_path / "music", "--features", "mel"),
        *("--chunk", "1", "--dtype", dtype, "--workers", "2", "--store", tmp_path / "there.zarr"),
        cwd=tmp_path,
    )
    there = audiospec.open_store(tmp_path / "there.zarr").view("mel")
    here = audiospec.featurize(
        "folder", data=tmp_path / "music", spec=there.spec, chunk=1, store=tmp_path / "here.zarr", workers=0
    )
    rows, expected = there.read(), here.read()
    assert rows.shape == expected.shape
    assert len(rows) == 8
    if library.library() is not None:
        assert rows.tobytes() == expected.tobytes()
    else:  # torch rounds otherwise: a step of float16 near 100 dB, or of the byte code
        np.testing.assert_allclose(rows.astype(np.float64), expected.astype(np.float64), rtol=0, atol=0.6)
