"""Seals: what vanishes, is exchanged, or is changed by others is seen; damage cannot hurt the reader."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr

from audiospec.errors import AudiospecError, StoreError
from audiospec.pipeline import isolated
from audiospec.pipeline.verify import mend, verify
from audiospec.stores import stores
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.lock import work_folder
from audiospec.testing.stores.content import Content, assert_holds, one_line, publish, tree_state
from audiospec.testing.stores.sealing import flipped, flips, unseal

ZARR, HDF5 = stores["zarr"], stores["hdf5"]
only_zarr = pytest.mark.parametrize("kind", [ZARR])
only_hdf5 = pytest.mark.parametrize("kind", [HDF5])


def parts(path: Path) -> set[str]:
    return {damage.part for damage in verify(path).damage}


def plain(path: Path) -> list[Any]:
    """Everything that plain readers get from a store."""
    found: list[Any] = []
    if path.is_dir():
        for consolidated in (None, False):
            todo = [("", zarr.open_group(path, mode="r", use_consolidated=consolidated))]
            while todo:
                name, node = todo.pop()
                found.append((name, json.dumps(node.attrs.asdict(), sort_keys=True)))
                if isinstance(node, zarr.Group):
                    todo += [(f"{name}/{child}", member) for child, member in sorted(node.members())]
                else:
                    values = node[...]
                    text = values.dtype.kind not in "fiu"
                    found.append((str(node.metadata.dimension_names), values.shape, str(values.dtype)))
                    found.append(values.tolist() if text else values.tobytes())
        return found
    with h5py.File(path) as file:

        def add(name: str, node: Any) -> None:
            references = ("DIMENSION_LIST", "REFERENCE_LIST")
            found.append((name, sorted((k, str(v)) for k, v in node.attrs.items() if k not in references)))
            if isinstance(node, h5py.Dataset):
                values = node[...]
                found.append((values.shape, str(values.dtype)))
                found.append(values.tolist() if values.dtype == object else values.tobytes())

        add("", file)
        file.visititems(add)
    return found


def test_a_flip_that_is_not_found_changes_nothing_for_plain_readers(
    kind: type[FeatureStore], path: Path
) -> None:
    publish(kind, path, Content.make(5, seconds=0.2, dtype="uint8", shard_rows=3))
    before = plain(path)
    found = 0
    for file, byte, bit in flips(path, 100, seed=7):
        with flipped(file, byte, bit):
            if verify(path).is_whole:
                assert plain(path) == before, (file, byte, bit)
            else:
                found += 1
    assert found > 80
    assert plain(path) == before


@only_zarr
@pytest.mark.parametrize(
    "what", ["zarr.json", "data", "folder", "data/zarr.json", "mel/c/0", "data/seal.json"]
)
def test_what_vanishes_from_a_view_is_missed(
    kind: type[FeatureStore], path: Path, content: Content, what: str
) -> None:
    other = Content.make(5, seconds=0.2)
    publish(kind, path, other)
    part = f"views/{content.info.name}"
    gone = path / part if what == "folder" else path / part / what
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    assert part in parts(path)
    assert_holds(kind(path).view(other.info.name), replace(other, tracks=other.tracks))
    if what in ("zarr.json", "folder"):
        store = kind(path)
        for use in (store.views, lambda: store.view(content.info.name)):
            with pytest.raises(StoreError) as caught:
                use()
            one_line(caught, content.info.name, "missing")
        with pytest.raises(StoreError, match="2 views"):  # although only one can be opened
            store.view()
    done = mend(path, verify(path))
    if what == "folder":
        assert any("vanished" in line for line in done)
        assert kind(path).view_names() == [other.info.name]
        assert verify(path).is_whole
    elif what != "data":
        assert verify(path).is_whole
        assert_holds(kind(path).view(content.info.name), replace(content, tracks=other.tracks))


@only_zarr
@pytest.mark.parametrize(
    "what", ["zarr.json", "views/zarr.json", "tracks/id/seal.json", "tracks/id/seal.copy"]
)
@pytest.mark.parametrize("how", ["missing", "empty", "zeros"])
def test_files_of_a_store(
    kind: type[FeatureStore], path: Path, content: Content, what: str, how: str
) -> None:
    before, files = plain(path), tree_state(path, times=False)
    if how == "missing":
        (path / what).unlink()
    else:
        (path / what).write_bytes(b"" if how == "empty" else bytes((path / what).stat().st_size))
    assert not verify(path).is_whole
    assert mend(path, verify(path))
    assert verify(path).is_whole
    assert plain(path) == before
    assert tree_state(path, times=False) == files
    assert_holds(kind(path).view(), content)


@only_zarr
def test_parts_of_two_versions(kind: type[FeatureStore], path: Path, content: Content) -> None:
    """Parts that are whole, but not of one store, are told apart: an older root, a renamed view."""
    root = (path / "zarr.json").read_bytes()
    publish(kind, path, Content.make(7, seed=3))
    new = (path / "zarr.json").read_bytes()
    (path / "zarr.json").write_bytes(root)
    assert parts(path) == {"store"}
    mend(path, verify(path))
    assert (path / "zarr.json").read_bytes() == new
    (path / "views" / content.info.name).rename(path / "views" / "other")
    assert parts(path) >= {f"views/{content.info.name}", "views/other"}


@only_zarr
def test_a_shard_too_many(kind: type[FeatureStore], path: Path) -> None:
    view = kind(path).view()
    extra = view.shard_file(9)  # type: ignore[attr-defined]
    extra.parent.mkdir(parents=True)
    extra.write_bytes(b"x")
    (damage,) = verify(path).damage
    assert "c/9/0/0" in damage.reason


@only_zarr
def test_an_interrupted_publish_is_told(
    kind: type[FeatureStore], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two renames, readers see no damage; a check says that a publish did not end; repair ends it."""
    new = Content.make(12, tracks=7, seed=1)
    replace_ = os.replace

    def stop(source: Any, target: Any) -> None:
        if Path(target) == path / "zarr.json":
            raise KeyboardInterrupt
        replace_(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            publish(kind, path, new)
    assert work_folder(path).exists()
    assert_holds(kind(path).view(), new)
    assert any("interrupted" in damage.reason for damage in verify(path).damage)
    mend(path, verify(path))
    assert verify(path).is_whole
    assert not work_folder(path).exists()
    assert_holds(kind(path).view(), new)


@only_zarr
@pytest.mark.parametrize(
    "change",
    [
        {"zarr_format": 2},
        {"shape": [10**12]},
        {"data_type": "float64"},
        {"codecs": [{"name": "numcodecs.pickle", "configuration": {}}]},
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [10**12]}}},
    ],
    ids=str,
)
@pytest.mark.parametrize("sealed", [True, False])
def test_only_what_audiospec_writes_is_decoded(
    kind: type[FeatureStore], path: Path, change: dict[str, Any], sealed: bool
) -> None:
    """By the metadata alone, before anything is allocated: no codec that runs code, no shape of terabytes."""
    if not sealed:
        unseal(path)
    for column in ("hash", "size"):
        file = path / "tracks" / column / "zarr.json"
        original = file.read_bytes()
        file.write_text(json.dumps({**json.loads(original), **change}))
        if column == "size" and change == {"data_type": "float64"} and not sealed:
            pass  # as many bytes: only a seal can tell
        else:
            with pytest.raises(StoreError) as caught:
                _ = kind(path).tracks
            one_line(caught, "tracks")
            assert not verify(path).is_whole
        file.write_bytes(original)


