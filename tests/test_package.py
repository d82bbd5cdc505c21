"""The package as a user installs it: one import name, light imports, public names that exist."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import audiospec

ROOT = Path(__file__).parent.parent
#: At the top of the repository; all but the first are inside it once installed.
FOLDERS = ("audiospec", "benchmarks", "cli", "zoo")


def test_the_wheel_owns_one_import_name(tmp_path: Path) -> None:
    for name in FOLDERS:
        shutil.copytree(
            ROOT / name,
            tmp_path / "src" / name,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__", "results"),
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / "src")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
            *("--wheel-dir", str(tmp_path), str(tmp_path / "src")),
        ],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"audiospec"}
    for folder in FOLDERS:
        inside = "audiospec" if folder == "audiospec" else f"audiospec/{folder}"
        for file in (ROOT / folder).rglob("*.py"):
            path = file.relative_to(ROOT / folder).as_posix()
            if not path.startswith(tuple(f"{name}/" for name in FOLDERS)) or folder != "audiospec":
                assert f"{inside}/{path}" in names
    assert "audiospec/py.typed" in names
    for file in (ROOT / "zoo" / "data").rglob("*.*"):
        assert f"audiospec/zoo/{file.relative_to(ROOT / 'zoo').as_posix()}" in names
    assert "audiospec/zoo/data/gtzan-filtered/train.txt" in names


def test_public_names_are_there_and_importing_them_is_light() -> None:
    for name in audiospec.__all__:
        assert getattr(audiospec, name).__doc__
    script = (
        "import sys, audiospec; audiospec.MelSpec(); audiospec.Chunking(seconds=1); "
        "heavy = ('torch', 'zarr', 'h5py', 'numpy', 'soundfile', 'matplotlib'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
