"""Registries: listing without imports, several entries per file, entry points, and reported clashes."""

from __future__ import annotations

import ast
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

ROOT = Path(__file__).parents[1]
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
    """A folder on the import path; modules imported from it are unloaded afterwards."""
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
    """A registry of a package with four modules, two of which define entries."""
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


def test_an_entry_is_imported_on_first_use(plants: Registry[type]) -> None:
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


def test_a_module_that_registers_nothing_is_reported(plants: Registry[type], on_path: Path) -> None:
    (on_path / "plants" / "weed.py").write_text('"""weed: forgot the decorator."""\n')
    importlib.invalidate_caches()
    assert plants.names() == ["oak", "red-rose"]  # only usable entries are listed
    for use in (plants.__getitem__, plants.summary):
        with pytest.raises(RegistryError, match=r"module plants\.weed registers no plant 'weed'.*`register`"):
            use("weed")
    with pytest.raises(
        RegistryError, match=r"no plant is called 'xyzzy' .*plants\.weed is skipped: it has no class"
    ):
        plants["xyzzy"]
    assert plants["oak"].__name__ == "Oak"


def test_two_entries_in_one_module_are_refused(plants: Registry[type], on_path: Path) -> None:
    more = "\n\n@plants.register\nclass Second:\n    pass\n"
    (on_path / "plants" / "ivy.py").write_text(ENTRY.format(doc="ivy: climbs.", name="Ivy") + more)
    importlib.invalidate_caches()
    with pytest.raises(RegistryError, match=r"'ivy' is registered twice, by plants\.ivy and by plants\.ivy"):
        plants["ivy"]


def test_registering_an_entry_again_changes_nothing(plants: Registry[type]) -> None:
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


def test_entry_points_of_other_groups_are_ignored(plants: Registry[type], on_path: Path) -> None:
    distribution(on_path, "greenhouse", "Fern = 1\n", "fern = greenhouse:Fern", group="other")
    assert plants.names() == ["oak", "red-rose"]


def test_an_entry_point_cannot_take_a_modules_name(plants: Registry[type], on_path: Path) -> None:
    distribution(on_path, "forest", "class Oak: pass\n", "oak = forest:Oak")
    for use in (plants.names, lambda: plants["red-rose"], lambda: plants["oak"], lambda: list(plants)):
        with pytest.raises(RegistryError, match=r"plant name 'oak' of forest:Oak is already taken by plants"):
            use()


def test_two_distributions_cannot_share_a_name(plants: Registry[type], on_path: Path) -> None:
    distribution(on_path, "greenhouse", "class Fern: pass\n", "fern = greenhouse:Fern")
    distribution(on_path, "jungle", "class Fern: pass\n", "fern = jungle:Fern")
    with pytest.raises(RegistryError, match=r"'fern' of \w+:Fern is already taken by \w+:Fern: uninstall"):
        plants.names()


