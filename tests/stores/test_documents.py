"""A Zarr store has the bytes that zarr-python writes, to the last, although zarr-python does not write it."""

from __future__ import annotations

import subprocess
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from zarr.abc.buffer import Buffer
from zarr.codecs import ZstdCodec
from zarr.storage import MemoryStore

from audiospec.audio.chunking import Chunking
from audiospec.specs.tabular import TabularSpec
from audiospec.stores.layout.schema import ROW_ATTRIBUTES, ROW_DTYPE, store_attributes
from audiospec.stores.layout.target_tables import target_arrays, track_arrays, track_attributes
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.shards.format import is_compressed
from audiospec.stores.shards.frames import LEVEL
from audiospec.stores.zarr import ZarrStore
from audiospec.stores.zarr_format.root import sign, with_seal
from audiospec.testing.stores.content import Content, publish, record

#: An attribute of the store, of every kind that JSON has.
MORE = {"deep": [1, 2.5, None, True, "ä"], "big": 1e300}


def tabular() -> Content:
    """Rows of one axis, whose names are text."""
    content = Content.make(10)
    info = replace(content.info, spec=TabularSpec(), chunking=Chunking(seconds=3.0))
    data = np.random.default_rng(0).standard_normal((10, *info.row_shape)).astype(info.row_dtype.base)
    return replace(content, info=info, data=data)


def odd_texts() -> Content:
    labels = ["", "ä ☃ 𝄞", 'a "quoted"\n\t\\ one', "\x7f \x01", "x" * 100_000]
    tracks = [record(number, label=label) for number, label in enumerate(labels)]
    return replace(Content.make(), tracks=Tracks.from_records(tracks))


CONTENTS: dict[str, Callable[[], list[Content]]] = {
    "float16": lambda: [Content.make()],
    "float32": lambda: [Content.make(5, dtype="float32", seconds=0.2)],
    "uint8": lambda: [Content.make(23, dtype="uint8")],
    "no rows": lambda: [Content.make(0)],
    "no tracks": lambda: [Content.make(0, tracks=0)],
    "tabular": lambda: [tabular()],
    "odd texts": lambda: [odd_texts()],
    "several views": lambda: [Content.make(), Content.make(5, seconds=0.2), tabular()],
    "targets": lambda: [Content.make(5, seconds=0.2).annotated(1), Content.make().annotated()],
    "targets of a kept view": lambda: [Content.make(5, seconds=0.2).annotated(1), Content.make()],
    "a view again": lambda: [Content.make(), Content.make(5, seconds=0.2), Content.make(7, seed=3)],
}


@pytest.mark.parametrize("case", CONTENTS)
def test_files_are_those_of_zarr_python(tmp_path: Path, case: str) -> None:
    path, contents = tmp_path / "store.zarr", CONTENTS[case]()
    for content in contents:
        publish(ZarrStore, path, content, more=MORE)
    views = {content.info.name: content for content in contents}
    expected = written_by_zarr(contents[-1].tracks, list(views.values()), path)
    found = {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and "seal." not in file.name and "/data/c/" not in file.as_posix()
    }
    assert sorted(found) == sorted(expected)
    for name, content_bytes in expected.items():
        assert found[name] == content_bytes, name


def written_by_zarr(tracks: Tracks, contents: list[Content], path: Path) -> dict[str, bytes]:
    """The files of a store, without seals and shards, as zarr-python writes them."""
    files: dict[str, Buffer] = {}
    labelling = contents[-1].labelling
    attributes = {**store_attributes("mine", path.parent, labelling), "more": MORE}
    if tracks.free or len(tracks.annotations) or any(content.targets is not None for content in contents):
        attributes["audiospec_format"] = 3
    parts = {"tracks": True, **{f"views/{content.info.name}": True for content in contents}}
    store = MemoryStore(files)
    root = zarr.create_group(store, attributes=with_seal(attributes, parts))
    table = root.create_group("tracks", attributes=track_attributes(tracks))
    for name, column in track_arrays(tracks).items():
        write_array(table, name, *column)
    views = root.create_group("views")
    for content in contents:
        write_view(views, content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for content in contents:
            zarr.consolidate_metadata(store, path=f"views/{content.info.name}")
        zarr.consolidate_metadata(store)
    written = {name: content.to_bytes() for name, content in files.items()}
    return {**written, "zarr.json": sign(written["zarr.json"])}


def write_view(views: zarr.Group, content: Content) -> None:
    info = content.info
    group = views.create_group(info.name, attributes=info.to_attributes())
    compressed = is_compressed(info.row_dtype)
    group.create_array(
        "data",
        shape=content.data.shape,
        chunks=(info.chunk_rows, *info.row_shape),
        shards=(info.shard_rows, *info.row_shape),
        dtype=info.spec.dtype,
        compressors=ZstdCodec(level=LEVEL, checksum=True) if compressed else None,
        fill_value=0 if compressed else float("nan"),
        dimension_names=["row", *info.spec.dims],
        attributes=info.data_attributes(),
    )
    for name in ROW_DTYPE.names or ():
        write_array(group, name, content.rows[name], "row", ROW_ATTRIBUTES[name])
    for dim, (values, _) in info.coordinates().items():
        array = np.array(values, dtype=object if isinstance(values[0], str) else None)
        write_array(group, dim, array, dim, info.axis_attributes()[dim])
    for name, column in target_arrays(content.targets).items():
        write_array(group, name, *column)


def write_array(
    group: zarr.Group, name: str, values: NDArray[Any], dim: str, attributes: Mapping[str, Any]
) -> None:
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=(max(1, len(values)),),
        dtype="string" if values.dtype == object else values.dtype,
        compressors=ZstdCodec(checksum=True),
        dimension_names=[dim],
        attributes=dict(attributes),
        config={"write_empty_chunks": True},
    )
    array[:] = values


def test_zarr_python_is_not_loaded(
    tmp_path: Path, python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """It takes 0.4 s, half of what a run of ten tracks takes."""
    code = (
        "import sys; from pathlib import Path; from audiospec.stores import stores;"
        "from audiospec.testing.stores.content import Content, publish;"
        f"path = Path({str(tmp_path / 'x.zarr')!r});"
        "publish(stores['zarr'], path, Content.make());"
        "publish(stores['zarr'], path, Content.make(5, seconds=0.2));"
        "assert len(stores['zarr'](path).view('mel-0.2s').read()) == 5;"
        "print({'zarr', 'torch'} & set(sys.modules))"
    )
    assert python(code).stdout.strip() == "set()"
