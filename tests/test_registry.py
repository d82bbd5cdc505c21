"""Registries: names without imports, entry points, and clashes that are told."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from audiospec.errors import RegistryError
from audiospec.registry import Registry

Python = Callable[..., "subprocess.CompletedProcess[str]"]

GROUP = "audiospec.test-plants"
ENTRY = '''"""{doc}

More about it.
"""

from plants.base import plants


@plants.register
class {name}:
    pass
'''


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that packages are imported from; what came from it is forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) is None or str(tmp_path) in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def plants(on_path: Path) -> Registry[type]:
    """A registry over a package of four modules, two of which hold entries."""
    package = on_path / "plants"
    package.mkdir()
    (package / "__init__.py").write_text('"""Plants."""\n')
    (package / "base.py").write_text(
        '"""No entry."""\n\nfrom audiospec.registry import Registry\n\n'
        f'plants = Registry("plant", "plants", "{GROUP}")\n'
    )
    (package / "_soil.py").write_text('"""No entry."""\n')
    (package / "red_rose.py").write_text(ENTRY.format(doc="Red-rose: a flower.", name="RedRose"))
    (package / "oak.py").write_text(ENTRY.format(doc="oak: a tree: tall.", name="Oak"))
    importlib.invalidate_caches()
    registry: Registry[type] = importlib.import_module("plants.base").plants
    return registry


def distribution(folder: Path, name: str, module: str, *points: str, group: str = GROUP) -> None:
    """Install a fake distribution: one module and its entry points."""
    (folder / f"{name}.py").write_text(module)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n" + "\n".join(points) + "\n")
    importlib.invalidate_caches()


def test_names_are_modules_and_nothing_is_imported(plants: Registry[type]) -> None:
    assert plants.names() == ["oak", "red-rose"]
    assert list(plants) == plants.names()
    assert "oak" in list(plants)
    assert plants.summary("oak") == "a tree: tall."
    assert not {"plants.oak", "plants.red_rose"} & sys.modules.keys()


def test_an_entry_is_imported_when_it_is_asked_for(plants: Registry[type]) -> None:
    assert plants["red-rose"].__name__ == "RedRose"
    assert "plants.red_rose" in sys.modules
    assert "plants.oak" not in sys.modules
    assert plants["red-rose"] is plants["red-rose"]


def test_a_summary_is_the_first_line_without_the_name(plants: Registry[type]) -> None:
    assert plants.summary("red-rose") == "a flower."
    assert plants.summary("oak") == "a tree: tall."


def test_an_unknown_name_lists_the_choices_and_the_nearest(plants: Registry[type]) -> None:
    with pytest.raises(RegistryError) as caught:
        plants["red_rose"]
    assert str(caught.value) == (
        "no plant is called 'red_rose'; did you mean 'red-rose'? (there are: oak, red-rose)"
    )
    assert isinstance(caught.value, LookupError)
    with pytest.raises(RegistryError, match=r"^no plant is called 'xyzzy' \(there are: oak, red-rose\)$"):
        plants["xyzzy"]
    for name in ("base", "_soil", "-soil", "", "OAK.", "oak.py", "../oak"):
        with pytest.raises(RegistryError, match="no plant is called"):
            plants[name]
        with pytest.raises(RegistryError, match="no plant is called"):
            plants.summary(name)


def test_an_empty_registry_says_so(on_path: Path) -> None:
    (on_path / "nothing").mkdir()
    (on_path / "nothing" / "__init__.py").touch()
    registry: Registry[type] = Registry("thing", "nothing", "audiospec.test-nothing")
    assert registry.names() == []
    with pytest.raises(RegistryError, match=r"no thing is called 'x' \(there are: none\)"):
        registry["x"]


def test_a_module_that_registers_nothing_is_told(plants: Registry[type], on_path: Path) -> None:
    (on_path / "plants" / "weed.py").write_text('"""weed: forgot the decorator."""\n')
    importlib.invalidate_caches()
    assert plants.names() == ["oak", "red-rose", "weed"]
    with pytest.raises(RegistryError, match=r"module plants\.weed registers no plant 'weed'.*`register`"):
        plants["weed"]


def test_two_entries_in_one_module_are_refused(plants: Registry[type], on_path: Path) -> None:
    more = "\n\n@plants.register\nclass Second:\n    pass\n"
    (on_path / "plants" / "ivy.py").write_text(ENTRY.format(doc="ivy: climbs.", name="Ivy") + more)
    importlib.invalidate_caches()
    with pytest.raises(RegistryError, match=r"'ivy' is registered twice, by plants\.ivy and by plants\.ivy"):
        plants["ivy"]


def test_registering_again_is_no_harm(plants: Registry[type]) -> None:
    oak = plants["oak"]
    assert plants.register(oak) is oak
    assert plants["oak"] is oak


def test_entry_points_add_to_the_names(plants: Registry[type], on_path: Path) -> None:
    module = 'class Fern:\n    """fern: grows in the shade."""\n\n    size = 3\n'
    distribution(on_path, "greenhouse", module, "fern = greenhouse:Fern")
    assert plants.names() == ["fern", "oak", "red-rose"]
    assert "greenhouse" not in sys.modules
    assert plants["fern"].size == 3  # type: ignore[attr-defined]
    assert plants.summary("fern") == "grows in the shade."


def test_an_entry_point_may_use_the_decorator(plants: Registry[type], on_path: Path) -> None:
    module = ENTRY.format(doc="fern: grows.", name="Fern")
    distribution(on_path, "fern", module, "fern = fern:Fern")
    assert plants["fern"].__module__ == "fern"
    assert plants["fern"] is plants["fern"]


def test_another_groups_entry_points_are_not_ours(plants: Registry[type], on_path: Path) -> None:
    distribution(on_path, "greenhouse", "Fern = 1\n", "fern = greenhouse:Fern", group="other")
    assert plants.names() == ["oak", "red-rose"]


def test_an_entry_point_cannot_take_a_modules_name(plants: Registry[type], on_path: Path) -> None:
    distribution(on_path, "forest", "class Oak: pass\n", "oak = forest:Oak")
    for use in (plants.names, lambda: plants["red-rose"], lambda: plants["oak"], lambda: list(plants)):
        with pytest.raises(RegistryError, match=r"plant 'oak' of forest:Oak is taken already by plants"):
            use()


def test_two_distributions_cannot_share_a_name(plants: Registry[type], on_path: Path) -> None:
    distribution(on_path, "greenhouse", "class Fern: pass\n", "fern = greenhouse:Fern")
    distribution(on_path, "jungle", "class Fern: pass\n", "fern = jungle:Fern")
    with pytest.raises(RegistryError, match=r"'fern' of \w+:Fern is taken already by \w+:Fern: uninstall"):
        plants.names()


def test_one_distribution_found_twice_is_one(
    plants: Registry[type], on_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any
) -> None:
    # As with an editable install beside an egg-info folder.
    other = tmp_path_factory.mktemp("other")
    for folder in (on_path, other):
        distribution(folder, "greenhouse", "class Fern: pass\n", "fern = greenhouse:Fern")
    monkeypatch.syspath_prepend(other)
    assert plants.names() == ["fern", "oak", "red-rose"]


@pytest.mark.parametrize("first", ["theirs", "ours"])
def test_the_decorator_cannot_take_a_modules_name(plants: Registry[type], on_path: Path, first: str) -> None:
    (on_path / "garden").mkdir()
    (on_path / "garden" / "__init__.py").touch()
    (on_path / "garden" / "oak.py").write_text(ENTRY.format(doc="oak: theirs.", name="Oak"))
    importlib.invalidate_caches()
    if first == "ours":
        plants["oak"]
    with pytest.raises(RegistryError, match=r"'oak' is registered twice, by plants\.oak and by garden\.oak"):
        importlib.import_module("garden.oak")
    assert plants["oak"].__module__ == "plants.oak"


def test_an_entry_that_does_not_import_raises_its_own_error(plants: Registry[type], on_path: Path) -> None:
    distribution(on_path, "broken", "import no_such_module_anywhere\n", "bud = broken:Bud")
    assert "bud" in plants.names()
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        plants["bud"]


def test_the_real_registries_list_without_importing(python: Python) -> None:
    script = """
