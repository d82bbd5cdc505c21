"""folder: annotations in files beside the audio."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from audiospec.annotations.formats.base import Event, annotation_formats
from audiospec.datasets.folder import Folder
from audiospec.errors import DatasetError, RegistryError

HEADER = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tBegin File\tFile Offset (s)\tSpecies"


def tree(root: Path, **contents: str) -> Path:
    """Write files; ``__`` in a name is a slash, ``_`` a dot."""
    for name, content in contents.items():
        file = root / name.replace("__", "/").replace("_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return root


def events(root: Path, **options: object) -> dict[str, list[tuple[float, float, str]]]:
    return {
        track.id: [(one.start, one.end, one.label) for one in track.annotations]
        for track in Folder(root, **options).manifest()
    }


def error(root: Path, **options: object) -> str:
    with pytest.raises(DatasetError) as caught:
        Folder(root, **options).manifest()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "companion"),
    [
        ("audacity", "x.txt"),
        ("audacity", "X.WAV.txt"),
        ("raven", "x.Table.1.selections.txt"),
        ("raven", "x.BirdNET.selection.table.txt"),
        ("jams", "x.jams"),
        ("csv", "x.csv"),
    ],
)
def test_files_beside_the_audio(tmp_path: Path, name: str, companion: str) -> None:
    root = tree(tmp_path, train__x_wav="", test__y_flac="", train__notes_md="")
    kind = annotation_formats[name]()
    (root / "train" / companion).write_bytes(kind.write([Event(onset=0.5, offset=2, label="wren")]))
    (root / "test" / f"y{kind.suffixes[0]}").write_bytes(b"")
    manifest = Folder(root, annotations=name).manifest()
    assert [(track.id, track.label, track.fold) for track in manifest] == [
        ("test/y.flac", "", "test"),
        ("train/x.wav", "", "train"),
    ]
    assert events(root, annotations=name) == {"test/y.flac": [], "train/x.wav": [(0.5, 2, "wren")]}
    assert manifest.left_out == ("train/notes.md",)
    assert manifest.labels == ["wren"]


def test_audio_without_a_file_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = tree(tmp_path, a_wav="", a_txt="0\t1\tx\n", b_wav="", b_txt="", c_wav="", d_wav="")
    with caplog.at_level(logging.WARNING, "audiospec"):
        read = events(root, annotations="audacity")
    assert read == {"a.wav": [(0, 1, "x")], "b.wav": [], "c.wav": [], "d.wav": []}
    assert [message.partition(": ")[2] for message in caplog.messages] == [
        "2 of 4 audio files have no file of annotations, such as c.wav"
    ]


def test_one_table_of_several_files(tmp_path: Path) -> None:
    rows = "1\tS\t1\t0\t1\ta.wav\t0\tx\n2\tS\t1\t61\t62\tB.wav\t1\ty\n"
    root = tree(tmp_path, a_wav="", b_wav="", a_selections_txt=f"{HEADER}\n{rows}")
    assert events(root, annotations="raven") == {"a.wav": [(0, 1, "x")], "b.wav": [(1, 2, "y")]}
    (root / "b.wav").unlink()
    message = error(root, annotations="raven")
    assert "has annotations of 'B.wav': 0 such files are in its folder" in message


@pytest.mark.parametrize("table", ["all.txt", "all.selections.txt"])
def test_one_table_of_a_folder(tmp_path: Path, table: str) -> None:
    rows = "1\tS\t1\t0\t1\tC:\\rec\\one\\a.wav\t0\tx\n2\tS\t1\t61\t62\t/rec/two/a.wav\t1\ty\n"
    root = tree(tmp_path, one__a_wav="", two__a_wav="", b_wav="", readme_txt="hello\n", empty_txt="")
    (root / table).write_text(f"{HEADER}\n{rows}")
    manifest = Folder(root, annotations="raven").manifest()
    assert events(root, annotations="raven") == {
        "b.wav": [],
        "one/a.wav": [(0, 1, "x")],
        "two/a.wav": [(1, 2, "y")],
    }
    assert manifest.left_out == ("empty.txt", "readme.txt")
    tree(root, one__a_txt=f"{HEADER}\n{rows.splitlines()[0]}\n")
    message = error(root, annotations="raven")
    assert f"'one/a.wav' under {root} has 2 files of annotations: one/a.txt, {table}" in message
    (root / "one" / "a.txt").unlink()
    (root / table).write_text(f"{HEADER}\n{rows.replace('61', 'late')}")
    if table == "all.selections.txt":  # its name says what it is
        assert "row 3: 'late' is not a time" in error(root, annotations="raven")
    else:
        assert "has a file of annotations beside it" in error(root, annotations="raven")


def test_metadata_beside_annotations(tmp_path: Path) -> None:
    root = tree(tmp_path, a_wav="", a_txt="0\t1\tx\n", b_wav="", b_txt="")
    table = "file_name,label,site,fold,start,end\na.wav,robin,s1,2,7,8\n"
    (root / "metadata.csv").write_text(table)
    manifest = Folder(root, annotations="audacity", group_column="site").manifest()
    assert [(track.label, track.group, track.fold) for track in manifest] == [("", "s1", "2"), ("", "", "")]
    assert manifest.tracks[0].columns == (("end", "8"), ("label", "robin"), ("start", "7"))
    assert manifest.tracks[1].columns == (("end", ""), ("label", ""), ("start", ""))
    assert manifest.left_out == ()
    (root / "metadata.csv").write_text(f"{table}gone.wav,robin,s2,1,,\n")
    gone = Folder(root, annotations="audacity", group_column="site").manifest().tracks[-1]
    assert (gone.id, gone.group, gone.annotations) == ("gone.wav", "s2", ())


def test_several_labels_at_a_time(tmp_path: Path) -> None:
    root = tree(tmp_path, a_wav="", a_txt="0\t1\tx\n0\t1\ty\n")
    message = error(root, annotations="audacity")
    assert "annotation 2: 'a.wav' from 0 to 1 s has the label 'x' in annotation 1, here 'y'" in message
    for target in ("multi-label", "frames"):
        manifest = Folder(root, annotations="audacity", target=target).manifest()
        assert (manifest.target, manifest.labels) == (target, ["x", "y"])


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"target": "number"}, "files of annotations have labels"),
        ({"label_level": 1}, "parameter label_level is not of files beside the audio"),
        ({"separator": ";", "target": "frames"}, "parameter separator is not of files beside the audio"),
        ({"group_column": "x"}, "the folder has no metadata.csv"),
        ({"label_column": "x"}, "label tracks have no columns"),
        ({"annotations": "jams"}, "no audio file under"),
    ],
)
def test_what_is_refused(tmp_path: Path, options: dict[str, object], part: str) -> None:
    root = tree(tmp_path, a_wav="", a_txt="0\t1\tx\n")
    assert part in error(root, **{"annotations": "audacity", **options})


def test_two_files_of_one_audio(tmp_path: Path) -> None:
    root = tree(tmp_path, a_wav="", a_txt="0\t1\tx\n", a_labels_txt="0\t1\tx\n")
    assert "'a.wav' under" in error(root, annotations="audacity")
    assert "has 2 files of annotations: a.txt, a.labels.txt" in error(root, annotations="audacity")


def test_an_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="no annotation format is called 'ravn'; did you mean 'raven'"):
        Folder(tmp_path, annotations="ravn")


def test_metadata_with_segments(tmp_path: Path) -> None:
    root = tree(tmp_path, train__a_wav="", test__b_wav="")
    table = "file_name,start,end,{name},device\n{file},0,1,x,d\n{file},1,2,y,d\n"
    (root / "train" / "metadata.csv").write_text(table.format(name="label", file="a.wav"))
    (root / "test" / "metadata.csv").write_text(table.format(name="label", file="b.wav"))
    assert events(root) == {key: [(0, 1, "x"), (1, 2, "y")] for key in ("test/b.wav", "train/a.wav")}
    manifest = Folder(root, target="multi-label").manifest()
    assert [(track.fold, track.columns) for track in manifest] == [
        ("test", (("device", "d"),)),
        ("train", (("device", "d"),)),
    ]
    (root / "test" / "metadata.csv").write_text(table.format(name="genre", file="b.wav"))
    manifest = Folder(root).manifest()
    assert manifest.column == "label"
    assert {one.column for track in manifest for one in track.annotations} == {"label"}


def test_folders_are_one_label(tmp_path: Path) -> None:
    root = tree(tmp_path, x__a_wav="", y__b_wav="")
    assert "one label of each file; the target is 'frames'" in error(root, target="frames")
