"""Tests of a store's seal: whatever changes in the store, its check says so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiospec.errors import AudiospecError
from audiospec.pipeline.verify import mend, verify
from audiospec.testing.stores.case import StoreCase
from audiospec.testing.stores.content import Content, assert_holds, one_line, publish

#: Flipped bits that each test of a store tries.
FLIPS = 120


class SealTests(StoreCase):
    """Tests of the seal. A store without one (see `FeatureStore.is_sealed`) has to say so."""

    @pytest.mark.parametrize("views", [0, 1, 2])
    def test_a_whole_store(self, path: Path, views: int) -> None:
        """What was just written is found whole, and sealed if the store's kind has seals."""
        content = Content.make()
        publish(self.store, path, content)
        if views == 2:
            publish(self.store, path, Content.make(3, seconds=0.2, dtype="uint8"))
        elif not views:
            path = _copy_without_views(path, self.store, content)
        check = self.store.check(path)
        assert check.damage == ()
        assert (check.unsealed == ()) is self.store.is_sealed
        verified = verify(path)
        assert verified.is_whole
        assert [view.name for view in verified.views] == self.store(path).view_names()

    @pytest.mark.parametrize("dtype", ["float16", "uint8"])
    def test_any_flipped_bit_is_noticed(self, path: Path, dtype: str) -> None:
        """A flipped bit is found by `verify`, or changes nothing that can be read."""
        content = Content.make(dtype=dtype)
        publish(self.store, path, content)
        unseen = []
        for file, byte, bit in flips(path, FLIPS):
            with flipped(file, byte, bit):
                try:
                    is_whole = verify(path).is_whole
                except AudiospecError as error:
                    one_line(error)
                    is_whole = False
                if is_whole and not _holds(self.store, path, content):
                    unseen.append((file.name, byte, bit))
        if self.store.is_sealed:
            assert unseen == []
        assert verify(path).is_whole

    def test_damage_is_mended(self, path: Path) -> None:
        """Whatever else than rows is damaged is restored to the same content, or was read right all along."""
        if not self.store.is_sealed:
            pytest.skip("this kind of store has no seal")
        content = Content.make()
        publish(self.store, path, content)
        for file, byte, bit in flips(path, FLIPS // 2):
            with flipped(file, byte, bit):
                verified = verify(path)
                if not verified.damage:
                    continue
                for damage in verified.damage:
                    assert damage.can_be_restored, damage
                assert mend(path, verified)
                assert self.store.check(path).damage == ()
                assert_holds(self.store(path).view(), content)

    def test_a_damaged_part_is_not_opened(self, path: Path, content: Content) -> None:
        """A reader of a damaged table gets right values, or an error that names the command to mend it."""
        if not self.store.is_sealed:
            pytest.skip("this kind of store has no seal")
        publish(self.store, path, content)
        refused = 0
        for file, byte, bit in flips(path, FLIPS // 2):
            with flipped(file, byte, bit):
                if not self.store.check(path).damage:
                    continue
                try:
                    view = self.store(path).view()
                    assert view.rows.tobytes() == content.rows.tobytes()
                    assert list(view.store.tracks.records()) == list(content.tracks.records())
                except AudiospecError as error:
                    one_line(error, str(path), "damaged", "`audiospec store verify")
                    refused += 1
        assert refused > FLIPS // 8


class flipped:  # noqa: N801 - used as a function
    """Context manager: a bit of a file is flipped, in a new file of its name; afterwards it is as it was."""

    def __init__(self, file: Path, byte: int, bit: int) -> None:
        self.file, self.byte, self.bit = file, byte, bit

    def __enter__(self) -> None:
        self.content = self.file.read_bytes()
        changed = bytearray(self.content)
        changed[self.byte] ^= 1 << self.bit
        self._write(changed)

    def __exit__(self, *_: object) -> None:
        self._write(self.content)

    def _write(self, content: bytes | bytearray) -> None:
        # Elsewhere, so that the folder does not change while a reader has it open.
        new = self.file.with_name(f"{self.file.name}.flipped")
        new.write_bytes(content)
        new.replace(self.file)


def flips(path: Path, count: int, seed: int = 0) -> list[tuple[Path, int, int]]:
    """Return places in a store to flip a bit: file, byte, bit; each file has some, long ones more."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    random = np.random.default_rng(seed)
    weights = np.array([file.stat().st_size for file in files], float) ** 0.5
    chosen = random.choice(len(files), count, p=weights / weights.sum())
    places = []
    for number in sorted(chosen.tolist()):
        size = files[number].stat().st_size
        places.append((files[number], int(random.integers(size)), int(random.integers(8))))
    return places


def unseal(path: Path) -> None:
    """Remove the seals of a store, so that it is as an older version wrote it."""
    if path.is_file():
        import h5py

        with h5py.File(path, "r+") as file:  # HDF5 cuts off what is behind its end
            file.attrs.pop("seal", None)
        return
    for name in ("seal.json", "seal.copy"):
        for file in path.rglob(name):
            file.unlink()
    node = json.loads((path / "zarr.json").read_bytes())
    node["attributes"].pop("seal", None)
    (path / "zarr.json").write_text(json.dumps(node, indent=2))


def _copy_without_views(path: Path, kind: Any, content: Content) -> Path:
    """Write a store of a track table alone beside another."""
    from audiospec.stores.layout.lock import work_folder
    from audiospec.stores.layout.schema import store_attributes

    new = path.with_name(f"bare{path.suffix}")
    work_folder(new).mkdir()
    kind.publish(new, work_folder(new), store_attributes("mine", path.parent), content.tracks, None)
    return new


def _holds(kind: Any, path: Path, content: Content) -> bool:
    """Whether a store has the content."""
    try:
        assert_holds(kind(path).view(), replace(content))
    except (AssertionError, AudiospecError):
        return False
    return True
