"""store info, verify and export."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from audiospec import open_store
from audiospec.stores.base import stores
from audiospec.testing.stores.content import Content, publish


def damage(store: Path, view: str) -> None:
    """Flip a byte in the second shard of a view."""
    shard = store / "views" / view / "data" / "c" / "1" / "0" / "0"
    content = bytearray(shard.read_bytes())
    content[1000] ^= 1
    shard.unlink()  # it may be a hard link
    shard.write_bytes(content)


def test_info(call, store: Path, music: Path) -> None:
    done = call("store", "info", store)
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith(f"{store}: folder, 6 tracks, ")
    assert lines[1:4] == [f"  audio     {music}", "  labels    loud 3, quiet 3", "  problems  none"]
    for view in open_store(store).views():
        at = lines.index(view.name)
        facts = dict(line.strip().split("  ", 1) for line in lines[at + 1 : at + 13])
        facts = {name: value.strip() for name, value in facts.items()}
        assert facts["feature"] == "mel"
        assert facts["preset"] == "study"
        assert facts["defaults"].startswith("sample_rate 22050, ")
        assert facts["chunks"] == f"{view.chunking.seconds:g} s every 1 s, filled at least 0.5"
        assert facts["data"].startswith(f"{len(view)} × 192 × ")
        assert facts["tracks"] == "6 of 6"
        assert "torch " in facts["made by"]
        assert facts["made on"].startswith("cpu")
        assert facts["parity"].endswith("dB from float64")
        assert facts["skipped"] == facts["stale"] == "none"


def test_info_lists_parameters_that_are_not_defaults(call, music: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.zarr"
    arguments = ("featurize", "folder", "--data", music, "--store", path, "--chunk", 4, "--workers", 0)
    assert call(*arguments, "--n-mels", 20, "--fmax", 4000, "--quiet").status == 0
    assert "feature   mel with n_mels 20, fmax 4000.0\n" in call("store", "info", path).out


def test_info_as_json(call, mixed_store: Path) -> None:
    done = call("store", "info", mixed_store, "--json")
    info = json.loads(done.out)
    store = open_store(mixed_store)
    assert (info["dataset"], info["tracks"], info["root"]) == ("folder", 14, str(store.root))
    assert info["labels"] == {"[red]loud": 3, "bad": 8, "quiet": 3}
    assert info["problems"] == store.tracks.problems
    (view,) = info["views"]
    assert view["rows"] == 12
    assert view["shape"] == [12, 192, 173]
    assert view["spec"]["n_mels"] == 192
    assert view["sealed"] is True
    assert view["stale"] == []
    assert list(view["skipped"]) == ["bad/one.wav"]


def test_info_of_a_store_with_targets(call, tmp_path: Path) -> None:
    """Target, annotations and free columns; what the rows of a view have. Without any, nothing is said."""
    path, content = tmp_path / "x.zarr", Content.make().annotated()
    publish(stores["zarr"], path, content)
    done = call("store", "info", path)
    assert (done.status, done.err) == (0, "")
    facts = dict(line.strip().split("  ", 1) for line in done.out.splitlines() if line.startswith("  "))
    facts = {name: value.strip() for name, value in facts.items()}
    assert facts["target"] == "multi-label from column label, overlap at least 0.25, background kept"
    assert facts["annotations"] == "6 of 3 tracks"
    assert facts["columns"] == "../Ort ☃, ID, cluster_, device"
    targets = content.targets
    assert targets is not None
    rows = len(set(targets.row.tolist()))
    assert facts["targets"].startswith(f"{rows} of 10 rows: ")
    assert f"dog 0 {targets.label.tolist().count(targets.names.index('dog 0'))}" in facts["targets"]
    info = json.loads(call("store", "info", path, "--json").out)
    assert info["labelling"] == content.labelling.to_dict()
    assert (info["annotations"], info["columns"]) == (6, list(open_store(path).tracks.free))
    assert info["views"][0]["targets"] == len(targets)
    publish(stores["zarr"], path, Content.make())
    out = call("store", "info", path).out
    assert not {"target", "annotations", "columns", "targets"} & {
        line.split()[0] for line in out.split("\n") if line
    }


def test_labels_are_printed_literally(call, mixed_store: Path) -> None:
    assert "labels    [red]loud 3, bad 8, quiet 3\n" in call("store", "info", mixed_store).out


def test_verify(call, store: Path) -> None:
    done = call("store", "verify", store)
    assert (done.status, done.err) == (0, "")
    names = open_store(store).view_names()
    rows = {"mel-1s-": 24, "mel-2s-": 18}
    assert done.out.splitlines() == [
        "tables and metadata: checked, all as written",
        *(f"{name}: {rows[name[:7]]} rows checked, all as written" for name in names),
    ]


def test_damage_is_found_and_repaired(call, copy: Path) -> None:
    view = open_store(copy).view("mel-2s")
    before = view.read()
    damage(copy, view.name)
    done = call("store", "verify", copy)
    assert done.status == 1
    lines = done.out.splitlines()
    assert f"{view.name}: 18 rows checked, 1 damaged, in 1 track: loud/song3.wav" in lines
    assert lines[-1] == f"next: audiospec store verify {copy} --repair"
    assert "no engine is called 'seral'" in call("store", "verify", copy, "--repair", "--engine", "seral").err
    repaired = call("store", "verify", copy, "--repair", "--engine", "serial")
    assert (repaired.status, repaired.err) == (0, "")
    assert repaired.out.splitlines()[-1] == f"{view.name}: 18 rows checked, all as written"
    assert np.array_equal(open_store(copy).view(view.name).read(), before)
    assert call("store", "verify", copy).status == 0


def test_verify_as_json(call, copy: Path) -> None:
    view = open_store(copy).view("mel-2s")
    whole = json.loads(call("store", "verify", copy, "--json").out)
    assert (whole["store"], whole["whole"], whole["repaired"]) == (str(copy), True, [])
    assert (whole["damage"], whole["unsealed"]) == ([], [])
    assert {one["name"]: one["rows"] for one in whole["views"]}[view.name] == 18
    damage(copy, view.name)
    done = call("store", "verify", copy, "--json")
    found = json.loads(done.out)
    assert (done.status, found["whole"]) == (1, False)
    (damaged,) = [one for one in found["views"] if one["damaged"]]
    assert (damaged["name"], damaged["tracks"]) == (view.name, ["loud/song3.wav"])
    labels = copy / "tracks" / "label" / "zarr.json"
    content = labels.read_bytes().replace(b'"zarr_format"', b'"zarr_farmat"')
    labels.unlink()  # it may be a hard link
    labels.write_bytes(content)
    done = call("store", "verify", copy, "--json")
    (tracks,) = json.loads(done.out)["damage"]
    assert (done.status, tracks["part"], tracks["can_be_restored"]) == (1, "tracks", True)
    done = call("store", "verify", copy, "--repair", "--engine", "serial", "--json")
    found = json.loads(done.out)
    assert (done.status, found["whole"], found["damage"]) == (0, True, [])
    assert found["repaired"][-1] == f"{view.name}: 1 row computed again"
    assert len(found["repaired"]) == 2
    assert [one for one in found["views"] if one["damaged"]] == []


def test_repair_without_audio_is_an_error(call, music: Path, tmp_path: Path) -> None:
    folder, path = Path(shutil.copytree(music, tmp_path / "music")), tmp_path / "x.zarr"
    arguments = ("featurize", "folder", "--data", folder, "--store", path, "--chunk", 4, "--workers", 0)
    assert call(*arguments).status == 0
    damage(path, open_store(path).view().name)
    shutil.rmtree(folder)
    done = call("store", "verify", path, "--repair", "--workers", 0)
    assert done.status == 2
    assert done.err.startswith("error: cannot repair: ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("suffix", ["h5", "zarr"])
def test_export(call, store: Path, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"copy.{suffix}"
    done = call("store", "export", store, target)
    assert done.status == 0
    assert done.out.startswith(f"{store} (")
    assert f" → {target} (" in done.out
    for view, same in zip(open_store(store).views(), open_store(target).views(), strict=True):
        assert np.array_equal(view.read(), same.read())
    again = call("store", "export", store, target)
    assert (again.status, again.out) == (2, "")
    assert "exists already" in again.err


def test_an_anonymous_export_does_all_but_repair(call, music: Path, tmp_path: Path) -> None:
    here = tmp_path / "jane.doe"
    folder, path, copy = Path(shutil.copytree(music, here / "music")), here / "x.zarr", tmp_path / "copy.zarr"
    arguments = ("--chunk", 4, "--workers", 0, "--quiet")
    assert call("featurize", "folder", "--data", folder, "--store", path, *arguments).status == 0
    assert str(folder) in (path / "zarr.json").read_text()
    assert call("store", "export", path, copy, "--anonymous").status == 0
    for file in copy.rglob("*"):
        assert file.is_dir() or b"jane.doe" not in file.read_bytes()
    name = open_store(copy).view().name
    assert "  audio     unknown (exported without it)\n" in call("store", "info", copy).out
    assert json.loads(call("store", "info", copy, "--json").out)["root"] is None
    assert call("store", "verify", copy).status == 0
    assert call("show", copy, "loud/song1.wav", "--out", tmp_path / "x.png").status == 0
    damage(copy, name)
    done = call("store", "verify", copy, "--repair", "--workers", 0)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert f"error: {copy} does not say where its audio is" in done.err
    assert "--data" in done.err
    # What the message says helps.
    before = open_store(path).view().read()
    assert call("featurize", "folder", "--data", folder, "--store", copy, *arguments).status == 0
    assert open_store(copy).root == folder
    assert call("store", "verify", copy, "--repair", "--workers", 0).status == 0
    assert np.array_equal(open_store(copy).view().read(), before)


def test_absolute_paths_of_a_csv_are_not_exported(call, music: Path, tmp_path: Path) -> None:
    here = tmp_path / "jane.doe"
    folder, path = Path(shutil.copytree(music, here / "music")), here / "x.zarr"
    files = sorted(folder.rglob("*.wav"))
    table = here / "list.csv"
    table.write_text("path,label\n" + "".join(f"{file},{file.parent.name}\n" for file in files))
    arguments = ("--chunk", 4, "--workers", 0, "--quiet")
    assert call("featurize", "csv", "--data", table, "--store", path, *arguments).status == 0
    assert open_store(path).tracks["id"].tolist() == [str(file) for file in files]
    for suffix in (".h5", ".zarr"):
        copy = tmp_path / f"copy{suffix}"
        assert call("store", "export", path, copy, "--anonymous").status == 0
        store = open_store(copy)
        assert "jane.doe" not in str([*store.tracks.records(), store.store_attributes()])
        assert [name.rpartition("/")[2] for name in store.tracks["id"]] == [file.name for file in files]
        for file in (copy, *copy.rglob("*")):
            assert file.is_dir() or b"jane.doe" not in file.read_bytes()


def test_the_unit_has_its_name_in_json(call, store: Path) -> None:
    (view, *_) = json.loads(call("store", "info", store, "--json").out)["views"]
    assert view["unit"] == "dB"
    assert not {"units", "long_name"} & view.keys()