def test_a_distribution_installed_twice_counts_once(
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


# --- several entries per file -----------------------------------------------------------------------------

GRASSES = '''"""grasses: a module with several entries."""

from functools import lru_cache

from plants.base import plants

print("imported")


@plants.register(name="tall-grass")
class Tall:
    """tall-grass: up to the knee.

    More about it.
    """


@lru_cache
@plants.register(name="short.grass2")
def short():
    """Cut every week."""


@plants.register
class Grasses:
    """All of them."""


class Nothing:
    """No entry."""

    @property.register  # inside a class
    def also_nothing(self):
        pass
'''


def write(folder: Path, name: str, text: str) -> None:
    (folder / "plants" / f"{name}.py").write_text(text)
    importlib.invalidate_caches()


def test_a_file_may_define_several_entries(plants: Registry[type], on_path: Path) -> None:
    write(on_path, "grasses", GRASSES.replace("    @property.register  # inside a class\n", ""))
    assert plants.names() == ["grasses", "oak", "red-rose", "short.grass2", "tall-grass"]
    assert plants.summary("tall-grass") == "up to the knee."
    assert plants.summary("short.grass2") == "Cut every week."
    assert plants.summary("grasses") == "All of them."
    assert "plants.grasses" not in sys.modules
    assert plants["tall-grass"].__name__ == "Tall"
    assert plants["short.grass2"].__name__ == "short"
    assert plants["grasses"].__name__ == "Grasses"
    with pytest.raises(RegistryError, match=r"no plant is called 'tall'; did you mean 'tall-grass'\?"):
        plants["tall"]


def test_only_top_level_entries_are_listed(plants: Registry[type], on_path: Path) -> None:
    write(on_path, "grasses", GRASSES)
    assert plants.names() == ["grasses", "oak", "red-rose", "short.grass2", "tall-grass"]


def test_a_single_entry_may_have_a_different_name_from_its_file(
    plants: Registry[type], on_path: Path
) -> None:
    text = ENTRY.format(doc="sweet-pea: smells.", name="Pea").replace(
        "register", 'register(name="sweet-pea")'
    )
    write(on_path, "peas", text)
    assert plants.names() == ["oak", "red-rose", "sweet-pea"]
    assert plants.summary("sweet-pea") == "smells."
    assert plants["sweet-pea"].__name__ == "Pea"
    with pytest.raises(RegistryError, match="no plant is called 'peas'"):
        plants["peas"]


@pytest.mark.parametrize("called", ["register()", "register(name=None)"])
def test_a_call_without_a_name_uses_the_module_name(
    plants: Registry[type], on_path: Path, called: str
) -> None:
    write(on_path, "ivy", ENTRY.format(doc="ivy: climbs.", name="Ivy").replace("register", called))
    assert plants.names() == ["ivy", "oak", "red-rose"]
    assert plants["ivy"].__name__ == "Ivy"


@pytest.mark.parametrize("called", ["register(name=NAME)", 'register("ivy")', 'register(name=f"i{1}")'])
def test_a_name_that_is_not_a_literal_is_reported(plants: Registry[type], on_path: Path, called: str) -> None:
    text = ENTRY.format(doc="ivy: climbs.", name="Ivy").replace("register", called)
    write(on_path, "ivy", text.replace("@plants", 'NAME = "ivy"\n\n\n@plants'))
    assert plants.names() == ["oak", "red-rose"]
    assert plants.summary("oak")
    with pytest.raises(RegistryError, match=r"plants\.ivy registers no plant 'ivy': line 12 .*name=\"ivy\""):
        plants["ivy"]
    # A direct import is refused as well: an entry that is not listed must not become available by accident.
    expected = (
        r"given by keyword; got 'ivy'"
        if '"ivy")' in called and "name" not in called
        else r"listing cannot find"
    )
    with pytest.raises(RegistryError, match=expected):
        importlib.import_module("plants.ivy")


def test_an_entry_below_the_top_level_is_reported(plants: Registry[type], on_path: Path) -> None:
    text = ENTRY.format(doc="ivy: climbs.", name="Ivy").replace("@plants", "if True:\n    @plants")
    write(on_path, "ivy", text.replace("\nclass", "\n    class").replace("    pass", "        pass"))
    assert plants.names() == ["oak", "red-rose"]
    with pytest.raises(RegistryError, match=r"plants\.ivy registers no plant 'ivy': .* top level"):
        plants["ivy"]
    with pytest.raises(
        RegistryError, match=r"module plants\.ivy registers plant 'ivy' where listing cannot find it: define"
    ):
        importlib.import_module("plants.ivy")


@pytest.mark.parametrize("source", [b"def (:\n", b"\xff\xfe\x00", b"x = 1\x00"])
def test_a_file_that_cannot_be_parsed_does_not_hide_others(
    plants: Registry[type], on_path: Path, source: bytes
) -> None:
    (on_path / "plants" / "ivy.py").write_bytes(source)
    importlib.invalidate_caches()
    assert plants.names() == ["oak", "red-rose"]
    with pytest.raises(
        RegistryError, match=r"plants\.ivy registers no plant 'ivy': its source cannot be parsed"
    ) as caught:
        plants["ivy"]
    assert "\n" not in str(caught.value)


def test_two_files_cannot_share_a_name(plants: Registry[type], on_path: Path) -> None:
    text = ENTRY.format(doc="holm-oak: evergreen.", name="Holm").replace("register", 'register(name="oak")')
    write(on_path, "holm", text)
    expected = r"'oak' is registered twice, by plants\.holm and by plants\.oak: rename one"
    for use in (plants.names, lambda: plants["oak"], lambda: plants["red-rose"], lambda: list(plants)):
        with pytest.raises(RegistryError, match=expected):
            use()
    with pytest.raises(RegistryError, match=expected):
        importlib.import_module("plants.holm")


def test_a_name_cannot_be_used_twice_in_a_file(plants: Registry[type], on_path: Path) -> None:
    write(on_path, "grasses", GRASSES.replace("short.grass2", "tall-grass").replace("property", "plants"))
    with pytest.raises(RegistryError, match=r"'tall-grass' is registered twice, by plants\.grasses and by"):
        plants["tall-grass"]


def test_a_changed_file_is_parsed_again(plants: Registry[type], on_path: Path) -> None:
    assert plants.names() == ["oak", "red-rose"]
    for name in ("elm", "beech"):
        write(
            on_path, "oak", ENTRY.format(doc="a tree", name="Tree").replace("ter\n", f'ter(name="{name}")\n')
        )
        assert plants.names() == [name, "red-rose"]


def test_a_file_is_parsed_once(plants: Registry[type], monkeypatch: pytest.MonkeyPatch) -> None:
    plants.names()

    def refuse(*_: Any) -> None:
        raise AssertionError("parsed again")

    monkeypatch.setattr("audiospec.registry.ast.parse", refuse)
    assert plants.names() == ["oak", "red-rose"]
    assert plants.summary("oak") == "a tree: tall."


def test_sub_packages_are_not_searched(plants: Registry[type], on_path: Path) -> None:
    (on_path / "plants" / "roots").mkdir()
    (on_path / "plants" / "roots" / "__init__.py").write_text(ENTRY.format(doc="roots", name="Roots"))
    importlib.invalidate_caches()
    assert plants.names() == ["oak", "red-rose"]
    with pytest.raises(
        RegistryError, match=r"module plants\.roots registers .* where listing cannot find it"
    ):
        importlib.import_module("plants.roots")


def test_an_entry_point_may_have_a_different_name_from_its_module(
    plants: Registry[type], on_path: Path
) -> None:
    text = ENTRY.format(doc="ferns", name="Fern") + "    size = 3\n"
    text = text.replace("register", 'register(name="tree-fern")')
    distribution(on_path, "ferns", text, "tree-fern = ferns:Fern")
    assert plants.names() == ["oak", "red-rose", "tree-fern"]
    assert "ferns" not in sys.modules
    assert plants["tree-fern"].size == 3  # type: ignore[attr-defined]
    assert plants["tree-fern"] is sys.modules["ferns"].Fern
    with pytest.raises(RegistryError, match="no plant is called 'ferns'"):
        plants["ferns"]


def test_an_entry_point_and_its_decorator_must_name_one_class(plants: Registry[type], on_path: Path) -> None:
    text = ENTRY.format(doc="ferns", name="Fern").replace("register", 'register(name="fern")')
    distribution(on_path, "ferns", text + "\n\nclass Other:\n    pass\n", "fern = ferns:Other")
    with pytest.raises(RegistryError, match=r"'fern' is registered twice, by ferns and by ferns:Other"):
        plants["fern"]


def test_an_entry_point_cannot_take_a_name_that_a_file_gives(plants: Registry[type], on_path: Path) -> None:
    write(on_path, "grasses", GRASSES)
    distribution(on_path, "lawn", "class Lawn: pass\n", "tall-grass = lawn:Lawn")
    with pytest.raises(
        RegistryError, match=r"plant name 'tall-grass' of lawn:Lawn is already taken by plants"
    ):
        plants.names()


# --- the registries of audiospec --------------------------------------------------------------------------


def registries() -> dict[str, tuple[str, str, str]]:
    """Full variable name → arguments, for each `Registry(…)` in the project, without importing anything."""
    calls = {}
    for name in ("audiospec", "zoo", "cli", "benchmarks"):
        for file in sorted((ROOT / name).rglob("*.py")):
            if any(parent.is_symlink() for parent in file.parents if parent.is_relative_to(ROOT)):
                continue
            for node in ast.parse(file.read_text(encoding="utf-8")).body:
                call = getattr(node, "value", None)
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "Registry":
                    target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]  # type: ignore[attr-defined]
                    path = file.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
                    module = path if name == "audiospec" else f"audiospec.{path}"
                    kind, package, group = (ast.literal_eval(each) for each in call.args)
                    calls[f"{module}:{ast.unparse(target)}"] = (kind, package, group)
    return calls


