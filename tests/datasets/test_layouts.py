"""folder: layouts of others give the labels and folds that were meant, or are refused with the choices."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiospec.datasets.folder import Folder
from audiospec.datasets.own.folds import KEYWORDS, fold_in
from audiospec.datasets.own.levels import read_levels
from audiospec.errors import DatasetError

INPUTS = Path(__file__).resolve().parents[2].parent / "shared" / "inputs" / "split_folders"


def files(root: Path, *paths: str, **texts: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def table(root: Path, name: str, text: str) -> Path:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")
    return root


def tracks(root: Path, **options: object) -> dict[str, tuple[str, str]]:
    return {track.path: (track.label, track.fold) for track in Folder(root, **options).manifest()}


def error(root: Path, **options: object) -> str:
    with pytest.raises(DatasetError) as caught:
        Folder(root, **options).manifest()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def grid(*levels: str) -> list[str]:
    """Return the paths of two files in each folder of a grid: a/x, a/y, b/x, b/y of grid("a b", "x y")."""
    paths = [""]
    for level in levels:
        paths = [f"{path}{name}/" for path in paths for name in level.split()]
    return [f"{path}{number}.wav" for path in paths for number in (1, 2)]


# --- a given split ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fold", KEYWORDS)
def test_every_keyword_of_audiofolder_is_a_fold(tmp_path: Path, fold: str) -> None:
    other = "test" if fold == "train" else "train"
    for number, keyword in enumerate(KEYWORDS[fold]):
        for name in (
            keyword,
            keyword.upper(),
            f"{keyword}_clean",
            f"my-{keyword} 1",
            f"set.{keyword}",
            f"{keyword}set",
        ):
            root = files(
                tmp_path / f"{number}{name}", *grid(f"{name.replace(' ', '.')} {other}", "jazz rock")
            )
            assert {fold for _, fold in tracks(root).values()} == {fold, other}
            assert {label for label, _ in tracks(root).values()} == {"jazz", "rock"}


@pytest.mark.parametrize(
    ("levels", "label", "fold"),
    [
        (("train test", "jazz rock"), 1, 0),
        (("data", "train test valid", "jazz rock"), 2, 1),
        (("jazz rock", "train test"), 0, 1),
        (("fold1 fold2 fold10", "jazz rock"), 1, 0),
        (("train", "jazz rock"), 1, 0),
        (("train test", "audio", "jazz rock"), 2, 0),
        (("TrainData TestData", "jazz rock"), 1, 0),
        (("train test", "a b c", "jazz rock"), 2, 0),
    ],
)
def test_split_folders_are_folds(tmp_path: Path, levels: tuple[str, ...], label: int, fold: int) -> None:
    read = tracks(files(tmp_path, *grid(*levels)))
    for path, found in read.items():
        parts = path.split("/")
        assert found == (parts[label], fold_in(parts[fold]))
    assert len(read) == len(grid(*levels))


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    root = files(tmp_path, *grid("train bus bicycle"))
    assert Counter(tracks(root).values()) == {("train", ""): 2, ("bus", ""): 2, ("bicycle", ""): 2}
    assert {label for label, _ in tracks(files(tmp_path / "x", *grid("train"))).values()} == {"train"}


def test_half_a_split_is_refused(tmp_path: Path) -> None:
    message = error(files(tmp_path, *grid("train test", "jazz rock"), *grid("unlabelled", "jazz")))
    assert "'test', 'train' look like a given split, but 'unlabelled' is beside them" in message
    assert "`label_level=1` gives 3 labels (test 4, train 4, unlabelled 2)" in message
    assert "look like a given split" in error(
        files(tmp_path / "x", *grid("my_train my_test more", "jazz rock"))
    )
    assert len(tracks(files(tmp_path / "y", *grid("test-tone dog cat")))) == 6


@pytest.mark.parametrize("levels", [("train test",), ("audio", "train test"), ("audio", "fold1 fold2 fold3")])
def test_a_split_without_classes_is_refused(tmp_path: Path, levels: tuple[str, ...]) -> None:
    root = files(tmp_path, *grid(*levels))
    message = error(root)
    assert "directly in a folder of a split" in message
    assert "metadata.csv" in message
    assert f"`label_level={len(levels)}` gives" in message
    assert {fold for _, fold in tracks(root, label_level=len(levels)).values()} == {""}


def test_a_file_of_two_folds_is_refused(tmp_path: Path) -> None:
    assert "of several folds: test, train" in error(
        files(tmp_path, *grid("train test", "jazz rock", "test train"))
    )


@pytest.mark.skipif(not INPUTS.is_dir(), reason=f"no shared inputs at {INPUTS}")
def test_the_shared_input() -> None:
    counts = Counter(tracks(INPUTS).values())
    assert counts == {("jazz", "train"): 3, ("metal", "train"): 3, ("jazz", "test"): 1, ("metal", "test"): 1}


def test_lists_of_files_are_a_split(tmp_path: Path) -> None:
    root = files(tmp_path, *grid("yes no"), "notes.txt")
    table(root, "testing_list.txt", "yes/1.wav\n\n./no/1.wav\r\n")
    table(root, "validation_list.txt", "no\\2.wav\n")
    table(root, "test_protocol.txt", "we tested\n")
    assert {path: fold for path, (_, fold) in tracks(root).items()} == {
        "yes/1.wav": "test",
        "no/1.wav": "test",
        "no/2.wav": "valid",
        "yes/2.wav": "train",
    }
    assert Folder(root).manifest().left_out == ("notes.txt", "test_protocol.txt")
    table(root, "train.txt", "yes/2.wav\n")
    table(root, "validation_list.txt", "")
    assert tracks(root)["no/2.wav"] == ("no", "")
    table(root, "train.txt", "yes/1.wav\n")
    assert "'yes/1.wav' is in lists of two folds" in error(root)


# --- levels -------------------------------------------------------------------------------------------------


def test_classes_that_repeat_are_the_label(tmp_path: Path) -> None:
    root = files(tmp_path, *grid("site1 site2 site3", "robin wren"))
    assert {label for label, _ in tracks(root).values()} == {"robin", "wren"}
    assert {label for label, _ in tracks(root, label_level=1).values()} == {"site1", "site2", "site3"}


def test_folders_that_hold_all_files_are_no_classes(tmp_path: Path) -> None:
    for number, levels in enumerate((("archive", "genres", "jazz rock"), ("jazz rock", "audio"))):
        assert {label for label, _ in tracks(files(tmp_path / str(number), *grid(*levels))).values()} == {
            "jazz",
            "rock",
        }


def test_albums_in_genres_are_refused_with_the_choices(tmp_path: Path) -> None:
    root = files(tmp_path, *grid("jazz", "blue kind"), *grid("rock", "wall"))
    message = error(root)
    assert "`label_level=1` gives 2 labels (jazz 4, rock 2)" in message
    assert "`label_level=2` gives 3 labels (blue 2, kind 2, wall 2)" in message
    assert {label for label, _ in tracks(root, label_level=1).values()} == {"jazz", "rock"}
    assert {label for label, _ in tracks(root, label_level=-1).values()} == {"blue", "kind", "wall"}


def test_discs_are_no_classes(tmp_path: Path) -> None:
    root = files(tmp_path, *grid("jazz rock", "CD1 CD2"))
    assert "`label_level=2` gives 2 labels (CD1 4, CD2 4)" in error(root)


def test_several_depths_are_refused_with_the_choices(tmp_path: Path) -> None:
    root = files(tmp_path, "jazz/one.wav", "jazz/more/two.wav", "rock/three.wav")
    message = error(root)
    assert "several depths, such as 'jazz/more'" in message
    assert "`label_level=1` gives 2 labels (jazz 2, rock 1)" in message
    assert "`label_level=-1` gives 3 labels (jazz 1, more 1, rock 1)" in message
    assert {label for label, _ in tracks(root, label_level=1).values()} == {"jazz", "rock"}


@pytest.mark.parametrize(
    ("level", "part"),
    [(0, "got 0"), (3, "3 file(s) have no folder at level 3"), (-2, "2 file(s) have no folder at level -2")],
)
def test_levels_that_do_not_exist(tmp_path: Path, level: int, part: str) -> None:
    assert part in error(
        files(tmp_path, "jazz/one.wav", "jazz/more/two.wav", "rock/three.wav"), label_level=level
    )


def test_all_files_in_one_folder(tmp_path: Path) -> None:
    root = files(tmp_path / "jazz", "1.wav", "2.wav")
    assert tracks(root, label_level=-1) == tracks(root) == {"1.wav": ("jazz", ""), "2.wav": ("jazz", "")}
    assert "are directly in" in error(root, label_level=1)


names = st.sampled_from(["train", "test", "val", "jazz", "rock", "CD1", "fold2", "x", "y"])


@given(st.lists(st.lists(names, min_size=1, max_size=3).map(tuple), min_size=1, max_size=8))
def test_any_layout_is_read_or_refused(folders: list[tuple[str, ...]]) -> None:
    try:
        read = read_levels(folders)
    except DatasetError:
        return
    for path, (label, fold) in zip(folders, read, strict=True):
        assert label in path
        assert fold in {"", *map(fold_in, path)}
    chosen = read_levels(folders, -1)
    assert [label for label, _ in chosen] == [path[-1] for path in folders]


# --- metadata -----------------------------------------------------------------------------------------------


def test_metadata_gives_the_labels(tmp_path: Path) -> None:
    root = files(tmp_path, "audio/a.wav", "audio/b.wav", "audio/c.wav", "cover.jpg")
    table(root, "metadata.csv", "file_name,genre,text\naudio/a.wav,jazz,x\naudio/b.wav,rock,y\n")
    assert tracks(root) == {"audio/a.wav": ("jazz", ""), "audio/b.wav": ("rock", "")}
    assert Folder(root).manifest().left_out == ("audio/c.wav", "cover.jpg")
    assert {label for label, _ in tracks(root, label_column="text").values()} == {"x", "y"}


def test_metadata_in_each_split(tmp_path: Path) -> None:
    root = files(tmp_path, "train/a.wav", "train/b.wav", "test/c.wav")
    lines = [{"file_name": "a.wav", "label": "jazz"}, {"file_name": "b.wav", "label": 3}]
    table(root, "train/metadata.jsonl", "\n".join(map(json.dumps, lines)))
    table(root, "test/metadata.csv", "file_name,label\nc.wav,jazz\n")
    assert tracks(root) == {
        "test/c.wav": ("jazz", "test"),
        "train/a.wav": ("jazz", "train"),
        "train/b.wav": ("3", "train"),
    }
    assert Folder(root).manifest().left_out == ()


def test_metadata_in_parquet_with_a_split_and_a_group(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    root = files(tmp_path, "a.wav", "b.wav")
    columns = {
        "audio_file_name": ["a.wav", "b.wav"],
        "label": ["jazz", "rock"],
        "split": ["training", "eval"],
        "artist": ["x", None],
        "near": [3.0, None],
    }
    parquet.write_table(arrow.table(columns), root / "metadata.parquet")
    manifest = Folder(root, group_column="artist", cluster_column="near").manifest()
    assert [(track.label, track.fold, track.group, track.cluster) for track in manifest] == [
        ("jazz", "train", "x", "3"),
        ("rock", "test", "", ""),
    ]


def test_metadata_without_labels(tmp_path: Path) -> None:
    text = "file_name,transcription\naudio/a.wav,hello\naudio/b.wav,good bye\n"
    message = error(table(files(tmp_path / "one", "audio/a.wav", "audio/b.wav"), "metadata.csv", text))
    assert "no column of paths, or none of labels (it has: file_name, transcription)" in message
    assert "`label_column`" in message
    root = table(files(tmp_path / "two", *grid("yes no")), "metadata.csv", text)
    assert {label for label, _ in tracks(root).values()} == {"yes", "no"}  # the folders say it
    assert Folder(root).manifest().left_out == ("metadata.csv",)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("file_name,label\n../x.wav,a\na.wav,b\n", "row 2: '../x.wav' is not under"),
        ("file_name,label\ngone.wav,a\n", "none of its 1 files exists"),
        ("file_name,genre,class\na.wav,x,1\nb.wav,y,1\n", '`label_column="genre"` (2 values: x, y) or'),
        ("file_name,label,start,end\na.wav,x,2,1\n", "row 2: start 2 s is after end 1 s"),
        ("file_name,label\na.wav,x\na.wav,y\n", "already in row 2 with the label 'x', here with 'y'"),
    ],
)
def test_metadata_that_is_refused(tmp_path: Path, text: str, part: str) -> None:
    assert part in error(table(files(tmp_path, "a.wav", "b.wav"), "metadata.csv", text))


def test_one_file_in_two_tables(tmp_path: Path) -> None:
    root = table(files(tmp_path, "x/a.wav"), "metadata.csv", "file_name,label\nx/a.wav,jazz\n")
    assert "already in another table" in error(table(root, "x/metadata.csv", "file_name,label\na.wav,rock\n"))


def test_a_table_beside_one_folder_is_not_ignored(tmp_path: Path) -> None:
    root = table(
        files(tmp_path, "audio/a.wav", "audio/b.wav"), "train.csv", "fname,label\na.wav,x\nb.wav,y\n"
    )
    message = error(root)
    assert "train.csv has paths and labels: use the dataset 'csv'" in message
    assert {label for label, _ in tracks(root, label_level=-1).values()} == {"audio"}


def test_columns_without_metadata(tmp_path: Path) -> None:
    assert "has no metadata.csv" in error(files(tmp_path, *grid("a b")), label_column="genre")
