"""The tables of annotations and targets: names of free columns, hostile tables, volumes, buckets, readers."""

from __future__ import annotations

import json
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import soundfile
import xarray
from hypothesis import given
from hypothesis import strategies as st

from audiospec.annotations.annotation import Annotation, Labelling
from audiospec.annotations.table import Annotations, RowTargets
from audiospec.audio.chunking import Chunking
from audiospec.digests import checksum
from audiospec.errors import AudiospecError, StoreError
from audiospec.pipeline.verify import mend, verify
from audiospec.specs.table import TableSpec
from audiospec.stores.base import FeatureStore, TrackRecord, Tracks, open_store, store_class
from audiospec.stores.layout.free_columns import array_names, free_names
from audiospec.stores.layout.row_labels import joined_targets, row_labels
from audiospec.stores.layout.schema import TRACK_COLUMNS, store_attributes
from audiospec.stores.layout.target_tables import (
    read_targets,
    read_tracks,
    target_arrays,
    track_arrays,
    track_attributes,
)
from audiospec.stores.layout.volume_names import volume_name, volume_place
from audiospec.stores.volumes.root import Listing, write_root
from audiospec.testing.stores.content import Content, assert_holds, one_line, publish, table_of, view_content
from audiospec.testing.stores.sealing import flipped, flips, unseal

HOSTILE = [
    "../x",
    "a/b",
    "C:\\x",
    "",
    ".",
    "..",
    "__x",
    "zarr.json",
    "annotations",
    "label",
    "Label",
    "ＬＡＢＥＬ",
]


@pytest.fixture
def content() -> Content:
    return Content.make().annotated()


# Names of free columns


@given(st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=80)), unique=True, max_size=8))
def test_names_of_free_columns(names: list[str]) -> None:
    """Each has a name of its own, which stays the same when the table is written again."""
    given_names = free_names(names)
    assert set(given_names) == set(names)
    assert len({*given_names.values(), *TRACK_COLUMNS}) == len(names) + len(TRACK_COLUMNS)
    again = free_names(given_names.values())
    assert again == {name: name for name in given_names.values()}
    arrays = array_names(given_names.values())
    folded = {array.casefold() for array in arrays.values()}
    assert len(folded | set(TRACK_COLUMNS)) == len(names) + len(TRACK_COLUMNS)
    for array in arrays.values():
        assert array
        assert not set('/\\:*?"<>|') & set(array)
        assert not array.startswith((".", "__"))
        assert array not in ("zarr.json", "annotations")
        assert array.isprintable()
        assert len(array.encode()) < 255


@given(st.lists(st.tuples(st.sampled_from(HOSTILE), st.sampled_from(["", "a", "\0", "ä"])), max_size=6))
def test_free_columns_are_kept_by_writing_again(columns: list[tuple[str, str]]) -> None:
    unique = tuple(sorted(dict(columns).items()))
    tracks = Tracks.from_records([TrackRecord("a"), TrackRecord("b", columns=unique)])
    records = list(tracks.records())
    assert list(Tracks.from_records(records).records()) == records
    assert dict(records[0].columns) == dict.fromkeys(tracks.free, "")
    names = free_names(name for name, _ in unique)
    stored = {name: text.replace("\0", "\\x00") for name, text in unique}
    assert dict(records[1].columns) == {names[name]: text for name, text in stored.items()}


# Tables of others


def stored(content: Content) -> dict[str, Any]:
    """The arrays of the track table and of the targets, as a store has them."""
    columns = {**track_arrays(content.tracks), **target_arrays(content.targets)}
    return {name: column.values for name, column in columns.items()}


def changed(values: Any, place: int, value: Any) -> Any:
    copy = values.copy()
    copy[place] = value
    return copy