def test_an_older_store_gets_its_seal_at_the_next_write(
    kind: type[FeatureStore], path: Path, content: Content
) -> None:
    unseal(path)
    verified = verify(path)
    assert verified.is_whole
    assert verified.unsealed
    assert_holds(kind(path).view(), content)
    other = Content.make(5, seconds=0.2)
    publish(kind, path, other)
    assert kind.check(path) == type(kind.check(path))()
    assert_holds(kind(path).view(content.info.name), replace(content, tracks=other.tracks))


def test_an_older_store_is_sealed_by_repair(kind: type[FeatureStore], path: Path, content: Content) -> None:
    unseal(path)
    before = plain(path)
    assert mend(path, verify(path))
    assert verify(path).is_whole
    assert not verify(path).unsealed
    assert [each for each in plain(path)[1:] if each not in before] == [] or path.is_dir()
    assert_holds(kind(path).view(), content)


@only_zarr
def test_damage_of_an_older_store_is_not_sealed(
    kind: type[FeatureStore], path: Path, content: Content
) -> None:
    unseal(path)
    file = path / "views" / content.info.name / "frame" / "c" / "0"
    file.write_bytes(file.read_bytes()[:-1])
    assert parts(path) == {f"views/{content.info.name}"}
    mend(path, verify(path))
    assert f"views/{content.info.name}" in kind.check(path).unsealed
    publish(kind, path, Content.make(5, seconds=0.2))
    assert parts(path) == {f"views/{content.info.name}"}


