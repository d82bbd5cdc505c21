"""Stores with volumes are verified, repaired, exported, trained on and described like other stores."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import audiospec
from audiospec import cli
from audiospec.errors import StoreError
from audiospec.pipeline.verify import mend, verify
from audiospec.stores.base import open_store
from audiospec.stores.layout.lock import work_folder
from audiospec.stores.volumes.store import VolumeStore

#: Hours of a volume that holds three tracks of 1.6 s.
HOURS = 5 / 3600


@pytest.fixture
def many(kit: Any, music: Path, tmp_path: Path) -> Path:
    views = [(kit.spec, kit.chunking)]
    store = tmp_path / "many.zarr"
    audiospec.run("folder", data=music, views=views, store=store, workers=0, volume_hours=HOURS)
    return store


def _files(store: Path) -> dict[str, bytes]:
    return {str(file.relative_to(store)): file.read_bytes() for file in store.rglob("*") if file.is_file()}


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o644)
    file.unlink()  # it may be a link
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ("zarr.json", "store"),
        ("volumes/zarr.json", "volumes"),
        ("volumes/00001/zarr.json", "volumes/00001"),
        ("volumes/00002/tracks/label/c/0", "volumes/00002/tracks"),
        ("volumes/00003/views/*/checksum/c/0", "volumes/00003/views/*"),
    ],
)
@pytest.mark.parametrize("is_lost", [False, True])
def test_every_file_is_verified_and_restored(many: Path, file: str, part: str, is_lost: bool) -> None:
    whole = _files(many)
    assert verify(many).is_whole
    (damaged,) = many.glob(file)
    damaged.unlink() if is_lost else _flip(damaged)
    found = verify(many)
    assert not found.is_whole
    assert all(damage.can_be_restored for damage in found.damage)
    assert any(Path(damage.part).match(part) for damage in found.damage)
    assert mend(many, found)
    assert verify(many).is_whole
    assert _files(many) == whole
    assert not work_folder(many).exists()


def test_a_volume_that_vanished_is_missed(many: Path) -> None:
    shutil.rmtree(many / "volumes" / "00002")
    found = verify(many)
    assert ("volumes/00002", "the volume is missing") in [(one.part, one.reason) for one in found.damage]
    with pytest.raises(StoreError):
        open_store(many).view()


def test_damaged_rows_are_computed_again(many: Path) -> None:
    whole = _files(many)
    view = open_store(many).view()
    shards = sorted((many / "volumes/00001/views").rglob("data/c/*/0/0"))
    _flip(shards[1])
    _flip(sorted((many / "volumes/00003/views").rglob("data/c/*/0/0"))[2])
    (found,) = verify(many).views
    assert (found.name, found.rows) == (view.name, 36)
    assert {row // 3 for row in found.damaged} == {4, 11}
    assert found.tracks == ["bee/000.flac", "cat/003.flac"]
    audiospec.repair(open_store(many), {view.name: found.damaged}, workers=0)
    assert verify(many).is_whole
    assert _files(many) == whole
    assert not work_folder(many).exists()


def test_export(many: Path, tmp_path: Path) -> None:
    store = open_store(many)
    assert isinstance(store, VolumeStore)
    steps: list[str] = []
    copy = store.export(tmp_path / "copy.zarr", steps.append)
    assert isinstance(copy, VolumeStore)
    assert _files(copy.path) == _files(many)
    assert steps == [f"{store.view().name} of volume {name}" for name in store.volumes]
    again = audiospec.open_store(tmp_path / "copy.zarr").export(tmp_path / "copy.h5")
    assert again.view().read().tobytes() == store.view().read().tobytes()
    assert again.view().rows.tobytes() == store.view().rows.tobytes()
    assert list(again.tracks.records()) == list(store.tracks.records())
    anonymous = store.export(tmp_path / "anonymous.zarr", anonymous=True)
    assert verify(anonymous.path).is_whole
    assert not any(str(tmp_path).encode() in content for content in _files(anonymous.path).values())
    assert anonymous.view().read().tobytes() == store.view().read().tobytes()
    assert anonymous.tracks["id"].tolist() == store.tracks["id"].tolist()


def test_a_table_is_not_imported_into_volumes(many: Path, tmp_path: Path) -> None:
    table = tmp_path / "features.csv"
    table.write_text("filename,length,a,label\nx.wav,8000,1.5,ant\n")
    before = _files(many)
    with pytest.raises(StoreError, match="has volumes, which tables cannot be imported into"):
        audiospec.import_table(table, many, columns=["a"], sample_rate=8000)
    assert _files(many) == before


def test_models_are_trained_on_volumes(kit: Any, music: Path, many: Path, tmp_path: Path) -> None:
    tabular = (audiospec.TabularSpec(), audiospec.Chunking(seconds=0.5))
    for store, hours in ((many, HOURS), (tmp_path / "one.zarr", None)):
        audiospec.run("folder", data=music, views=[tabular], store=store, workers=0, volume_hours=hours)
    view, whole = open_store(many).view("tabular"), open_store(tmp_path / "one.zarr").view("tabular")
    assert view.to_pandas().equals(whole.to_pandas())
    audiospec.export_table(view, tmp_path / "many.csv")
    audiospec.export_table(whole, tmp_path / "one.csv")
    assert (tmp_path / "many.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()
    runs = [
        audiospec.train("svm", each, out=tmp_path / name, seed=1)
        for name, each in (("many", view), ("one", whole))
    ]
    assert runs[0].metrics == runs[1].metrics
    assert audiospec.evaluate(runs[0]).track.scores == audiospec.evaluate(runs[1]).track.scores


def test_equal_files_in_different_volumes_are_found(kit: Any, music: Path, many: Path) -> None:
    shutil.copy(music / "ant" / "000.flac", music / "cat" / "900.flac")
    report = audiospec.run("folder", data=music, views=[(kit.spec, kit.chunking)], store=many, workers=0)
    (same,) = report.duplicates.files
    assert list(same.labels) == ["ant/000.flac", "cat/900.flac"]


def _run(*arguments: object) -> str:
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_line(music: Path, tmp_path: Path) -> None:
    store = tmp_path / "many.zarr"
    common = ("featurize", "folder", "--data", music, "--store", store, "--chunk", 0.5, "--workers", 0)
    common = (*common, "--sample-rate", 8000, "--n-fft", 256, "--hop-length", 128, "--n-mels", 16)
    common = (*common, "--fmax", 4000, "--volume-hours", 0.0015)
    assert "12 tracks in 4 volumes" in _run(*common, "--dry-run")
    output = _run(*common, "--part", "1/2")
    assert "6 tracks in 2 volumes" in output
    assert "2 volumes not finished yet by other processes" in output
    done = [json.loads(line) for line in _run(*common, "--part", "0/2", "--json").splitlines()][-1]
    assert (done["volumes"], done["unfinished_volumes"]) == (2, 0)
    assert done["views"][0]["rows"] == 36
    assert "nothing to do: all rows were computed before" in _run(*common)
    output = _run("store", "info", store)
    assert "4 of up to 0.0015 h" in output
    assert "12 shards of up to 3 rows" in output
    described = json.loads(_run("store", "info", store, "--json"))
    assert described["volumes"] == ["00000", "00001", "00002", "00003"]
    assert "36 rows checked, all as written" in _run("store", "verify", store)
    _run("show", store, "bee/002.flac", "--out", tmp_path / "bee.png")
    assert (tmp_path / "bee.png").read_bytes().startswith(b"\x89PNG")
    for part in ("2/2", "4", "1/", "-1/2", "a/b"):
        result = CliRunner().invoke(cli.app, [str(one) for one in (*common, f"--part={part}")])
        assert result.exit_code == 2
        assert "expected I/N with I from 0 to N - 1" in " ".join(result.output.split())