DAMAGE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "annotations/track": lambda arrays: changed(arrays["annotations/track"], -1, 99),
    "annotations/track ": lambda arrays: changed(arrays["annotations/track"], 0, -1),
    "annotations/track  ": lambda arrays: arrays["annotations/track"][::-1].copy(),
    "annotations/track   ": lambda arrays: arrays["annotations/track"].astype(float),
    "annotations/start": lambda arrays: changed(arrays["annotations/start"], 0, np.nan),
    "annotations/start ": lambda arrays: changed(arrays["annotations/start"], 0, -1e-9),
    "annotations/start  ": lambda arrays: changed(arrays["annotations/start"], 0, np.inf),
    "annotations/end": lambda arrays: changed(arrays["annotations/end"], 0, np.nan),
    "annotations/end ": lambda arrays: changed(arrays["annotations/end"], 1, -5.0),
    "annotations/label": lambda arrays: arrays["annotations/label"][:-1],
    "annotations/label ": lambda arrays: np.arange(len(arrays["annotations/label"])),
    "annotations/value": lambda arrays: np.append(arrays["annotations/value"], 1.0),
    "device": lambda arrays: arrays["device"][:-1],
    "device ": lambda arrays: np.arange(len(arrays["device"])),
    "targets/row": lambda arrays: changed(arrays["targets/row"], -1, 10),
    "targets/row ": lambda arrays: changed(arrays["targets/row"], 0, -1),
    "targets/row  ": lambda arrays: arrays["targets/row"][::-1].copy(),
    "targets/row   ": lambda arrays: arrays["targets/row"][:-1],
    "targets/label": lambda arrays: changed(arrays["targets/label"], 0, 99),
    "targets/label ": lambda arrays: changed(arrays["targets/label"], 0, -1),
    "targets/share": lambda arrays: changed(arrays["targets/share"], 0, 1.5),
    "targets/share ": lambda arrays: changed(arrays["targets/share"], 0, np.nan),
    "targets/value": lambda arrays: arrays["targets/value"].astype("f4"),
    "targets/names": lambda arrays: arrays["targets/names"][::-1].copy(),
    "targets/names ": lambda arrays: np.array(["dog"] * len(arrays["targets/names"]), dtype=object),
    "targets/names  ": lambda arrays: arrays["targets/names"][:0],
}


@pytest.mark.parametrize("case", DAMAGE)
def test_hostile_tables(content: Content, case: str) -> None:
    """A table that cannot be right is refused in one line when it is read, before anything uses it."""
    arrays = stored(content)
    attributes = track_attributes(content.tracks)
    has = arrays.__contains__
    assert list(read_tracks(attributes, has, arrays.__getitem__).records()) == list(content.tracks.records())
    assert table_of(read_targets(10, has, arrays.__getitem__)) == table_of(content.targets)
    arrays[case.strip()] = DAMAGE[case](arrays)

    def read() -> None:
        read_tracks(attributes, has, arrays.__getitem__)
        read_targets(10, has, arrays.__getitem__)

    with pytest.raises(StoreError) as caught:
        read()
    one_line(caught, "damaged", "restore")


@pytest.mark.parametrize(
    "free",
    [
        "text",
        ["device"],
        {"device": 1},
        {"../../x": "x"},
        {"a/b": "x"},
        {"..": "x"},
        {"": "x"},
        {"label": "x"},
        {"annotations": "x"},
        {"device": "label"},
        {"device": "x", "ID_": "x"},
    ],
)
def test_hostile_names_of_columns(content: Content, free: Any) -> None:
    """Names that lead elsewhere, or stand for columns of the store, are refused; no such array is read."""
    arrays = stored(content)
    with pytest.raises(StoreError) as caught:
        read_tracks({"free": free}, lambda name: True, arrays.__getitem__)
    one_line(caught, "free columns", "damaged")


@pytest.mark.parametrize(
    "labelling",
    [None, 1, "single", [], {}, {"target": "single"}, {**Labelling().to_dict(), "target": "music"},
     {**Labelling().to_dict(), "min_overlap": float("nan")}, {**Labelling().to_dict(), "more": 1}],
)  # fmt: skip
def test_hostile_labelling(kind: type[FeatureStore], tmp_path: Path, labelling: Any) -> None:
    path = tmp_path / f"x{kind.suffixes[0]}"
    publish(kind, path, Content.make(), labelling=labelling)
    with pytest.raises(StoreError) as caught:
        kind(path)
    one_line(caught, str(path), "labelling", "damaged")


# Seals


@pytest.fixture
def annotated(kind: type[FeatureStore], content: Content, tmp_path: Path) -> Path:
    path = tmp_path / f"annotated{kind.suffixes[0]}"
    publish(kind, path, Content.make(3, seconds=0.2).annotated(1))
    publish(kind, path, content)
    return path