@only_hdf5
def test_a_file_that_another_program_changed(kind: type[FeatureStore], path: Path, content: Content) -> None:
    """It is read; `verify` says that its seal is gone, and repair seals it as it is."""
    with h5py.File(path, "r+") as file:
        file["mine"] = np.arange(3)
    assert_holds(kind(path).view(), content)
    verified = verify(path)
    assert ["another program" in damage.reason for damage in verified.damage] == [True]
    assert mend(path, verified)
    assert verify(path).is_whole
    assert not verify(path).unsealed
    with h5py.File(path) as file:
        assert file["mine"][:].tolist() == [0, 1, 2]


@only_hdf5
def test_a_part_of_the_seal_is_cut_off_or_overwritten(
    kind: type[FeatureStore], path: Path, content: Content
) -> None:
    original = path.read_bytes()
    end = original.index(b"audiospec seal 1")
    for changed in (original[:-10], original[: end + 100], original[:end] + bytes(500), original + b"x"):
        path.write_bytes(changed)
        with pytest.raises(StoreError) as caught:
            kind(path)
        one_line(caught, "seal", "--repair")
        verified = verify(path)
        assert not verified.is_whole
        mend(path, verified)
        assert verify(path).is_whole
        assert_holds(kind(path).view(), content)


@only_hdf5
@pytest.mark.parametrize("size", [1, 64, 4096])
def test_zeros_anywhere_in_a_sealed_file(
    kind: type[FeatureStore], path: Path, content: Content, size: int
) -> None:
    """HDF5 never gets to see them: they hang or crash it. All but rows comes back."""
    original = path.read_bytes()
    random = np.random.default_rng(size)
    for start in random.integers(0, len(original) - size, 15).tolist():
        if not any(original[start : start + size]):
            continue
        path.write_bytes(original[:start] + bytes(size) + original[start + size :])
        verified = verify(path)
        if verified.damage and all(damage.can_be_restored for damage in verified.damage):
            assert mend(path, verified)
            view = kind(path).view()
            assert view.rows.tobytes() == content.rows.tobytes()
            assert list(view.store.tracks.records()) == list(content.tracks.records())
            assert verify(path).damage == []
        else:
            assert not verified.is_whole


def _crash(request: dict[str, Any], step: Any) -> dict[str, Any]:
    os.abort()


def _hang(request: dict[str, Any], step: Any) -> dict[str, Any]:
    while True:
        pass


def _hog(request: dict[str, Any], step: Any) -> dict[str, Any]:
    return {"size": len(np.ones(1 << 32))}


def _fail(request: dict[str, Any], step: Any) -> dict[str, Any]:
    step("view", 1, 2)
    raise StoreError("expected", "do this")


def test_a_process_that_may_die(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash, a hang or too much memory ends it; the caller is told, and goes on."""
    (tmp_path / "file").touch()
    (tmp_path / "dangers.py").write_text(Path(__file__).read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    call: Callable[[str], Any] = lambda name: isolated.run_isolated(  # noqa: E731
        tmp_path / "file", f"dangers:{name}", {}, None
    )
    assert call("_crash") == (None, "reading it ends the process that does so (SIGABRT)")
    found, reason = call("_hog")
    assert found is None
    assert "memory" in reason
    monkeypatch.setattr(isolated, "_SECONDS", 3.0)
    assert call("_hang") == (None, "reading it did not end in 3 s")
    monkeypatch.setattr(isolated, "_SECONDS", 30.0)
    steps: list[Any] = []
    with pytest.raises(StoreError, match="expected: do this"):
        isolated.run_isolated(tmp_path / "file", "dangers:_fail", {}, lambda *now: steps.append(now))
    assert steps == [("view", 1, 2)]


@only_hdf5
def test_damage_to_an_unsealed_file_ends_no_process(
    kind: type[FeatureStore], path: Path, content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever HDF5 makes of damaged bytes, it does so in another process."""
    monkeypatch.setattr(isolated, "_SECONDS", 15.0)
    unseal(path)
    for file, byte, bit in flips(path, 8, seed=3):
        with flipped(file, byte, bit):
            try:
                verify(path)
            except AudiospecError as error:
                one_line(error)
