"""HDF5 alone: reserved space on the disk, and attributes as JSON."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiospec.stores import hdf5
from audiospec.stores.hdf5_format import writing
from audiospec.stores.layout.contents import NewView
from audiospec.stores.layout.tracks import Tracks
from audiospec.testing.stores.content import Content, assert_holds, publish, record


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.integers(0, 3000),
    tracks=st.integers(1, 300),
    text=st.sampled_from(["", "a", "é" * 100, "x" * 5000, "☃" * 30_000]),
    views=st.integers(1, 3),
)
def test_the_space_of_a_file_is_reserved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, tracks: int, text: str, views: int
) -> None:
    """The reserved bytes are never fewer than the file has, and not many more."""
    reserved = []
    max_size = writing.max_size

    def size(tracks: Tracks, contents: list[NewView]) -> int:
        reserved.append(max_size(tracks, contents))
        return reserved[-1]

    with monkeypatch.context() as patched:
        patched.setattr(writing, "max_size", size)
        path = tmp_path / "store.h5"
        path.unlink(missing_ok=True)
        table = Tracks.from_records([record(n, label=text if n < 20 else "") for n in range(tracks)])
        for number in range(views):
            content = Content.make(rows, seconds=0.1 * (1 + number), shard_rows=500, tracks=tracks)
            content = Content(table, content.info, content.rows, content.data)
            publish(hdf5.HDF5Store, path, content)
    used = path.stat().st_size
    assert used <= reserved[-1] < 4 * used + (2 << 20)
    assert_holds(hdf5.HDF5Store(path).view(content.info.name), content)


@pytest.mark.parametrize("text", ["{", "[1]", '"', "null", "nullify", '"quoted"', "", "a", "\0", "\udc80"])
def test_attributes_that_look_like_json(tmp_path: Path, text: str) -> None:
    publish(hdf5.HDF5Store, tmp_path / "x.h5", Content.make(), dataset=text)
    assert hdf5.HDF5Store(tmp_path / "x.h5").dataset == text