REGISTRIES = registries()


def test_the_registries_of_the_project_are_found() -> None:
    kinds = {kind for kind, _, _ in REGISTRIES.values()}
    assert {"dataset", "feature", "store", "model", "suite"} <= kinds
    assert len({group for _, _, group in REGISTRIES.values()}) == len(REGISTRIES)


@pytest.mark.parametrize("where", REGISTRIES)
def test_a_registry_lists_all_its_names_without_importing_them(where: str, python: Python) -> None:
    script = """
import importlib, pkgutil, sys
from audiospec.registry import Registry
registry = Registry(*sys.argv[1:])
for name in registry:
    print(name, registry.summary(name), sep="\\t")
heavy = "torch zarr h5py soundfile librosa nnAudio2 requests pooch matplotlib sklearn lightning pandas dask"
loaded = [name for name in heavy.split() if name in sys.modules]
package = importlib.import_module(registry.package)
entries = [info.name for info in pkgutil.iter_modules(package.__path__)
           if not info.ispkg and info.name != "base" and not info.name.startswith("_")]
loaded += [name for name in entries if f"{registry.package}.{name}" in sys.modules]
assert entries and not loaded, loaded
"""
    home, _, variable = where.partition(":")
    listed = dict(line.split("\t") for line in python(script, *REGISTRIES[where]).stdout.splitlines())
    registry: Registry[Any] = getattr(importlib.import_module(home), variable)
    assert list(listed) == registry.names()
    for name, summary in listed.items():
        assert summary, name
        assert not summary.lower().startswith(f"{name}:")
    # No file is skipped, and each name belongs to the entry's module.
    for module, source in registry._sources().items():
        assert not source.problem, f"{module}: {source.problem}"
        for name in source.entries:
            assert registry[name].__module__ == f"{registry.package}.{module}"


def test_published_names_remain() -> None:
    ours = {kind: set(Registry(kind, *rest).names()) for kind, *rest in REGISTRIES.values()}
    assert {"gtzan", "esc10", "fsdd", "folder", "csv", "demo"} <= ours["dataset"]
    assert {"mel", "musicnn", "tabular"} <= ours["feature"]
    assert {"zarr", "hdf5"} <= ours["store"]
    # Stored runs refer to these names.
    assert {
        *("knn-1", "knn-5", "lr", "rf", "svm", "svm-c10"),
        *("crnn-base", "crnn-large", "resnet18-gru", "efficientnet-lite0-gru", "musicnn"),
    } <= ours["model"]


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
assert {"loud", "mel", "tabular"} <= {*features.names()}, features.names()
spec = FeatureSpec.from_dict({"feature": "loud", "version": 1, "hop": "50"})
import audiospec, torch
assert audiospec.frontend(spec)(torch.ones(2, 500)).tolist() == [[1.0] * 10] * 2
assert features.summary("loud") == "the root mean square of blocks."
"""
    python(script, tmp_path)
