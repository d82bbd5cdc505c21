"""The installed package: one import name, light imports, and documented public names."""

from __future__ import annotations

import ast
import inspect
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import audiospec
from audiospec.testing.audio import noise, write

ROOT = Path(__file__).parent.parent
#: Folders at the top of the repository; all but the first are sub-packages of it once installed.
FOLDERS = ("audiospec", "benchmarks", "cli", "zoo")


def test_the_wheel_has_one_import_name(tmp_path: Path) -> None:
    for name in FOLDERS:
        shutil.copytree(
            ROOT / name,
            tmp_path / "src" / name,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__", "results"),
        )
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / "src")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
            *("--wheel-dir", str(tmp_path), str(tmp_path / "src")),
        ],
        check=True,
        capture_output=True,
        env={**os.environ, "CC": "no-compiler"},  # compiling takes half a minute; see tests/test_wheel.py
    )
    (wheel,) = tmp_path.glob("*-py3-none-any.whl")
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


def test_public_names_exist_and_their_import_is_light() -> None:
    for name in audiospec.__all__:
        assert getattr(audiospec, name).__doc__
    assert dir(audiospec) == sorted({*audiospec.__all__, "__version__"})
    script = (
        "import sys, audiospec; audiospec.MelSpec(); audiospec.Chunking(seconds=1); "
        "audiospec.TabularSpec(), audiospec.TableSpec(columns=('a',)); "
        "heavy = ('torch', 'zarr', 'h5py', 'numpy', 'soundfile', 'matplotlib', 'pandas', 'sklearn', "
        "'obstore', 'distributed'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_type_checkers_see_every_public_name() -> None:
    tree = ast.parse(Path(audiospec.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    declared = {
        alias.name: str(node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert declared == {name: f"audiospec.{home}" for name, home in audiospec._HOMES.items()}
    assert sorted(declared) == sorted(audiospec.__all__)


def test_functions_and_results_are_public() -> None:
    assert {
        *("run", "repair", "split", "import_table", "export_table", "read_table"),
        *("Report", "PlannedView", "Split", "TableSpec", "FeatureTable", "Evaluation", "Prediction"),
    } <= {*audiospec.__all__}
    with pytest.raises(AttributeError, match="module 'audiospec' has no attribute 'nothing'"):
        audiospec.nothing  # noqa: B018


@pytest.mark.parametrize("name", audiospec.__all__)
def test_public_names_are_documented(name: str) -> None:
    """A docstring has a summary line, then numpy sections for parameters, results and errors."""
    thing = getattr(audiospec, name)
    text = inspect.getdoc(thing) or ""
    first, _, rest = text.partition("\n")
    assert first.endswith(".")
    assert not rest.strip() or rest.startswith("\n")
    sections = dict(re.findall(r"^(\w+)\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", text + "\n", re.MULTILINE | re.DOTALL))
    if not inspect.isfunction(thing):
        assert {"Parameters", "Attributes"} & {*sections} or issubclass(thing, Exception)
        return
    entries = re.findall(r"^(\w[\w, ]*) : ", sections["Parameters"], re.MULTILINE)
    entries += re.findall(r"^(\w+)$", sections["Parameters"], re.MULTILINE)
    documented = [each for names in entries for each in names.split(", ")]
    assert documented == list(inspect.signature(thing).parameters)
    assert sections["Raises"].strip()
    returns = inspect.signature(thing).return_annotation
    assert returns == "None" or {"Returns", "Yields"} & {*sections}


def test_several_views_from_one_decode_by_public_names_alone(tmp_path: Path) -> None:
    """Featurize, export, import, split, damage and repair, with names of `audiospec` only."""
    for number in range(4):
        write(tmp_path / "music" / "ab"[number % 2] / f"{number}.wav", noise(2.2, 8000, seed=number), 8000)
    chunking = audiospec.Chunking(seconds=1)
    tabular = audiospec.TabularSpec(sample_rate=8000, families=("rms", "zero_crossing_rate"))
    mel = audiospec.MelSpec(sample_rate=8000, n_mels=8, n_fft=512, fmax=4000)
    store = tmp_path / "m.zarr"
    options: dict[str, Any] = {"data": tmp_path / "music", "store": store, "workers": 0}
    views = [(tabular, chunking), (mel, chunking)]
    planned = audiospec.run("folder", views=views, dry_run=True, **options)
    assert isinstance(planned, audiospec.Report)
    assert (planned.views, store.exists()) == ([], False)
    assert all(isinstance(view, audiospec.PlannedView) for view in planned.planned)
    report = audiospec.run("folder", views=views, **options)
    assert [view.spec for view in report.views] == [tabular, mel]
    table, spectrograms = report.views
    assert (report.tracks, report.problems, len(table), len(spectrograms)) == (4, {}, 8, 8)

    audiospec.export_table(table, tmp_path / "t.csv")
    read = audiospec.read_table(tmp_path / "t.csv", columns="all")
    assert isinstance(read, audiospec.FeatureTable)
    imported = audiospec.import_table(read, tmp_path / "t.zarr", chunk=1, sample_rate=8000)
    assert isinstance(imported.spec, audiospec.TableSpec)
    assert imported.read().tobytes() == table.read().tobytes()

    split = audiospec.split(spectrograms, shares=(0.5, 0, 0.5))
    assert isinstance(split, audiospec.Split)
    assert sorted([*split.train, *split.test]) == list(range(8))

    before = spectrograms.read()
    shard = store / "views" / spectrograms.name / "data" / "c" / "0" / "0" / "0"
    data = bytearray(shard.read_bytes())
    data[9] ^= 1
    shard.write_bytes(data)
    damaged = audiospec.open_store(store).view(spectrograms.name).damaged().tolist()
    assert len(damaged) == 1
    audiospec.repair(audiospec.open_store(store), {spectrograms.name: damaged}, workers=0)
    assert audiospec.open_store(store).view(spectrograms.name).read().tobytes() == before.tobytes()