import sys
from audiospec.registry import Registry
for kind in ("dataset", "feature", "store"):
    registry = Registry(kind, f"audiospec.{kind}s", f"audiospec.{kind}s")
    for name in registry:
        print(kind, name, registry.summary(name), sep="\\t")
heavy = "torch zarr h5py soundfile librosa nnAudio2 requests pooch matplotlib".split()
loaded = [name for name in heavy if name in sys.modules]
folders = {"audiospec.datasets", "audiospec.features", "audiospec.stores"}
loaded += [name for name, module in sys.modules.items() if name.rpartition(".")[0] in folders
           and not hasattr(module, "__path__") and name.rpartition(".")[2] != "base"]
assert not loaded, loaded
"""
    lines = [line.split("\t") for line in python(script).stdout.splitlines()]
    names = {(kind, name) for kind, name, _ in lines}
    assert {
        ("dataset", "gtzan"),
        ("dataset", "esc10"),
        ("dataset", "fsdd"),
        ("dataset", "folder"),
        ("dataset", "csv"),
        ("dataset", "demo"),
        ("feature", "mel"),
        ("store", "zarr"),
        ("store", "hdf5"),
    } <= names
    for kind, name, summary in lines:
        assert summary, (kind, name)
        assert not summary.lower().startswith(f"{name}:")


def test_a_feature_of_another_package(python: Python, tmp_path: Path) -> None:
    module = '''
from dataclasses import dataclass

import torch

from audiospec.features.base import Frontend
from audiospec.specs.base import FeatureSpec, features


@dataclass(frozen=True, kw_only=True)
class LoudSpec(FeatureSpec, feature="loud"):
    hop: int = 100

    def validate(self):
        pass

    dims, unit = ("frame",), ""

    def row_shape(self, samples):
        return (samples // self.hop,)

    def coordinates(self, samples):
        return {"frame": ([0.0] * (samples // self.hop), "s")}


@features.register
class Loud(Frontend):
    """loud: the root mean square of blocks."""

    spec_class, backends = LoudSpec, ("plain",)

    def parity(self, samples):
        return 0.0

    def compute(self, waves):
        blocks = waves[:, : waves.shape[1] // self.spec.hop * self.spec.hop].unflatten(1, (-1, self.spec.hop))
        return blocks.square().mean(2).sqrt()
'''
    distribution(tmp_path, "loud", module, "loud = loud:Loud", group="audiospec.features")
    script = """
import sys
sys.path.insert(0, sys.argv[1])
from audiospec.specs.base import FeatureSpec, features
assert features.names() == ["loud", "mel", "tabular"], features.names()
spec = FeatureSpec.from_dict({"feature": "loud", "version": 1, "hop": "50"})
import audiospec, torch
assert audiospec.frontend(spec)(torch.ones(2, 500)).tolist() == [[1.0] * 10] * 2
assert features.summary("loud") == "the root mean square of blocks."
"""
    python(script, tmp_path)
