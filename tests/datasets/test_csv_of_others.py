"""csv: tables that other people and tools write are understood, or refused with the choices."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiospec.datasets.csv import Csv
from audiospec.datasets.own.labels import refuse_several_labels
from audiospec.errors import DatasetError
from audiospec.manifest import Track


def files(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def tracks(root: Path, text: str | bytes, name: str = "list.csv", **options: object) -> list[Track]:
    files(root, "audio/a.wav", "audio/b.wav", name)
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(Csv(root / name, **options).manifest())


def labels(root: Path, text: str | bytes, name: str = "list.csv", **options: object) -> dict[str, str]:
    return {track.path: track.label for track in tracks(root, text, name, **options)}


def error(root: Path, text: str, **options: object) -> str:
    with pytest.raises(DatasetError) as caught:
        tracks(root, text, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


PLAIN = {"audio/a.wav": "jazz", "audio/b.wav": "rock"}


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\r\npath;label\r\naudio/a.wav;jazz\r\naudio/b.wav;rock\r\n",
        "\ufeffsep=,\npath,label\naudio/a.wav,jazz\naudio/b.wav,rock\n",
        '"sep=\t"\npath\tlabel\naudio/a.wav\tjazz\naudio/b.wav\trock\n',
        "sep=|\rpath|label\raudio/a.wav|jazz\raudio/b.wav|rock\r",
        "sep=\t\r\npath\tlabel\r\naudio/a.wav\tjazz\r\naudio/b.wav\trock\r\n".encode("utf-16"),
        "path|label\naudio/a.wav|jazz\naudio/b.wav|rock\n",
        "path,label\naudio\\a.wav,jazz\n.\\audio\\b.wav,rock\n",
        "file_name,label\naudio/a,jazz\naudio/b,rock\n",
        "FileName,Genre\naudio/A.WAV,jazz\nAudio/b.wav,rock\n",
        "File Path;Class Name\naudio/a.wav;jazz\naudio/b.wav;rock\n",
        "filename,target,category\naudio/a.wav,0,jazz\naudio/b.wav,1,rock\n",
        "path,label,genre\naudio/a.wav,jazz,x\naudio/b.wav,rock,x\n",
        "path,label,start\naudio/a.wav,jazz,\naudio/b.wav,rock,2024-05-01 10:00\n",
    ],
)
def test_tables_of_other_tools(tmp_path: Path, text: str | bytes) -> None:
    assert labels(tmp_path, text) == PLAIN


def test_the_first_line_for_excel_is_counted(tmp_path: Path) -> None:
    assert "list.csv, row 4, column 'label' is empty" in error(
        tmp_path, "sep=;\npath;label\naudio/a.wav;x\naudio/b.wav;\n"
    )


def test_other_formats(tmp_path: Path) -> None:
    records = [{"path": "audio/a.wav", "label": "jazz"}, {"label": "rock", "path": "audio/b.wav", "x": [1]}]
    lines = "\n".join(map(json.dumps, records))
    assert labels(tmp_path, lines, "list.jsonl") == PLAIN
    assert labels(tmp_path, "path\tlabel\naudio/a.wav\tjazz\naudio/b.wav\trock\n", "list.tsv") == PLAIN
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(
        arrow.table({"path": list(PLAIN), "label": list(PLAIN.values())}), tmp_path / "x.parquet"
    )
    assert labels(tmp_path, (tmp_path / "x.parquet").read_bytes(), "list.parquet") == PLAIN
    for name, content in (("list.jsonl", "{"), ("list.jsonl", "[1]"), ("list.parquet", "PAR1")):
        with pytest.raises(DatasetError):
            tracks(tmp_path, content, name)


def test_letters_in_another_form(tmp_path: Path) -> None:
    files(tmp_path, "Mu\u0308ller/caf\u00e9.wav", "plain/u\u0308.wav")
    read = labels(tmp_path, "path,label\nM\u00fcller/cafe\u0301.wav,x\nplain/\u00fc,y\n")
    assert read == {"Mu\u0308ller/caf\u00e9.wav": "x", "plain/u\u0308.wav": "y"}
    files(tmp_path, "two/\u00fc.wav", "two/u\u0308.wav")
    read = labels(tmp_path, "path,label\ntwo/\u00fc.wav,x\ntwo/u\u0308.wav,y\n")
    assert read == {"two/\u00fc.wav": "x", "two/u\u0308.wav": "y"}  # each is there as written


def test_one_file_in_two_forms_is_seen(tmp_path: Path) -> None:
    files(tmp_path, "\u00fc.wav")
    for other in ("u\u0308.wav", "./\u00fc.wav", str(tmp_path / "\u00fc.wav"), "\u00fc"):
        message = error(tmp_path, f"id,path,label\n1,\u00fc.wav,x\n2,{other},x\n")
        assert "row 3, column 'path'" in message
        assert "already in row 2" in message


def test_a_name_that_several_files_fit(tmp_path: Path) -> None:
    files(tmp_path, "c.wav", "c.flac", "c.txt")
    message = error(tmp_path, "path,label\naudio/a.wav,x\nc,y\n")
    assert "row 3, column 'path': 'c' may be c.flac or c.wav in" in message


def test_columns_and_a_root_may_be_chosen(tmp_path: Path) -> None:
    text = "what,mood,who,part,key,twin\na.wav,blue,x,training,k1,t\nb.wav,red,y,3,k2,\n"
    read = tracks(
        tmp_path,
        text,
        path_column="what",
        label_column="Mood",
        group_column="who",
        fold_column="part",
        id_column="key",
        cluster_column="twin",
        audio_root=tmp_path / "audio",
    )
    assert read == [
        Track(id="k1", path="a.wav", label="blue", group="x", fold="train", cluster="t"),
        Track(id="k2", path="b.wav", label="red", group="y", fold="3"),
    ]


def test_a_split_in_a_column_is_the_fold(tmp_path: Path) -> None:
    def folds(column: str, *values: str) -> list[str]:
        text = f"path,label,{column}\naudio/a.wav,x,{values[0]}\naudio/b.wav,y,{values[1]}\n"
        return [track.fold for track in tracks(tmp_path, text)]

    assert folds("split", "Training", "eval") == ["train", "test"]
    assert folds("subset", "train", "") == ["train", ""]
    assert folds("subset", "small", "train") == ["", ""]  # not a split
    assert folds("fold", "1", "dev") == ["1", "valid"]


@pytest.mark.parametrize(
    ("text", "options", "parts"),
    [
        (
            "file,audio,label\naudio/a.wav,audio/b.wav,x\n",
            {},
            ["2 columns", "may be the files: file, audio", '`path_column="file"`', '`path_column="audio"`'],
        ),
        (
            "path,genre,class\naudio/a.wav,x,1\naudio/b.wav,y,1\n",
            {},
            [
                "may be the labels: genre, class",
                '`label_column="genre"` (2 values: x, y)',
                '`label_column="class"`',
            ],
        ),
        (
            "path,label\naudio/a.wav,x\n",
            {"label_column": "lable"},
            ["no column 'lable'; did you mean 'label'?"],
        ),
        ("path,x,X\naudio/a.wav,x,y\n", {"label_column": "x "}, ["none"]),
        ("path,mood\naudio/a.wav,x\n", {}, ["no column 'label'", "path, mood", "`label_column`"]),
        ("path,label\na.wav,x\n", {}, ["none of its 1 files exists", "`audio_root`"]),
        (
            "path,label\na.wav,x\n",
            {"audio_root": "/no/such/folder"},
            ["expected a folder as `audio_root`: there is"],
        ),
    ],
)
def test_what_is_ambiguous_is_refused(tmp_path: Path, text: str, options: dict, parts: list[str]) -> None:
    if parts == ["none"]:
        assert labels(tmp_path, text, **options) == {"audio/a.wav": "x"}  # the case decides
        return
    message = error(tmp_path, text, **options)
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    "cells",
    [
        *(
            ("a,b", "c"),
            ("a;b", "c"),
            ("a|b", "c"),
            ("a, b", "b"),
            ("['a', 'b']", "c"),
            ("Music,Guitar", "Music"),
        ),
        *(("a, b", "b, c"), ("/m/1,/m/2", "/m/3")),
    ],
)
def test_several_labels_are_refused(tmp_path: Path, cells: tuple[str, str]) -> None:
    message = error(tmp_path, f'path,label\naudio/a.wav,"{cells[0]}"\naudio/b.wav,"{cells[1]}"\n')
    assert f"row 2: {cells[0]!r} is several labels" in message


def test_a_list_in_json_is_several_labels(tmp_path: Path) -> None:
    lines = [{"path": "audio/a.wav", "label": ["jazz"]}, {"path": "audio/b.wav", "label": ["jazz", "rock"]}]
    assert labels(tmp_path, json.dumps(lines[0]), "list.jsonl") == {"audio/a.wav": "jazz"}
    with pytest.raises(DatasetError, match="is several labels"):
        tracks(tmp_path, "\n".join(map(json.dumps, lines)), "list.jsonl")


@pytest.mark.parametrize("name", ["Fire, crackling", "3,5", "rock;", "[x]", "a/b", "R&B", "x,"])
def test_names_of_one_class(tmp_path: Path, name: str) -> None:
    assert labels(tmp_path, f'path,label\naudio/a.wav,"{name}"\naudio/b.wav,y\n')["audio/a.wav"] == name


@pytest.mark.parametrize("ids", ["", "id,"])
def test_two_labels_of_one_file(tmp_path: Path, ids: str) -> None:
    one, two = ("1,", "2,") if ids else ("", "")
    message = error(tmp_path, f"{ids}path,label\n{one}audio/a.wav,x\n{two}./audio/a.wav,y\n")
    assert "is already in row 2 with the label 'x', here with 'y'" in message


@given(
    st.lists(st.text("ab,;| ", min_size=1, max_size=6).map(str.strip).filter(bool), min_size=1, max_size=5)
)
def test_no_row_has_two_labels_that_recur(cells: list[str]) -> None:
    try:
        refuse_several_labels("x.csv", list(enumerate(cells)))
    except DatasetError:
        return
    for cell in cells:
        parts = [part for part in map(str.strip, cell.split(",")) if part]
        assert len(parts) < 2 or not {*parts} & ({*cells} - {cell})
        assert not any(sign in cell.strip(sign + " ") for sign in ";|")