def places(path: Path, count: int) -> Iterator[tuple[Path, int, int]]:
    """Places to flip a bit, in a folder only those in the new tables."""
    files = [path] if path.is_file() else [path / "tracks"]
    if path.is_dir():
        files += sorted(folder / "targets" for folder in (path / "views").iterdir() if folder.is_dir())
    for file in files:
        yield from flips(file, count, seed=1)


def test_flipped_bits_are_noticed_and_mended(
    kind: type[FeatureStore], annotated: Path, content: Content
) -> None:
    """Damage to the new tables is found and restored, and never read."""
    name = content.info.name
    found = 0
    for file, byte, bit in places(annotated, 25):
        with flipped(file, byte, bit):
            verified = verify(annotated)
            if any(view.damaged for view in verified.views):
                continue  # in the rows of an HDF5 file, which are no table
            if not verified.damage:
                assert_holds(kind(annotated).view(name), content)
                continue
            found += 1
            try:
                assert_holds(kind(annotated).view(name), content)
            except AudiospecError as error:
                one_line(error, "damaged", "`audiospec store verify")
            assert mend(annotated, verified)
            assert kind.check(annotated).damage == ()
            assert_holds(kind(annotated).view(name), content)
    assert found > 15


def test_a_store_without_seals_is_sealed_again(
    kind: type[FeatureStore], annotated: Path, content: Content
) -> None:
    """As after another program wrote it: it is read, checked, and gets seals that cover the new tables."""
    unseal(annotated)
    assert_holds(kind(annotated).view(content.info.name), content)
    assert kind.check(annotated).unsealed
    assert mend(annotated, verify(annotated))
    check = kind.check(annotated)
    assert (check.damage, check.unsealed) == ((), ())
    assert_holds(kind(annotated).view(content.info.name), content)
    publish(kind, annotated, content)
    assert kind.check(annotated).damage == ()


def test_a_missing_table_is_damage(tmp_path: Path, content: Content) -> None:
    """A seal says that a table was there; a view is not read as if it had no targets."""
    path = tmp_path / "x.zarr"
    publish(store_class(path), path, content)
    (path / "views" / content.info.name / "targets" / "row" / "zarr.json").unlink()
    with pytest.raises(StoreError) as caught:
        open_store(path).view()
    one_line(caught, "targets/row/zarr.json is missing")
    (path / "tracks" / "annotations" / "label" / "c" / "0").unlink()
    with pytest.raises(StoreError) as caught:
        _ = open_store(path).annotations
    one_line(caught, "annotations/label/c/0 is missing")
    verified = verify(path)
    assert {damage.can_be_restored for damage in verified.damage} == {True}
    assert mend(path, verified)
    assert_holds(open_store(path).view(), content)


# Volumes and buckets


def write_volumes(place: Any, contents: list[Content]) -> None:
    """Write a store with volumes, one for each content."""
    kind = store_class(place)
    attributes = store_attributes("mine", Path("/audio"), contents[0].labelling)
    for number, content in enumerate(contents):
        volume = volume_place(place, volume_name(number))
        if isinstance(volume, Path):
            volume.mkdir(parents=True)
            volume.rmdir()
        work = Path("/nowhere") if not isinstance(volume, Path) else volume.parent.parent.parent / "work"
        if isinstance(volume, Path):
            work.mkdir(exist_ok=True)
        kind.publish(volume, work, attributes, content.tracks, content.view())
    names = tuple(volume_name(number) for number in range(len(contents)))
    write_root(place, attributes, Listing(names, (contents[0].info.name,), 1.0), "")


def unique(content: Content, prefix: str) -> Content:
    records = [replace(one, id=f"{prefix}{one.id}") for one in content.tracks.records()]
    return replace(content, tracks=Tracks.from_records(records))


