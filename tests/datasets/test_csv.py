"""csv: rows become tracks, and errors name the row and the column."""

from __future__ import annotations

import csv as standard
import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiospec.datasets.csv import Csv
from audiospec.errors import DatasetError
from audiospec.manifest import Track


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files a.wav and b.wav."""
    folder = tmp_path / "lists"
    folder.mkdir()
    for name in ("a.wav", "b.wav"):
        (folder / name).touch()
    return folder


def write(folder: Path, text: str | bytes) -> Path:
    file = folder / "list.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def tracks(folder: Path, text: str | bytes) -> list[Track]:
    return list(Csv(write(folder, text)).manifest())


def error(folder: Path, text: str | bytes) -> str:
    with pytest.raises(DatasetError) as caught:
        tracks(folder, text)
    assert "\n" not in str(caught.value)
    assert str(folder / "list.csv") in str(caught.value)
    return str(caught.value)


PLAIN = [
    Track(id="a.wav", path="a.wav", label="rock"),
    Track(id="b.wav", path="b.wav", label="jazz"),
]


@pytest.mark.parametrize(
    "text",
    [
        "path,label\nb.wav,jazz\na.wav,rock\n",
        "path,label\r\nb.wav,jazz\r\na.wav,rock",
        "path,label\rb.wav,jazz\ra.wav,rock",
        "Label; Path ;\n\njazz;b.wav\n;;\n rock ; ./a.wav;\n",
        "label\tnotes\tpath\njazz\t1,2;3\tb.wav\nrock\t\ta.wav\n",
        b'\xef\xbb\xbf"path","label"\n"b.wav","jazz"\na.wav,rock\n',
        "path,label\nb.wav,jazz\na.wav,rock\n".encode("utf-16"),
    ],
    ids=["plain", "crlf", "cr", "semicolon", "tab", "bom", "utf-16"],
)
def test_accepted_forms_of_a_table(folder: Path, text: str | bytes) -> None:
    assert [replace(track, columns=()) for track in tracks(folder, text)] == PLAIN


def test_all_columns(folder: Path) -> None:
    text = "fold,group,id,path,label,mood,Cluster\n1,Zoë,x/1,a.wav,rock,,7\n,,,gone.wav,jazz,blue,\n"
    assert tracks(folder, text) == [
        Track(id="gone.wav", path="gone.wav", label="jazz", columns=(("mood", "blue"),)),
        Track(
            id="x/1",
            path="a.wav",
            label="rock",
            group="Zoë",
            fold="1",
            cluster="7",
            columns=(("mood", ""),),
        ),
    ]


def test_files_outside_the_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "c.wav").touch()
    manifest = Csv(write(folder, f"path,label\na.wav,x\n../far/c.wav,y\n{tmp_path}/far/d.wav,z\n")).manifest()
    assert manifest.root == tmp_path
    assert {track.id: track.path for track in manifest} == {
        "a.wav": "lists/a.wav",
        "../far/c.wav": "far/c.wav",
        f"{tmp_path}/far/d.wav": "far/d.wav",
    }


def test_data_may_be_a_path_with_dots(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, "path,label\na.wav,x\n")
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    manifest = Csv("../lists/list.csv").manifest()
    assert manifest.root == folder.resolve()
    assert manifest.file(manifest.tracks[0]).is_file()


def test_dots_after_a_link_are_followed_as_the_system_does(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "far" / "c.wav").touch()
    (folder / "link").symlink_to(tmp_path / "far" / "deep")
    (folder / "alias.wav").symlink_to(tmp_path / "far" / "c.wav")
    manifest = Csv(write(folder, "path,label\nlink/../c.wav,x\nalias.wav,y\n")).manifest()
    assert {track.path for track in manifest} == {"far/c.wav", "lists/alias.wav"}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["no column 'path'", "row 1 has: nothing"]),
        ("place,label\na.wav,x\n", ["no column 'path'", "place, label", "`path_column`"]),
        ("path,lable\na.wav,x\n", ["no column 'label'", "did you mean 'lable'"]),
        ("path,label,Path\na.wav,x,b.wav\n", ["2 columns called 'path'"]),
        ("path,label\n", ["no row"]),
        ("path,label\n,\n", ["no row"]),
        ("path,label\na.wav,x\nb.wav, \n", ["row 3, column 'label' is empty"]),
        ("path,label\na.wav,x\nb.wav\n", ["row 3, column 'label' is empty"]),
        ("path,label\n\n,x\n", ["row 3, column 'path' is empty"]),
        ('path,label\n"a.wav","x\ny"\n,z', ["row 3, column 'path' is empty"]),
        ("path,label\na.wav,x,y\n", ["row 2", "3 cells for 2 columns", "quotes"]),
        ('path,label\n"a.wav"b,x\n', ["line 2"]),
        ('path,label\na.wav,"x\n', ["unexpected end"]),
        ("path,label,id\na.wav,x,1\nb.wav,y,1\n", ["row 3, column 'id': '1' is already in row 2"]),
        ("path,label\na.wav,x\n./a.wav,y\n", ["row 3, column 'id': 'a.wav' is already in row 2"]),
        ("path,label,id\na.wav,x,1\n./a.wav,x,2\n", ["row 3, column 'path'", "already in row 2"]),
        ("path,label\nno.wav,x\nnot.wav,y\n", ["none of its 2 files exists", "row 2", "'no.wav'"]),
        (b"path,label\na.wav,caf\xe9\n", ["line 2 is not UTF-8", "save the file as UTF-8"]),
        (b"RIFF\0\0\0\0WAVEfmt ", ["not a CSV file"]),
        ("path,label\na.wav," + "x" * 200_000, ["line 2", "field larger"]),
    ],
)
def test_errors(folder: Path, text: str | bytes, parts: list[str]) -> None:
    message = error(folder, text)
    for part in parts:
        assert part in message


def test_no_file(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"give the CSV file that lists it with `data=FILE\.csv`$"):
        Csv().manifest()
    with pytest.raises(DatasetError, match="is a folder"):
        Csv(folder).manifest()
    with pytest.raises(DatasetError, match=r"there is no .*gone\.csv \(the nearest"):
        Csv(folder / "gone.csv").manifest()


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


#: Names of classes, without the signs that separate several.
name = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0,;|"), max_size=12)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(name, text), min_size=1, max_size=5), delimiter=st.sampled_from(",;\t"))
def test_files_of_a_csv_writer_are_read(folder: Path, rows: list[tuple[str, str]], delimiter: str) -> None:
    buffer = io.StringIO(newline="")
    writer = standard.writer(buffer, delimiter=delimiter)
    writer.writerow(["path", "id", "label", "group"])
    for number, (label, group) in enumerate(rows):
        writer.writerow(["a.wav" if number == 0 else f"{number}.wav", number, f"x{label}", group])
    read = tracks(folder, buffer.getvalue())
    assert [track.id for track in read] == [str(number) for number in range(len(rows))]
    for track, (label, group) in zip(read, rows, strict=True):
        if label.isprintable() and group.isprintable():
            assert (track.label, track.group) == (f"x{label}".strip(), group.strip())
