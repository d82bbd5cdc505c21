"""Tables of features: import, export, errors, and tables beside computed views."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import audiospec
from audiospec.errors import DatasetError, SpecError, StoreError
from audiospec.find import find_view
from audiospec.pipeline.featurize import run
from audiospec.pipeline.repair import repair
from audiospec.specs.table import TableSpec
from audiospec.specs.tabular import TabularSpec
from audiospec.stores.base import FeatureStore, open_store
from audiospec.stores.layout.contents import NewView, ShardSource
from audiospec.stores.layout.schema import VIEW_COLUMNS, TrackRecord
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View
from audiospec.tables.exporting import export_table
from audiospec.tables.importing import import_table
from audiospec.tables.reading import read_table

PUBLISHED = TabularSpec().columns
HEADER = ["filename", "length", *PUBLISHED, "label"]
SUFFIXES = pytest.mark.parametrize("suffix", ["zarr", "h5"])


def row(name: str, label: str | None = None, length: object = 661794, seed: int = 0) -> list[object]:
    values = np.random.default_rng([seed, *name.encode()]).normal(0, 1000, len(PUBLISHED)).tolist()
    return [name, length, *values, name.partition(".")[0] if label is None else label]


def write(file: Path, rows: Sequence[Sequence[object]], header: Sequence[object] = HEADER) -> Path:
    with file.open("w", newline="") as text:
        csv.writer(text).writerows([header, *rows])
    return file


def drop(name: str, rows: Sequence[Sequence[object]], header: Sequence[str] = HEADER) -> list[list[object]]:
    index = list(header).index(name)
    return [[*line[:index], *line[index + 1 :]] for line in [header, *rows]]


WHOLE = [row("jazz.00001.wav"), row("blues.00000.wav"), row("jazz.00000.wav", length=660000)]
PIECES = [
    row(f"{track}.{piece}.wav", length=66149)
    for track in ("jazz.00001", "blues.00000")
    for piece in (10, 0, 2)
]


def floats(rows: Sequence[Sequence[object]]) -> np.ndarray:
    return np.array([line[2:-1] for line in rows], np.float64).astype(np.float32)


# Importing


@SUFFIXES
def test_a_table_of_tracks_is_a_view(tmp_path: Path, suffix: str) -> None:
    view = import_table(write(tmp_path / "a.csv", WHOLE), tmp_path / f"gtzan.{suffix}")
    assert view.name.startswith("table-30s-")
    assert (view.store.dataset, view.columns) == ("gtzan", list(PUBLISHED))
    assert view.ids.tolist() == ["jazz.00001", "blues.00000", "jazz.00000"]
    assert view.labels.tolist() == ["jazz", "blues", "jazz"]
    assert view.rows["start"].tolist() == [0, 0, 0]
    assert view.rows["seconds"].tolist() == [661794 / 22050, 661794 / 22050, 660000 / 22050]
    assert view.rows["source"].tolist() == [0, 0, 0]
    assert np.array_equal(view.read(), floats(WHOLE))
    assert view.read().dtype == np.float32
    assert view.stale() == []
    assert view.damaged().tolist() == []
    assert view.store.tracks.problems == {}
    assert set(view.store.tracks["path"]) == {""}
    assert open_store(view.store.path).view().spec == view.spec


@SUFFIXES
def test_pieces_of_a_track_are_one_track(tmp_path: Path, suffix: str) -> None:
    view = import_table(write(tmp_path / "a.csv", PIECES), tmp_path / f"gtzan.{suffix}")
    assert view.name.startswith("table-3s-")
    assert view.store.tracks["id"].tolist() == ["jazz.00001", "blues.00000"]
    assert view.rows["start"].tolist() == [0, 6, 30, 0, 6, 30]
    assert np.array_equal(view.read(), floats(PIECES)[[1, 2, 0, 4, 5, 3]])


@pytest.mark.parametrize(
    ("length", "seconds"), [(661794, 30), (66149, 3), (22050, 1), (33076, 2), (12000, 0.5), (2300, 0.1)]
)
def test_the_chunk_is_the_rounded_median_length(tmp_path: Path, length: int, seconds: float) -> None:
    table = write(tmp_path / "a.csv", [row("jazz.00000.wav", length=length)])
    assert import_table(table, tmp_path / "gtzan.zarr").chunking.seconds == seconds


def test_chunk_hop_and_rate_can_be_given(tmp_path: Path) -> None:
    table = write(tmp_path / "a.csv", [row("jazz.00000.2.wav", length=16000)])
    view = import_table(table, tmp_path / "gtzan.zarr", chunk=2, hop=0.5, sample_rate=16000)
    assert (view.chunking.seconds, view.chunking.hop, view.spec.sample_rate) == (2, 0.5, 16000)
    assert view.rows[["start", "seconds"]].tolist() == [(1.0, 1.0)]
    with pytest.raises(SpecError, match="chunk must be above 0"):
        import_table(table, tmp_path / "gtzan.zarr", chunk=0)


def test_a_table_without_lengths_needs_a_chunk(tmp_path: Path) -> None:
    header, *rows = drop("length", WHOLE)
    table = write(tmp_path / "a.csv", rows, header)
    with pytest.raises(
        DatasetError, match="no column 'length': give the length of a row in seconds with `chunk`"
    ):
        import_table(table, tmp_path / "gtzan.zarr")
    assert not list(tmp_path.glob("gtzan*"))
    assert set(import_table(table, tmp_path / "gtzan.zarr", chunk=30).rows["seconds"]) == {30}


CLUSTERED = ["filename", "length", "cluster", *PUBLISHED, "label"]


def clustered(rows: Sequence[Sequence[object]], *clusters: object) -> list[list[object]]:
    return [[*line[:2], cluster, *line[2:]] for line, cluster in zip(rows, clusters, strict=True)]


@SUFFIXES
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_clusters_go_into_the_store_and_out_again(tmp_path: Path, suffix: str, kind: str) -> None:
    clusters = ["x", "x", "", "", "y", "y"]
    table = write(tmp_path / "a.csv", clustered(PIECES, *clusters), CLUSTERED)
    assert read_table(table, "all").columns == PUBLISHED
    assert read_table(table).left_out == ()
    view = import_table(table, tmp_path / f"gtzan.{suffix}")
    assert view.store.tracks["cluster"].tolist() == ["x", "y"]
    assert view.clusters.tolist() == ["x"] * 3 + ["y"] * 3
    assert view.to_pandas()["cluster"].tolist() == view.clusters.tolist()
    assert view.hashes.tolist() == [""] * 6
    export_table(view, tmp_path / f"out.{kind}")
    again = read_table(tmp_path / f"out.{kind}")
    assert again.clusters == view.clusters.tolist()
    assert again.values.tobytes() == view.read().tobytes()
    copy = view.store.export(tmp_path / "copy.zarr")
    assert copy.tracks["cluster"].tolist() == ["x", "y"]


def test_numbers_of_clusters_are_the_same_text_from_csv_and_parquet(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = write(tmp_path / "a.csv", clustered(WHOLE, 7, "", 7), CLUSTERED)
    columns = {name: list(column) for name, column in zip(HEADER, zip(*WHOLE, strict=True), strict=True)}
    for numbers in ([7, None, 7], [7.0, float("nan"), 7.0]):
        parquet.write_table(arrow.table({**columns, "cluster": numbers}), tmp_path / "a.parquet")
        assert read_table(tmp_path / "a.parquet").clusters == read_table(table).clusters == ["7", "", "7"]


def test_a_table_without_clusters_is_exported_in_the_published_layout(tmp_path: Path) -> None:
    view = import_table(write(tmp_path / "a.csv", WHOLE), tmp_path / "gtzan.zarr")
    export_table(view, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as text:
        assert next(csv.reader(text)) == HEADER
    assert read_table(tmp_path / "out.csv").clusters is None


def test_a_table_adds_clusters_to_the_tracks_of_a_store(tmp_path: Path) -> None:
    store = tmp_path / "gtzan.zarr"
    before = import_table(write(tmp_path / "a.csv", WHOLE), store)
    for name, clusters in (("b", ("", "x", "x")), ("c", ("", "x", "")), ("d", ("z", "", ""))):
        table = write(tmp_path / f"{name}.csv", clustered(WHOLE, *clusters), CLUSTERED)
        for _ in range(2):
            import_table(table, store)
    tracks = open_store(store).tracks
    assert tracks["cluster"].tolist() == ["z", "x", "x"]
    assert open_store(store).view(before.name).read().tobytes() == before.read().tobytes()
    # If the clusters are gone, the table fills them again, although its view is there.
    bare = Tracks.from_records([replace(record, cluster="") for record in tracks.records()])
    (tmp_path / "work").mkdir()
    type(before.store).publish(store, tmp_path / "work", before.store.store_attributes(), bare, None)
    import_table(table, store)
    assert open_store(store).tracks["cluster"].tolist() == ["z", "", ""]


def test_clusters_that_contradict_are_refused(tmp_path: Path) -> None:
    table = write(tmp_path / "a.csv", clustered(PIECES, "x", "", "w", "", "", ""), CLUSTERED)
    with pytest.raises(DatasetError) as caught:
        import_table(table, tmp_path / "gtzan.zarr")
    assert str(caught.value) == (
        f"{table}, row 4, column 'cluster': is 'w', but track 'jazz.00001' has cluster 'x' in row 2"
    )
    import_table(write(tmp_path / "b.csv", clustered(WHOLE, "v", "", ""), CLUSTERED), tmp_path / "gtzan.zarr")
    table = write(tmp_path / "c.csv", clustered(PIECES, "x", "", "", "", "", ""), CLUSTERED)
    with pytest.raises(DatasetError, match=r"is 'x', but track 'jazz.00001' has cluster 'v' in the store$"):
        import_table(table, tmp_path / "gtzan.zarr")


def test_a_feature_of_an_older_store_may_be_called_cluster(tmp_path: Path) -> None:
    spec = TableSpec(columns=("cluster", "tempo"), sha256="0" * 64)
    view = make(tmp_path / "x.zarr", spec, [replace(record("a", "a.wav"), cluster="x")], [0])
    before = [name for name in VIEW_COLUMNS if name != "cluster"]
    assert list(view.to_pandas().columns) == [*before, "cluster", "tempo"]
    assert view.to_pandas()["cluster"].tolist() == view.read()[:, 0].tolist()
    export_table(view, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().startswith("filename,length,cluster,tempo,label\n")


@pytest.mark.parametrize("columns", ["cluster", "cluster,tempo"])
def test_a_cluster_is_no_feature(tmp_path: Path, columns: str) -> None:
    table = write(tmp_path / "a.csv", clustered(WHOLE, 1, 2, 3), CLUSTERED)
    with pytest.raises(DatasetError, match=r"column 'cluster' of .* cannot be a feature"):
        read_table(table, columns)


def test_labels_come_from_file_names_if_there_is_no_column(tmp_path: Path) -> None:
    header, *rows = drop("label", WHOLE)
    view = import_table(write(tmp_path / "a.csv", rows, header), tmp_path / "gtzan.zarr")
    assert view.labels.tolist() == ["jazz", "blues", "jazz"]


def test_columns_in_any_order_give_the_published_order(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(len(HEADER))
    rows = [[line[index] for index in order] for line in WHOLE]
    table = write(tmp_path / "a.csv", rows, [HEADER[index] for index in order])
    view = import_table(table, tmp_path / "gtzan.zarr")
    assert view.columns == list(PUBLISHED)
    assert np.array_equal(view.read(), floats(WHOLE))


def test_columns_that_are_left_out_are_named(tmp_path: Path) -> None:
    table = write(tmp_path / "a.csv", [[*line, 1.5, "x"] for line in WHOLE], [*HEADER, "extra", "note"])
    assert read_table(table).left_out == ("extra", "note")
    some = read_table(table, "extra, tempo")
    assert some.columns == ("extra", "tempo")
    assert len(some.left_out) == 57
    with pytest.raises(DatasetError, match="row 2, column 'note': expected a number; got 'x'"):
        read_table(table, "all")
    view = import_table(table, tmp_path / "gtzan.zarr", columns=["extra"])
    assert view.read().tolist() == [[1.5]] * 3
    assert import_table(table, tmp_path / "gtzan.zarr").name != view.name


@SUFFIXES
def test_importing_a_table_again_changes_nothing(tmp_path: Path, suffix: str) -> None:
    store = tmp_path / f"gtzan.{suffix}"
    table = write(tmp_path / "a.csv", WHOLE)
    import_table(table, store)
    before = [(file, file.stat().st_mtime_ns, file.stat().st_ino) for file in sorted(store.rglob("*"))]
    before.append((store, store.stat().st_mtime_ns, store.stat().st_ino))
    import_table(table.rename(tmp_path / "b.csv"), store)
    after = [(file, file.stat().st_mtime_ns, file.stat().st_ino) for file in sorted(store.rglob("*"))]
    assert [*after, (store, store.stat().st_mtime_ns, store.stat().st_ino)] == before
    assert {path.name for path in tmp_path.iterdir()} == {"b.csv", store.name}


@SUFFIXES
def test_two_tables_share_tracks(tmp_path: Path, suffix: str) -> None:
    store = tmp_path / f"gtzan.{suffix}"
    first = import_table(write(tmp_path / "a.csv", PIECES), store)
    both = import_table(write(tmp_path / "b.csv", WHOLE), store)
    assert both.store.tracks["id"].tolist() == ["jazz.00001", "blues.00000", "jazz.00000"]
    first = both.store.view(first.name)
    assert np.array_equal(first.read(), floats(PIECES)[[1, 2, 0, 4, 5, 3]])
    assert first.skipped() == {"jazz.00000": "not in the table"}
    assert both.skipped() == {}
    with pytest.raises(StoreError, match=r"'jazz.00000' has no rows in view .*: not in the table"):
        first.rows_of("jazz.00000")


def test_a_store_of_another_dataset_is_refused(tmp_path: Path) -> None:
    table = write(tmp_path / "a.csv", WHOLE)
    import_table(table, tmp_path / "a.zarr", dataset="gtzan")
    with pytest.raises(StoreError, match="holds dataset 'gtzan', not 'esc10'"):
        import_table(table, tmp_path / "a.zarr", dataset="esc10")
    assert import_table(table, tmp_path / "a.zarr").store.dataset == "gtzan"


def test_a_store_that_is_being_written_to_is_busy(tmp_path: Path) -> None:
    from audiospec.stores.layout.lock import locked

    with locked(tmp_path / "a.zarr"), pytest.raises(StoreError, match="another run"):
        import_table(write(tmp_path / "a.csv", WHOLE), tmp_path / "a.zarr")


def test_importing_a_damaged_table_again_repairs_it(tmp_path: Path) -> None:
    store, table = tmp_path / "gtzan.zarr", write(tmp_path / "a.csv", WHOLE)
    view = import_table(table, store)
    shard = store / "views" / view.name / "data" / "c" / "0" / "0"
    content = bytearray(shard.read_bytes())
    content[5] ^= 1
    shard.write_bytes(content)
    view = open_store(store).view()
    assert view.damaged().tolist() == [0]
    with pytest.raises(StoreError, match=r"cannot repair: view table-30s-\w+ .* import the table again"):
        repair(view.store, {view.name: [0]}, workers=0)
    view = import_table(table, store)
    assert view.damaged().tolist() == []
    assert np.array_equal(view.read(), floats(WHOLE))


# Invalid tables


def cell(column: str, value: object, number: int = 3) -> Callable[[list[list[object]]], None]:
    """Return a function that changes one cell; rows are numbered as in a spreadsheet."""

    def change(lines: list[list[object]]) -> None:
        lines[number - 1][HEADER.index(column)] = value

    return change


def without(column: str) -> Callable[[list[list[object]]], None]:
    def change(lines: list[list[object]]) -> None:
        index = lines[0].index(column)
        for line in lines:
            del line[index]

    return change


WRONG: dict[str, tuple[Callable[[list[list[object]]], object], str]] = {
    "text": (cell("tempo", "fast"), "row 3, column 'tempo': expected a number; got 'fast'"),
    "comma": (cell("tempo", "1,5"), "row 3, column 'tempo': expected a number; got '1,5'"),
    "python": (cell("tempo", "1_000"), "row 3, column 'tempo': expected a number; got '1_000'"),
    "nan": (cell("rms_var", "NaN", 4), "row 4, column 'rms_var': expected a finite number; got 'NaN'"),
    "infinite": (cell("tempo", "-inf"), "row 3, column 'tempo': expected a finite number; got '-inf'"),
    "float32": (cell("tempo", "3.5e38"), "row 3, column 'tempo': expected a number within float32"),
    "float64": (cell("tempo", "1" * 400), "row 3, column 'tempo': expected a finite number; got '111"),
    "empty": (cell("tempo", " "), "row 3, column 'tempo': is empty"),
    "no name": (cell("filename", ""), "row 3, column 'filename': is empty"),
    "no label": (cell("label", ""), "row 3, column 'label': is empty"),
    "no length": (cell("length", ""), "row 3, column 'length': is empty"),
    "zero length": (cell("length", 0), "row 3, column 'length': expected a number of samples"),
    "half": (cell("length", 1.5), "row 3, column 'length': expected a number of samples"),
    "huge length": (cell("length", "1e300"), "row 3, column 'length': expected a number of samples"),
    "NaN length": (cell("length", "nan"), "row 3, column 'length': expected a number of samples"),
    "label": (
        cell("label", "bleus"),
        "row 3, column 'label': 'bleus' is not a label of the dataset; did you mean 'blues'? (blues, ",
    ),
    "contradiction": (
        cell("label", "rock"),
        "row 3, column 'label': is 'rock', but the file is 'blues.00000.wav'",
    ),
    "missing": (without("tempo"), "row 1: there is no column 'tempo': choose others with `columns`"),
    "misspelt": (
        cell("spectral_centroid_mean", "spectral_centroid", 1),
        "row 1: there is no column 'spectral_centroid_mean'; did you mean 'spectral_centroid'?",
    ),
    "two missing": (
        lambda lines: [without(name)(lines) for name in ("tempo", "rms_var", "rms_mean")],
        "row 1: there is no column 'rms_mean' (nor 2 others)",
    ),
    "no file names": (
        cell("filename", "file_name", 1),
        "row 1: there is no column 'filename'; did you mean 'file_name'?",
    ),
    "twice": (cell("tempo", "rms_var", 1), "row 1: columns 6 and 19 have the same name 'rms_var': keep one"),
    "duplicate": (
        cell("filename", "jazz.00001.wav", 4),
        "row 4, column 'filename': 'jazz.00001.wav' is already in row 2",
    ),
    "other suffix": (
        cell("filename", "jazz.00001.au", 4),
        "row 4, column 'filename': 'jazz.00001.au' is piece 0 of 'jazz.00001', as is row 2",
    ),
    "mixed": (
        cell("filename", "blues.00000.3.wav"),
        "row 3, column 'filename': 'blues.00000.3.wav' is a piece of a track, but 'jazz.00001.wav' in ",
    ),
    "short row": (lambda lines: lines[2].pop(), "row 3: has 59 cells, row 1 has 60 columns"),
    "long row": (lambda lines: lines[3].append(1), "row 4: has 61 cells, row 1 has 60 columns"),
    "no rows": (lambda lines: lines[1:].clear() or lines.__delitem__(slice(1, None)), "has no row below"),
    "blank rows": (
        lambda lines: lines.__setitem__(slice(1, None), [[], ["", ""]]),
        "has no row below its header",
    ),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_invalid_tables_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    change, message = WRONG[name]
    lines = [list(line) for line in [HEADER, *WHOLE]]
    change(lines)
    table = tmp_path / f"a.{kind}"
    if kind == "csv":
        write(table, lines[1:], lines[0])
    else:
        pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        if any(len(line) != len(lines[0]) for line in lines):
            pytest.skip("a Parquet file has no ragged rows")
        columns = [pa.array([str(line[index]) for line in lines[1:]]) for index in range(len(lines[0]))]
        parquet.write_table(pa.table(columns, names=lines[0]), table)
    with pytest.raises(DatasetError) as caught:
        import_table(table, tmp_path / "gtzan.zarr")
    assert str(caught.value).startswith((f"{table}, {message}", f"table {table} {message}"))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("gtzan*"))


@pytest.mark.parametrize("piece", ["1000001", "9" * 5000])
def test_absurd_pieces_are_refused(tmp_path: Path, piece: str) -> None:
    table = write(tmp_path / "a.csv", [*PIECES, row(f"jazz.00003.{piece}.wav")])
    with pytest.raises(DatasetError, match=r"row 8, column 'filename': piece '[0-9…]+': expected a number"):
        import_table(table, tmp_path / "gtzan.zarr")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", None, "cannot read table .*a.csv: No such file"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\n\n", "there is no column 'filename'"),
        ("a.csv", b"PAR1xxxx", "is a Parquet file: give it a name that ends in .parquet"),
        ("a.csv", b"filename,label\n\x00", "is not a CSV file: it contains NUL bytes"),
        ("a.csv", b"filename,label\nj\xe4zz,x\n", "row 2: is not UTF-8 text"),
        ("a.csv", b'filename,label\n"jazz,x\n', r"row 2: is not CSV \("),
        ("a.csv", b"filename,x\n" + b"x" * 200_000 + b",1\n", r"row 2: is not CSV \(field larger"),
        ("a.csv", b"filename,label\na,b\n", "has no column of features|there is no column 'chroma"),
        ("a.parquet", b"filename,label\n", "cannot be read as a Parquet file"),
        ("a.parquet", b"PAR1" + b"x" * 100 + b"PAR1", "cannot be read as a Parquet file"),
        ("a.xlsx", b"x", "is neither CSV nor Parquet; expected a name in .csv or .parquet"),
        ("a", b"x", "is neither CSV nor Parquet"),
    ],
)
def test_files_that_are_not_tables(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=message) as caught:
        import_table(tmp_path / name, tmp_path / "gtzan.zarr")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_length_is_a_feature_only_if_it_is_named(tmp_path: Path, kind: str) -> None:
    table = write(tmp_path / "a.csv", WHOLE, HEADER)
    for columns in ("published", "all"):
        assert "length" not in read_table(table, columns).columns
    view = import_table(table, tmp_path / "a.zarr", columns=["tempo", "length", "rms_mean"])
    assert view.columns == ["tempo", "length", "rms_mean"]
    assert view.read()[:, 1].tolist() == (view.rows["seconds"] * 22050).round().tolist()
    export_table(view, tmp_path / f"b.{kind}")  # every table has this column
    again = read_table(tmp_path / f"b.{kind}", ["tempo", "length", "rms_mean"])
    assert again.values.tobytes() == view.read().tobytes()
    assert read_table(tmp_path / f"b.{kind}", "all").columns == ("tempo", "rms_mean")


@pytest.mark.parametrize(
    ("header", "columns", "message"),
    [
        (["filename", "label"], "all", "has no column of features"),
        (["filename", "start"], "all", "column 'start' of .* cannot be a feature"),
        (["filename", ""], "all", "row 1: column 2 has no name"),
        (["filename", "x"], "y", "there is no column 'y'"),
        (["filename", "x"], "x,x", "`columns` has 'x' twice: name it once"),
        (["filename", "x"], "filename", "column 'filename' of .* cannot be a feature"),
        (["filename", "x"], "length", "there is no column 'length'"),
        (["filename", "x"], "", "column 1 has no name"),
    ],
)
def test_invalid_columns_are_refused(tmp_path: Path, header: list[str], columns: str, message: str) -> None:
    table = write(tmp_path / "a.csv", [[f"{name}.0" for name in header]], header)
    with pytest.raises(DatasetError, match=message):
        read_table(table, columns)


def test_parquet_as_pandas_writes_it(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(
        {
            "filename": ["a.wav", "b.wav"],
            "label": pandas.Categorical(["0", "1"]),
            "length": [22050, 22050],
            "x": np.array([0.1, 2], np.float32),
            "n": [1, None],
            "yes": [True, False],
        }
    )
    file = tmp_path / "a.parquet"
    table.to_parquet(file)
    view = import_table(file, tmp_path / "x.zarr", columns="x")
    assert view.read().tolist() == [[np.float32(0.1)], [2]]
    assert view.labels.tolist() == ["0", "1"]
    for column, message in (("n", "row 3, column 'n': "), ("yes", "row 2, column 'yes': expected a number")):
        with pytest.raises(DatasetError, match=message):
            read_table(file, column)
    table.assign(label=[0, 1]).to_parquet(file)
    assert read_table(file, "x").labels == ["0", "1"]
    table.assign(label=[0.5, 1]).to_parquet(file)
    with pytest.raises(DatasetError, match=r"row 2, column 'label': expected text; got '0.5'"):
        read_table(file, "x")


def test_semicolons_byte_order_marks_and_blank_rows(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("﻿filename;x;label\n\njazz.00000.wav; 1.5 ;jazz\n;;\njazz.00001.wav;x;jazz\n", "utf-8")
    with pytest.raises(DatasetError, match="row 5, column 'x': expected a number; got 'x'"):
        read_table(table, "x")


def test_a_store_determines_the_labels_of_an_unregistered_dataset(tmp_path: Path) -> None:
    store = tmp_path / "mine.zarr"
    first = [row("a.wav", "loud"), row("loud.b.wav", "quiet"), row("quiet.c.wav", "quiet")]
    with pytest.raises(DatasetError, match=r"row 3, .*is 'quiet', but the file is 'loud.b.wav'"):
        import_table(write(tmp_path / "a.csv", first), store)
    first[1][0] = "b.wav"
    import_table(write(tmp_path / "a.csv", first), store)
    with pytest.raises(DatasetError, match=r"'lout' is not a label of the dataset; did you mean 'loud'"):
        import_table(write(tmp_path / "b.csv", [row("d.wav", "lout")]), store)
    with pytest.raises(
        DatasetError, match=r"row 2, column 'label': is 'loud', but track 'b' has label 'quiet' in the store"
    ):
        import_table(write(tmp_path / "b.csv", [row("b.wav", "loud")]), store)
    header, *rows = drop("label", [row("b.wav")])
    assert import_table(write(tmp_path / "b.csv", rows, header), store).labels.tolist() == ["quiet"]
    header, *rows = drop("label", [row("d.wav")])
    with pytest.raises(DatasetError, match=r"row 2, column 'filename': 'd.wav' contains no label"):
        import_table(write(tmp_path / "b.csv", rows, header), store)


def test_pieces_of_a_track_have_one_label(tmp_path: Path) -> None:
    rows = [row("a.0.wav", "x"), row("b.0.wav", "x"), row("a.1.wav", "y")]
    with pytest.raises(
        DatasetError, match="row 4, column 'label': is 'y', but track 'a' has label 'x' in row 2"
    ):
        import_table(write(tmp_path / "a.csv", rows), tmp_path / "mine.zarr")


# Exporting


@SUFFIXES
@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("rows", [WHOLE, PIECES], ids=["whole", "pieces"])
def test_an_exported_table_equals_the_imported_one(
    tmp_path: Path, suffix: str, kind: str, rows: list[list[object]]
) -> None:
    view = import_table(write(tmp_path / "a.csv", rows), tmp_path / f"gtzan.{suffix}")
    out = tmp_path / f"out.{kind}"
    export_table(view, out)
    table = read_table(out)
    assert sorted(table.filenames) == sorted(line[0] for line in rows)
    by_name = {line[0]: line for line in rows}
    same = [by_name[name] for name in table.filenames]
    assert table.columns == PUBLISHED
    assert table.lengths.tolist() == [line[1] for line in same]
    assert table.labels == [line[-1] for line in same]
    assert np.array_equal(table.values, floats(same))
    assert not list(tmp_path.glob("*.partial"))


def test_export_writes_the_fewest_digits(tmp_path: Path) -> None:
    lines = [["a.wav", 0.1, 1e20, -0.0, 16777216.0, 1e-45]]
    table = write(tmp_path / "a.csv", lines, ["filename", *"abcde"])
    with pytest.raises(DatasetError, match="contains no label; expected"):
        import_table(table, tmp_path / "x.zarr", chunk=1, columns="all")
    lines[0].append("x")
    view = import_table(
        write(table, lines, ["filename", *"abcde", "label"]), tmp_path / "x.zarr", chunk=1, columns="all"
    )
    export_table(view, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == (
        "filename,length,a,b,c,d,e,label\na.wav,22050,0.1,1e+20,-0.0,1.6777216e+07,1e-45,x\n"
    )


NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=8).filter(
    lambda name: not name.isspace() and name == name.strip()
)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def views(draw: st.DrawFn) -> tuple[list[tuple[str, int, int]], list[str], list[list[float]], float]:
    """Draw rows as (track, piece, length), columns, values, and the chunk in seconds."""
    tracks = draw(
        st.lists(st.one_of(NAMES, st.sampled_from(["a.7", "a", "a.7.0", "jazz.00001"])), min_size=1)
    )
    places = draw(
        st.lists(
            st.tuples(st.sampled_from(tracks), st.integers(0, 20), st.integers(1, 10**6)),
            min_size=1,
            max_size=6,
            unique_by=lambda place: place[:2],
        )
    )
    taken = {"filename", "length", "label", *VIEW_COLUMNS}
    columns = draw(st.lists(NAMES.filter(lambda n: n not in taken), min_size=1, max_size=4, unique=True))
    rows = st.lists(FLOATS, min_size=len(columns), max_size=len(columns))
    values = draw(st.lists(rows, min_size=len(places), max_size=len(places)))
    return places, columns, values, draw(st.sampled_from([0.07, 0.5, 3.0, 30.0]))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=views())
def test_any_table_survives_export_import_export(
    kind: str, drawn: tuple[list[tuple[str, int, int]], list[str], list[list[float]], float]
) -> None:
    import tempfile

    places, columns, values, chunk = drawn
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [
            [f"{track}.{piece}.wav", length, *numbers, "x"]
            for (track, piece, length), numbers in zip(places, values, strict=True)
        ]
        table = write(folder / "a.csv", lines, ["filename", "length", *columns, "label"])
        first = import_table(table, folder / "first.zarr", chunk=chunk, columns="all")
        export_table(first, folder / f"first.{kind}")
        second = import_table(folder / f"first.{kind}", folder / "second.zarr", chunk=chunk, columns="all")
        export_table(second, folder / f"second.{kind}")
        assert (folder / f"first.{kind}").read_bytes() == (folder / f"second.{kind}").read_bytes()
        assert first.rows.tobytes() == second.rows.tobytes()
        assert first.read().tobytes() == second.read().tobytes()
        assert first.ids.tolist() == second.ids.tolist()
        assert first.read().tobytes() == read_table(folder / f"first.{kind}", "all").values.tobytes()


def make(
    path: Path, spec: audiospec.FeatureSpec, records: list[dict[str, object]], starts: list[float]
) -> View:
    """Return a view with one row per record, as a frontend would compute it."""
    from audiospec.digests import checksum
    from audiospec.stores.base import store_class
    from audiospec.stores.layout.info import ViewInfo
    from audiospec.stores.layout.schema import ROW_DTYPE, store_attributes

    info = ViewInfo(spec=spec, chunking=audiospec.Chunking(seconds=3), shard_rows=4, made={})
    values = np.random.default_rng(0).normal(size=(len(starts), *info.row_shape)).astype(spec.dtype)
    rows = np.zeros(len(starts), ROW_DTYPE)
    rows["track"], rows["start"], rows["seconds"] = range(len(starts)), starts, 2.5
    rows["checksum"] = [checksum(value) for value in values]
    view = NewView(info, rows, lambda number: ShardSource(lambda: values[number * 4 : number * 4 + 4]))
    (path.parent / "work").mkdir(exist_ok=True)
    tracks = Tracks.from_records(records)
    kind = store_class(path)
    kind.publish(path, path.parent / "work", store_attributes("folder", path.parent), tracks, view)
    return kind(path).view(info.name)


def record(id: str, path: str) -> TrackRecord:
    facts = {"seconds": 3.0, "sample_rate": 22050, "channels": 1, "size": 1, "modified": 1}
    return TrackRecord(id, path, label="x", group="g", fold="1", **facts)


@pytest.mark.parametrize(
    ("paths", "starts", "names"),
    [
        (["x/a.flac", "b.wav"], [0, 0], ["a.flac", "b.wav"]),
        (["x/a.flac", "b.wav"], [0, 6], ["a.0.flac", "b.2.wav"]),
        (["x/a.wav", "y/a.wav"], [0, 0], ["x/a.wav", "y/a.wav"]),
        (["x/a.wav", "x/a.flac"], [0, 3], ["id0.0.wav", "id1.1.wav"]),
        (["x/a.wav", ""], [0, 0], ["a.wav", "id1.wav"]),
        (["x/a.wav", "x/b.7.wav"], [0, 0], ["a.0.wav", "b.7.0.wav"]),
    ],
)
def test_exported_file_names_identify_tracks(
    tmp_path: Path, paths: list[str], starts: list[float], names: list[str]
) -> None:
    records = [record(f"id{number}", path) for number, path in enumerate(paths)]
    view = make(tmp_path / "x.zarr", TabularSpec(), records, starts)
    export_table(view, tmp_path / "out.csv")
    assert read_table(tmp_path / "out.csv").filenames == names
    # Imported into the same store, the rows are matched to the same tracks.
    again = import_table(tmp_path / "out.csv", tmp_path / "x.zarr", chunk=3)
    assert again.ids.tolist() == view.ids.tolist()
    assert again.read().tobytes() == view.read().tobytes()
    assert again.rows["start"].tolist() == starts
    assert len(again.store.tracks) == len(records)


def test_only_tables_are_exported(tmp_path: Path) -> None:
    mel = audiospec.MelSpec(n_mels=8, n_fft=256, hop_length=4096)
    view = make(tmp_path / "x.zarr", mel, [record("a", "a.wav")], [0])
    for use in (lambda: export_table(view, tmp_path / "x.csv"), view.to_pandas, lambda: view.columns):
        with pytest.raises(
            StoreError, match=r"view mel-3s-\w+ is not a table: .* has rows of \(mel, frame\)"
        ):
            use()
    with pytest.raises(
        StoreError, match=r"expected a table of features; .* has none: make one with `audiospec f"
    ):
        find_view(view.store)
    make(tmp_path / "x.zarr", TabularSpec(), [record("a", "a.wav")], [0])
    store = open_store(tmp_path / "x.zarr")
    with pytest.raises(
        StoreError, match=r"a table of features; view mel-3s-\w+ of feature 'mel' has rows of \(mel, f"
    ):
        find_view(store, view=view.name)
    with pytest.raises(StoreError, match="has no view 'x'"):
        find_view(store, view="x")
    with pytest.raises(StoreError, match=r"has none that match `chunk=30`: choose one with `chunk=3` `view="):
        find_view(store, chunk=30)
    assert find_view(store).spec == TabularSpec()


def test_parameters_choose_among_tables(tmp_path: Path) -> None:
    store = tmp_path / "gtzan.zarr"
    long = import_table(write(tmp_path / "a.csv", WHOLE), store)
    short = import_table(write(tmp_path / "b.csv", PIECES), store)
    other = import_table(tmp_path / "b.csv", store, columns="tempo")
    store = open_store(store)
    assert find_view(store, chunk=30).name == long.name
    assert find_view(store, view="table-30s").name == long.name
    assert find_view(store, chunk=3, view=short.name).name == short.name
    with pytest.raises(
        StoreError, match=r"expected a table of features; .* has 3: choose one with `chunk=30` `view="
    ):
        find_view(store)
    with pytest.raises(StoreError, match='has 2 that match `view="table-3s"`') as caught:
        find_view(store, view="table-3s")
    assert f'`chunk=3` `view="{other.name}"`' in str(caught.value)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("x.txt", "expected a name that ends in .csv or .parquet"),
        ("nowhere/x.csv", "cannot write .*: No such file"),
        ("nowhere/x.parquet", "cannot write .*"),
        ("folder.csv", "cannot write .*: Is a directory"),
    ],
)
def test_files_that_cannot_be_written(tmp_path: Path, out: str, message: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    view = import_table(write(tmp_path / "a.csv", WHOLE), tmp_path / "gtzan.zarr")
    with pytest.raises(StoreError, match=message):
        export_table(view, tmp_path / out)
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("missing", ["pandas", "pyarrow"])
def test_a_missing_library_is_named_with_its_extra(
    tmp_path: Path, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = import_table(write(tmp_path / "a.csv", WHOLE), tmp_path / "gtzan.zarr")
    (tmp_path / "a.parquet").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, missing, None)
    uses: list[Callable[[], object]] = [view.to_pandas]
    if missing == "pyarrow":
        uses = [
            lambda: read_table(tmp_path / "a.parquet"),
            lambda: export_table(view, tmp_path / "out.parquet"),
        ]
    for use in uses:
        with pytest.raises(StoreError, match=rf"needs {missing}: pip install 'audiospec\[table\]'"):
            use()


# Beside audio


SPEC = audiospec.MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, fmax=4000)
CHUNK = audiospec.Chunking(seconds=0.5)


@pytest.fixture
def genres(tmp_path: Path) -> Path:
    """Audio of three tracks: two are in the tables, one is not, and one track of the tables has no audio."""
    for name in ("blues.00000", "jazz.00001", "metal.00009"):
        folder = tmp_path / "genres" / name.partition(".")[0]
        folder.mkdir(parents=True)
        noise = np.random.default_rng([*name.encode()]).standard_normal(12800) / 10
        soundfile.write(folder / f"{name}.wav", noise, 8000)
    return tmp_path / "genres"


def featurize(genres: Path, store: Path) -> View:
    report = run("gtzan", data=genres, views=[(SPEC, CHUNK)], store=store, workers=0)
    assert report.problems == {}
    return report.views[0]


@SUFFIXES
def test_audio_after_tables(tmp_path: Path, genres: Path, suffix: str) -> None:
    store = tmp_path / f"gtzan.{suffix}"
    names = [import_table(write(tmp_path / "a.csv", rows), store).name for rows in (WHOLE, PIECES)]
    before = {
        name: (v.ids.tolist(), v.read().tobytes(), v.rows.tobytes()) for name, v in _views(store).items()
    }
    mel = featurize(genres, store)
    tracks = list(mel.store.tracks.records())
    assert [track.id for track in tracks] == ["jazz.00001", "blues.00000", "jazz.00000", "metal.00009"]
    assert [track.path for track in tracks] == [
        *("jazz/jazz.00001.wav", "blues/blues.00000.wav", "", "metal/metal.00009.wav")
    ]
    assert [bool(track.hash) for track in tracks] == [True, True, False, True]
    assert mel.store.root == genres
    assert mel.store.tracks.problems == {}
    assert set(mel.ids) == {"jazz.00001", "blues.00000", "metal.00009"}
    assert mel.skipped() == {
        "jazz.00000": "no audio: imported from a table, and the dataset has no such file"
    }
    after = _views(store)
    for name in names:
        view = after[name]
        assert (view.ids.tolist(), view.read().tobytes(), view.rows.tobytes()) == before[name]
        assert view.stale() == []
        assert view.skipped()["metal.00009"] == "not in the table"
    # A second run finds nothing to do. A third, after a file was removed, reports only tracks that had audio.
    report = run("gtzan", data=genres, views=[(SPEC, CHUNK)], store=store, workers=0)
    assert report.planned[0].missing_shards == 0
    (genres / "blues" / "blues.00000.wav").unlink()
    report = run("gtzan", data=genres, views=[(SPEC, CHUNK)], store=store, workers=0)
    assert list(report.problems) == ["blues.00000"]
    assert "removed" in report.problems["blues.00000"]
    for name in names:
        assert _views(store)[name].ids.tolist() == before[name][0]


@SUFFIXES
def test_tables_after_audio(tmp_path: Path, genres: Path, suffix: str) -> None:
    store = tmp_path / f"gtzan.{suffix}"
    mel = featurize(genres, store)
    before = (mel.ids.tolist(), mel.read().tobytes(), mel.rows.tobytes(), mel.store.store_attributes())
    tracks = list(mel.store.tracks.records())
    view = import_table(write(tmp_path / "a.csv", WHOLE), store)
    assert view.ids.tolist() == ["blues.00000", "jazz.00001", "jazz.00000"]
    assert np.array_equal(view.read(), floats(WHOLE)[[1, 0, 2]])
    assert view.skipped() == {"metal.00009": "not in the table"}
    mel = view.store.view(mel.name)
    assert (
        mel.ids.tolist(),
        mel.read().tobytes(),
        mel.rows.tobytes(),
        mel.store.store_attributes(),
    ) == before
    assert list(view.store.tracks.records())[:3] == tracks
    report = run("gtzan", data=genres, views=[(SPEC, CHUNK)], store=store, workers=0)
    assert report.planned[0].missing_shards == 0
    assert report.problems == {}
    # A damaged view beside a table is repaired; tracks without audio do not change.
    records = list(view.store.tracks.records())
    repair(open_store(store), {mel.name: [0, 1]}, workers=0)
    assert list(open_store(store).tracks.records()) == records
    assert open_store(store).view(mel.name).read().tobytes() == before[1]


def test_the_error_of_an_empty_view_does_not_count_tracks_without_audio(tmp_path: Path, genres: Path) -> None:
    store = tmp_path / "gtzan.zarr"
    import_table(write(tmp_path / "a.csv", [row("blues.00099.wav"), *WHOLE]), store)
    long = audiospec.Chunking(seconds=100)
    with pytest.raises(DatasetError, match=r"none of the 3 tracks gives .*, such as \w+.\d+ \(too short"):
        run("gtzan", data=genres, views=[(SPEC, long)], store=store, workers=0)


def test_a_table_cannot_be_computed(tmp_path: Path, genres: Path) -> None:
    spec = TableSpec(columns=("a",), sha256="0")
    with pytest.raises(audiospec.AudiospecError) as caught:
        run("gtzan", data=genres, views=[(spec, CHUNK)], store=tmp_path / "x.zarr", workers=0)
    assert "\n" not in str(caught.value)


def _views(path: Path) -> dict[str, View]:
    store: FeatureStore = open_store(path)
    return {view.name: view for view in store.views()}


# In other programs


def test_to_pandas(tmp_path: Path) -> None:
    view = import_table(write(tmp_path / "a.csv", PIECES), tmp_path / "gtzan.zarr")
    table = view.to_pandas()
    assert list(table.columns) == [*VIEW_COLUMNS, *PUBLISHED]
    assert (table[list(PUBLISHED)].dtypes == "float32").all()
    assert np.array_equal(table[list(PUBLISHED)].to_numpy(), view.read())
    assert table["start"].tolist() == [0, 6, 30, 0, 6, 30]
    assert table["id"].tolist() == view.ids.tolist()
    assert table["group"].tolist() == [""] * 6


# The published tables


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "rows", "tracks", "chunk"),
    [("features_30_sec", 1000, 1000, 30), ("features_3_sec_classical_jazz_rock", 2996, 300, 3)],
)
@SUFFIXES
def test_the_published_tables(
    shared_data: Path, tmp_path: Path, name: str, rows: int, tracks: int, chunk: int, suffix: str
) -> None:
    file = shared_data / "gtzan-tables" / f"{name}.csv"
    view = import_table(file, tmp_path / f"gtzan.{suffix}")
    assert len(view) == rows
    assert len(view.store.tracks) == tracks
    assert view.chunking.seconds == chunk
    assert view.shape == (rows, 57)
    assert len(view.classes) == tracks // 100
    assert read_table(file).left_out == ()
    assert len(view.damaged()) == 0
    # Splits by track are possible: all pieces of a track have one id.
    most = Counter(view.ids.tolist()).most_common(1)[0][1]
    assert most == (10 if chunk == 3 else 1)
    export_table(view, tmp_path / "out.csv")
    with file.open(newline="") as old, (tmp_path / "out.csv").open(newline="") as new:
        header, *published = csv.reader(old)
        again, *exported = csv.reader(new)
    assert again == header
    assert [line[:2] + line[-1:] for line in exported] == [line[:2] + line[-1:] for line in published]
    assert np.array_equal(floats(exported), floats(published))
    exact = np.array([line[2:-1] for line in published], np.float64)
    assert (np.abs(view.read() - exact) <= 6e-8 * np.abs(exact)).all()


@pytest.mark.realdata
def test_both_published_tables_share_one_store(shared_data: Path, tmp_path: Path) -> None:
    store = tmp_path / "gtzan.zarr"
    for name in ("features_3_sec_classical_jazz_rock", "features_30_sec"):
        import_table(shared_data / "gtzan-tables" / f"{name}.csv", store)
    short, long = open_store(store).view("table-3s"), open_store(store).view("table-30s")
    assert len(short.store.tracks) == 1000
    assert set(short.ids) == {
        id for id, label in zip(long.ids, long.labels, strict=True) if label in short.classes
    }