@pytest.mark.parametrize("where", ["disk", "bucket"])
def test_volumes(tmp_path: Path, where: str) -> None:
    """Tables of volumes are one: rows and tracks are numbered through, names of labels are merged."""
    some = [Content.make().annotated(), Content.make(7).annotated(2), Content.make(5)]
    some[2] = replace(some[2], labelling=some[0].labelling)
    contents = [unique(content, f"{number}-") for number, content in enumerate(some)]
    place: Any = tmp_path
    opened: Any = nullcontext()
    if where == "bucket":
        pytest.importorskip("obstore", reason="buckets need obstore: pip install 'audiospec[cloud]'")
        pytest.importorskip("moto", reason="buckets need moto: pip install 'moto[server]'")
        from audiospec.testing.buckets import bucket

        opened = bucket()
    with opened as home:
        place = (home if where == "bucket" else tmp_path) / "v.zarr"
        write_volumes(place, contents)
        store = open_store(place)
        assert store.labelling == some[0].labelling
        assert store.format == 3
        records = [record for content in contents for record in content.tracks.records()]
        assert [one.annotations for one in store.tracks.records()] == [one.annotations for one in records]
        free = {name for one in records for name, _ in one.columns}
        assert set(store.tracks.free) == free
        assert [dict(one.columns) for one in store.tracks.records()] == [
            {**dict.fromkeys(store.tracks.free, ""), **dict(one.columns)} for one in records
        ]
        view = store.view()
        parts = [(content.targets, first) for content, first in zip(contents, (0, 10, 17), strict=True)]
        assert table_of(view.targets) == table_of(joined_targets(parts))
        assert view.targets is not None
        assert len(view.targets) == sum(len(content.targets or ()) for content in contents)
        pairs = {(row, view.targets.names[label]) for row, label in pairs_of(view.targets)}
        assert pairs == {
            (row + first, targets.names[label])
            for targets, first in parts
            if targets is not None
            for row, label in pairs_of(targets)
        }
        labels = [label for content in contents for label in labels_of(content)]
        assert view.labels.tolist() == labels
        if where == "disk":
            copy = store.export(tmp_path / "copy.h5")
            assert table_of(copy.view().targets) == table_of(view.targets)
            assert list(copy.tracks.records()) == list(store.tracks.records())
            again = store.export(tmp_path / "again.zarr", anonymous=True)
            assert (again.format, again.labelling) == (3, store.labelling)
            assert view_content(again.view()) == view_content(view)
        assert verify(place).is_whole


def pairs_of(targets: RowTargets) -> list[tuple[int, int]]:
    return list(zip(targets.row.tolist(), targets.label.tolist(), strict=True))


def labels_of(content: Content) -> list[str]:
    of_tracks = content.tracks["label"][content.rows["track"]]
    if content.targets is None:
        return list(of_tracks)
    return list(row_labels(of_tracks, content.targets, content.labelling))


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from("abc")), unique=True), st.integers(0, 3))
def test_joined_targets(pairs: list[tuple[int, str]], parts: int) -> None:
    """Joining the targets of parts of a view gives those of the view."""

    def table(pairs: list[tuple[int, str]]) -> RowTargets | None:
        names = sorted({name for _, name in pairs})
        rows = sorted((row, names.index(name)) for row, name in pairs)
        if not rows:
            return None
        row, label = np.array(rows).T
        return RowTargets(
            row, label.astype(np.int32), np.ones(len(row)), np.full(len(row), np.nan), tuple(names)
        )

    split = [(table([(row, name) for row, name in pairs if row // 2 == part]), 0) for part in range(parts, 3)]
    whole = table([(row, name) for row, name in pairs if row // 2 >= parts])
    assert table_of(joined_targets(split)) == table_of(whole)


def test_a_bucket(content: Content) -> None:
    """Targets are in the groups that the root names; a kept view keeps them and the number of the format."""
    pytest.importorskip("obstore", reason="buckets need obstore: pip install 'audiospec[cloud]'")
    pytest.importorskip("moto", reason="buckets need moto: pip install 'moto[server]'")
    from audiospec.testing.buckets import bucket

    kind = store_class("x.zarr")
    other = Content.make(3, seconds=0.2)
    with bucket() as home:
        place = home / "x.zarr"
        for each, format in ((other, 2), (content, 3), (other, 3), (Content.make(), 2)):
            attributes = store_attributes("mine", None, each.labelling)
            kind.publish(place, Path("/nowhere"), attributes, each.tracks, each.view())
            store = open_store(place)
            assert store.format == format
            assert store.labelling == each.labelling
            assert_holds(store.view(each.info.name), each)
            assert kind.check(place).damage == ()
        publish_again = store_attributes("mine", None, content.labelling)
        kind.publish(place, Path("/nowhere"), publish_again, content.tracks, content.view())
        assert kind.clean(place, 0.0, time.time() + 3600).files > 0
        assert_holds(open_store(place).view(content.info.name), content)
        key = next(
            entry.key
            for entry in open_store(place).files.list()  # type: ignore[attr-defined]
            if entry.key.endswith("targets/names/c/0")
        )
        files = open_store(place).files  # type: ignore[attr-defined]
        whole = files.read(key)
        files.write(key, whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(StoreError) as caught:
            open_store(place).view(content.info.name)
        one_line(caught, "targets/names/c/0")
        assert [damage.can_be_restored for damage in kind.check(place).damage] == [True]
        assert kind.restore(place, Path("/nowhere"))
        assert_holds(open_store(place).view(content.info.name), content)


# Other readers


def test_xarray_pandas_and_duckdb(tmp_path: Path, content: Content) -> None:
    """Published readers open the tables, with units, and without a warning."""
    pandas = pytest.importorskip("pandas", reason="tables need pandas: pip install 'audiospec[table]'")
    path = tmp_path / "x.zarr"
    publish(store_class(path), path, content)
    table, targets = content.tracks.annotations, content.targets
    assert targets is not None
    name = content.info.name
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tree = xarray.open_datatree(path, engine="zarr")
        for annotations in (
            xarray.open_zarr(path, group="tracks/annotations"),
            tree["tracks/annotations"].to_dataset(),
        ):
            assert annotations["start"].dims == ("annotation",)
            assert annotations["start"].attrs["units"] == annotations["end"].attrs["units"] == "s"
            for column in fields(Annotations):
                values = annotations[column.name].values
                assert list(values) == pytest.approx(list(getattr(table, column.name)), nan_ok=True)
                assert annotations[column.name].attrs["long_name"]
        tracks = xarray.open_zarr(path, group="tracks")
        assert tracks["device"].values.tolist() == content.tracks["device"].tolist()
        assert (
            tracks[".._Ort ☃" if ".._Ort ☃" in tracks else "column.._Ort ☃"].attrs["long_name"] == "../Ort ☃"
        )
        sparse = xarray.open_zarr(path, group=f"views/{name}/targets")
        assert sparse["names"].values.tolist() == list(targets.names)
        assert sparse["row"].values.tolist() == targets.row.tolist()
        assert tree[f"views/{name}/targets"]["share"].values.tolist() == targets.share.tolist()
        frame = annotations.to_dataframe()
        labels = xarray.open_zarr(path, group=f"views/{name}/targets").drop_vars("names").to_dataframe()
    frame["id"] = content.tracks["id"][frame["track"]]
    seconds = frame[np.isfinite(frame["end"])].assign(seconds=lambda one: one["end"] - one["start"])
    expected = seconds.groupby("label")["seconds"].sum()
    assert isinstance(frame, pandas.DataFrame)
    assert set(expected.index) == {one.label for n in range(5) for one in table.of(n) if np.isfinite(one.end)}
    assert labels["label"].map(dict(enumerate(targets.names))).tolist() == [
        targets.names[number] for number in targets.label
    ]
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed")
    with duckdb.connect() as database:
        database.register("annotations", frame.reset_index(drop=True))
        rows = database.execute(
            'SELECT label, sum("end" - start) FROM annotations WHERE isfinite("end") GROUP BY label'
        ).fetchall()
    assert dict(rows) == pytest.approx(expected.to_dict())


def test_h5py(tmp_path: Path, content: Content) -> None:
    path = tmp_path / "x.h5"
    publish(store_class(path), path, content)
    targets = content.targets
    assert targets is not None
    with h5py.File(path) as file:
        table = file["tracks/annotations"]
        assert table["label"].asstr()[:].tolist() == content.tracks.annotations.label.tolist()
        assert table["start"].attrs["units"] == "s"
        assert file["tracks/device"].asstr()[:].tolist() == content.tracks["device"].tolist()
        assert json.loads(file["tracks"].attrs["free"])["device"] == "device"
        assert json.loads(file.attrs["labelling"]) == content.labelling.to_dict()
        sparse = file["views"][content.info.name]["targets"]
        assert sparse["names"].asstr()[:].tolist() == list(targets.names)
        assert sparse["share"][:].tolist() == targets.share.tolist()


def test_a_data_frame_has_targets_and_free_columns(kind: type[FeatureStore], tmp_path: Path) -> None:
    """A column a label, or a number; the columns of the dataset; none if there are none."""
    pytest.importorskip("pandas", reason="tables need pandas: pip install 'audiospec[table]'")
    content = Content.make(4).annotated()
    spec = TableSpec(sample_rate=8000, columns=("device", "tempo"), sha256="0" * 64)
    data = np.arange(8, dtype=spec.dtype).reshape(4, 2)
    rows = content.rows.copy()
    rows["checksum"] = [checksum(row) for row in data]
    info = replace(content.info, spec=spec, chunking=Chunking(seconds=0.1, min_fill=0))
    nan = np.full(3, np.nan)
    targets = RowTargets(np.array([0, 0, 2]), np.array([0, 1, 1], np.int32), np.ones(3), nan, ("cat", "dog"))
    content = replace(content, info=info, data=data, rows=rows, targets=targets)
    path = tmp_path / f"x{kind.suffixes[0]}"
    publish(kind, path, content)
    frame = kind(path).view().to_pandas()
    assert [name for name in frame if name.startswith("target:")] == ["target:cat", "target:dog"]
    assert frame["target:cat"].tolist() == [True, False, False, False]
    assert frame["target:dog"].tolist() == [True, False, True, False]
    assert frame["cluster_"].tolist() == content.tracks["cluster_"][rows["track"]].tolist()
    assert frame["device"].tolist() == data[:, 0].tolist()  # a feature goes before a fact of its name
    number = RowTargets(np.array([1]), np.zeros(1, np.int32), np.ones(1), np.array([0.25]), ("valence",))
    publish(kind, path, replace(content, targets=number, labelling=Labelling(target="number")))
    frame = kind(path).view().to_pandas()
    assert frame["target:valence"].tolist() == pytest.approx([np.nan, 0.25, np.nan, np.nan], nan_ok=True)


def test_annotations_of_tracks_are_sorted_and_storable() -> None:
    """What a store returns is what it is given, in order, with texts that every store can hold."""
    given_annotations = (
        Annotation(start=2.0, end=3.0, label="b"),
        Annotation(start=1.0, end=1.0, label="nul \0 \udc80", column="Spalte ☃"),
        Annotation(value=0.0, column="valence"),
    )
    tracks = Tracks.from_records([TrackRecord("a"), TrackRecord("b", annotations=given_annotations)])
    (first, second) = tracks.records()
    assert first.annotations == ()
    assert second.annotations == (
        given_annotations[2],
        replace(given_annotations[1], label=r"nul \x00 \udc80"),
        given_annotations[0],
    )
    assert tracks.part(1, 2).annotations.track.tolist() == [0, 0, 0]
    assert list(Tracks.concatenate([tracks.part(0, 1), tracks.part(1, 2)]).records()) == [first, second]


def test_pandas_is_not_loaded(
    tmp_path: Path, python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """A store with targets is written and read without zarr-python, pandas or torch."""
    code = (
        "import sys; from pathlib import Path; from audiospec.stores import stores;"
        "from audiospec.testing.stores.content import Content, publish;"
        f"path = Path({str(tmp_path / 'x.zarr')!r});"
        "publish(stores['zarr'], path, Content.make().annotated());"
        "assert stores['zarr'](path).view().targets is not None;"
        "print({'zarr', 'torch', 'pandas'} & set(sys.modules))"
    )
    assert python(code).stdout.strip() == "set()"


def test_a_run_into_a_store_that_cannot_hold_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before anything is computed, rather than lose what the dataset has."""
    import audiospec
    from audiospec.stores.zarr import ZarrStore

    wave = np.sin(np.arange(8000)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wave, 8000)
    (tmp_path / "list.csv").write_text("path,label,device\na.wav,dog,one\n", encoding="utf-8")
    monkeypatch.setattr(ZarrStore, "holds_targets", False)
    with pytest.raises(StoreError) as caught:
        audiospec.featurize("csv", data=tmp_path / "list.csv", chunk=1, store=tmp_path / "x.zarr", workers=0)
    one_line(caught, "x.zarr cannot hold the columns device", ".h5")
    assert not (tmp_path / "x.zarr").exists()
