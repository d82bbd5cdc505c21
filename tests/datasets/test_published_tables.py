"""esc50, urbansound8k, speech-commands, fsd50k, desed: trees of the published layouts, and wrong tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiospec.annotations.annotation import Annotation
from audiospec.datasets import datasets
from audiospec.datasets.esc10 import TARGETS
from audiospec.datasets.esc50 import CATEGORIES
from audiospec.errors import DatasetError
from audiospec.manifest import Manifest, Track

ESC50 = "filename,fold,target,category,esc10,src_file,take\n"
URBAN = "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
DESED = "filename\tonset\toffset\tevent_label\n"


def files(root: Path, *paths: str, **tables: str) -> Path:
    """Make empty files, and tables; ``__`` in a table's name is a slash, and its last ``_`` a dot."""
    texts = {".".join(name.replace("__", "/").rsplit("_", 1)): text for name, text in tables.items()}
    for path, text in {**dict.fromkeys(paths, ""), **texts}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return root


def read(name: str, data: Path) -> Manifest:
    return datasets[name](data).manifest()


def error(name: str, data: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        datasets[name](data).manifest()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_esc50(tmp_path: Path) -> None:
    table = "1-100032-A-0.wav,1,0,dog,True,100032,A\n5-9-B-49.wav,5,49,hand_saw,False,9,B\n"
    root = files(tmp_path, "top/audio/1-100032-A-0.wav", "top/audio/5-9-B-49.flac")
    assert {track.columns for track in read("esc50", root)} == {()}
    files(root, top__meta__esc50_csv=ESC50 + table)
    manifest = read("esc50", root)
    assert manifest.tracks == (
        Track(
            id="1-100032-A",
            path="top/audio/1-100032-A-0.wav",
            label="dog",
            group="100032",
            fold="1",
            columns=(("esc10", "True"), ("src_file", "100032"), ("take", "A")),
        ),
        Track(
            id="5-9-B",
            path="top/audio/5-9-B-49.flac",
            label="hand_saw",
            group="9",
            fold="5",
            columns=(("esc10", "False"), ("src_file", "9"), ("take", "B")),
        ),
    )
    assert manifest.target == "single"
    assert manifest.left_out == ("top/meta/esc50.csv",)
    assert [track.id for track in read("esc10", root)] == ["1-100032-A"]


def test_esc50_has_fifty_classes_of_forty() -> None:
    assert len(set(CATEGORIES)) == 50
    assert sum(datasets["esc50"].expected.values()) == 2000
    same = {
        "Dog bark": "dog",
        "Fire crackling": "crackling_fire",
        "Baby cry": "crying_baby",
        "Person sneeze": "sneezing",
    }
    for label, number in TARGETS.items():
        assert CATEGORIES[number] == same.get(label, label.lower().replace(" ", "_"))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("1-1-A-1.wav,1,0,dog,True,1,A\n", "esc50.csv has no row for the file 'audio/1-1-A-0.wav'"),
        ("1-1-A-0.wav,2,0,dog,True,1,A\n", "row 2, column 'fold': expected '1' by the file"),
        ("1-1-A-0.wav,1,0,cat,True,1,A\n", "column 'category': expected 'dog' by the file"),
        ("1-1-A-0.wav,1,0,dog,True,1,A\n" * 2, "row 3: '1-1-A-0.wav' is listed before, in "),
    ],
)
def test_a_table_that_differs_from_the_files(tmp_path: Path, table: str, message: str) -> None:
    assert message in error("esc50", files(tmp_path, "audio/1-1-A-0.wav", meta__esc50_csv=ESC50 + table))


def test_a_table_without_a_column(tmp_path: Path) -> None:
    root = files(tmp_path, "audio/1-1-A-0.wav", meta__esc50_csv="filename,fold\n1-1-A-0.wav,1\n")
    assert "esc50.csv has no column 'target' (it has: filename, fold)" in error("esc50", root)


@pytest.mark.parametrize(
    "path", ["audio/1-1-A-50.wav", "audio/6-1-A-0.wav", "audio/x.wav", "audio/1-1-A-00.wav"]
)
def test_esc50_refuses_other_audio(tmp_path: Path, path: str) -> None:
    assert repr(path) in error("esc50", files(tmp_path, "audio/1-2-A-0.wav", path))


def test_urbansound8k(tmp_path: Path) -> None:
    root = files(
        tmp_path,
        "UrbanSound8K/audio/fold5/100032-3-0-0.wav",
        "UrbanSound8K/audio/fold10/7-9-1-2.wav",
        "UrbanSound8K/FREESOUNDCREDITS.txt",
        UrbanSound8K__metadata__UrbanSound8K_csv=URBAN
        + "100032-3-0-0.wav,100032,0.0,0.317551,1,5,3,dog_bark\n7-9-1-2.wav,7,1,5,2,10,9,street_music\n",
    )
    assert read("urbansound8k", root).tracks == (
        Track(
            id="100032-3-0-0",
            path="UrbanSound8K/audio/fold5/100032-3-0-0.wav",
            label="dog_bark",
            group="100032",
            fold="5",
            columns=(("salience", "1"),),
        ),
        Track(
            id="7-9-1-2",
            path="UrbanSound8K/audio/fold10/7-9-1-2.wav",
            label="street_music",
            group="7",
            fold="10",
            columns=(("salience", "2"),),
        ),
    )
    assert sum(datasets["urbansound8k"].expected.values()) == 8732


def test_urbansound8k_with_shuffled_folds(tmp_path: Path) -> None:
    root = files(
        tmp_path,
        "audio/fold1/100032-3-0-0.wav",
        UrbanSound8K_csv=URBAN + "100032-3-0-0.wav,100032,0.0,0.317551,1,5,3,dog_bark\n",
    )
    message = error("urbansound8k", root)
    assert "row 2, column 'fold': expected '1' by the file 'audio/fold1/100032-3-0-0.wav'; got '5'" in message


@pytest.mark.parametrize("path", ["audio/fold11/1-3-0-0.wav", "audio/1-3-0-0.wav", "audio/fold1/1-3-0.wav"])
def test_urbansound8k_refuses_other_audio(tmp_path: Path, path: str) -> None:
    assert repr(path) in error("urbansound8k", files(tmp_path, "audio/fold1/1-2-0-0.wav", path))


def test_speech_commands(tmp_path: Path) -> None:
    root = files(
        tmp_path,
        "yes/0a7c2a8d_nohash_0.wav",
        "yes/0a7c2a8d_nohash_1.wav",
        "no/0a7c2a8d_nohash_0.wav",
        "_background_noise_/white_noise.wav",
        "LICENSE",
        testing_list_txt="no/0a7c2a8d_nohash_0.wav\n",
        validation_list_txt="yes/0a7c2a8d_nohash_1.wav\r\nyes/ffffffff_nohash_0.wav\r\n",
    )
    manifest = read("speech-commands", root)
    assert [(track.id, track.label, track.group, track.fold) for track in manifest] == [
        ("no/0a7c2a8d_nohash_0", "no", "0a7c2a8d", "test"),
        ("yes/0a7c2a8d_nohash_0", "yes", "0a7c2a8d", "train"),
        ("yes/0a7c2a8d_nohash_1", "yes", "0a7c2a8d", "valid"),
    ]
    assert "_background_noise_/white_noise.wav" in manifest.left_out
    assert sum(datasets["speech-commands"].expected.values()) == 105_829


def test_speech_commands_without_or_with_wrong_lists(tmp_path: Path) -> None:
    root = files(tmp_path, "yes/0a7c2a8d_nohash_0.wav", testing_list_txt="yes/0a7c2a8d_nohash_0.wav\n")
    assert "found no validation_list.txt: give the folder that has the list" in error("speech-commands", root)
    files(root, validation_list_txt="yes/0a7c2a8d_nohash_0.wav\n")
    assert "'yes/0a7c2a8d_nohash_0.wav' is also in validation_list.txt" in error("speech-commands", root)
    (root / "validation_list.txt").write_bytes(b"\xff")
    assert "validation_list.txt is not UTF-8" in error("speech-commands", root)


def fsd50k(root: Path, dev: str, **tables: str) -> Path:
    return files(
        root,
        "FSD50K.dev_audio/64760.wav",
        "FSD50K.dev_audio/16399.wav",
        "FSD50K.eval_audio/37199.wav",
        **{
            "FSD50K.ground_truth__dev_csv": "fname,labels,mids,split\n" + dev,
            "FSD50K.ground_truth__eval_csv": 'fname,labels,mids\n37199,"Bark,Dog,Animal","/m/1,/m/2,/m/3"\n',
            **tables,
        },
    )


DEV = '64760,"Electric_guitar,Guitar,Music","/m/1,/m/2,/m/3",train\n16399,Rain,/m/4,val\n'


def test_fsd50k(tmp_path: Path) -> None:
    root = fsd50k(tmp_path, DEV)
    manifest = read("fsd50k", root)
    assert manifest.target == "multi-label"
    assert manifest.labels == ["Animal", "Bark", "Dog", "Electric_guitar", "Guitar", "Music", "Rain"]
    assert [(track.id, track.fold, track.group, track.columns) for track in manifest] == [
        ("16399", "valid", "", ()),
        ("37199", "test", "", ()),
        ("64760", "train", "", ()),
    ]
    assert manifest.tracks[2].label == ""
    assert manifest.tracks[2].annotations == tuple(
        Annotation(label=label) for label in ("Electric_guitar", "Guitar", "Music")
    )
    info = '{"64760": {"title": "x", "uploader": "anna", "license": "http://l/by/3.0/"}, "16399": {}}'
    files(root, **{"FSD50K.metadata__dev_clips_info_FSD50K_json": info})
    described = read("fsd50k", root).tracks[2]
    assert described.group == "anna"
    assert described.columns == (("license", "http://l/by/3.0/"),)
    assert datasets["fsd50k"](root).validate(manifest) == [
        "fold train: 1 of 36796 tracks",
        "fold valid: 1 of 4170 tracks",
        "fold test: 1 of 10231 tracks",
    ]


@pytest.mark.parametrize(
    ("dev", "message"),
    [
        ("64760,,x,train\n16399,Rain,x,val\n", "dev.csv, row 2, column 'labels' is empty"),
        ("64760,Rain,x,other\n16399,Rain,x,val\n", "column 'split': expected train or val; got 'other'"),
        ("64760,Rain,x,train\n", "1 audio file(s) have other names, such as 'FSD50K.dev_audio/16399.wav'"),
    ],
)
def test_fsd50k_with_a_wrong_table(tmp_path: Path, dev: str, message: str) -> None:
    assert message in error("fsd50k", fsd50k(tmp_path, dev))


def test_fsd50k_without_its_ground_truth(tmp_path: Path) -> None:
    root = fsd50k(tmp_path, DEV)
    assert "give the folder that has FSD50K.ground_truth" in error("fsd50k", root / "FSD50K.dev_audio")
    files(root, **{"FSD50K.metadata__dev_clips_info_FSD50K_json": "[]"})
    assert "expected a JSON object; got list" in error("fsd50k", root)
    files(root, **{"FSD50K.metadata__dev_clips_info_FSD50K_json": "{"})
    assert "dev_clips_info_FSD50K.json is not JSON" in error("fsd50k", root)


def test_desed(tmp_path: Path) -> None:
    """Recorded and synthetic sets beside each other, with what has no strong labels."""
    video = "Y-3o3lw2Hkkk_30.000_40.000"
    root = files(
        tmp_path,
        f"dataset/audio/eval/public/{video}.wav",
        "dataset/audio/validation/Yabcdefghijk_0.000_10.000.wav",
        "dataset/audio/train/synthetic21_train/soundscapes/0.wav",
        "dataset/audio/train/synthetic21_train/soundscapes/1.wav",
        "dataset/audio/train/synthetic21_train/soundscapes/0_events/foreground0_Dog.wav",
        "dataset/audio/train/weak/Yxxxxxxxxxxx_0.000_10.000.wav",
        dataset__metadata__eval__public_tsv=DESED
        + f"{video}.wav\t0.5\t2.25\tDog\n{video}.wav\t0\t10\tFrying\n",
        dataset__metadata__validation__validation_tsv=DESED + "Yabcdefghijk_0.000_10.000.wav\t\t\t\n",
        dataset__metadata__validation__test_dcase2018_tsv=DESED + "Yabcdefghijk_0.000_10.000.wav\tnan\t\t\n",
        dataset__metadata__train__synthetic21_train__soundscapes_tsv=DESED
        + "0.wav\t1\t3\tCat\n1.wav\t2\t2.5\tSpeech\nmissing.wav\t2\t2.5\tSpeech\n",
        dataset__metadata__train__weak_tsv="filename\tevent_labels\nYxxxxxxxxxxx_0.000_10.000.wav\tDog,Cat\n",
    )
    manifest = read("desed", root)
    assert manifest.target == "frames"
    assert [(track.id, track.group, track.fold) for track in manifest] == [
        (f"eval/public/{video}", "-3o3lw2Hkkk", "test"),
        ("train/synthetic21_train/soundscapes/0", "", "train"),
        ("train/synthetic21_train/soundscapes/1", "", "train"),
        ("validation/Yabcdefghijk_0.000_10.000", "abcdefghijk", "valid"),
    ]
    assert manifest.tracks[0].annotations == (
        Annotation(start=0.0, end=10.0, label="Frying"),
        Annotation(start=0.5, end=2.25, label="Dog"),
    )
    assert manifest.tracks[3].annotations == ()
    assert manifest.labels == ["Cat", "Dog", "Frying", "Speech"]
    assert {
        "dataset/audio/train/synthetic21_train/soundscapes/0_events/foreground0_Dog.wav",
        "dataset/audio/train/weak/Yxxxxxxxxxxx_0.000_10.000.wav",
    } <= {*manifest.left_out}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "a.wav\t-1\t2\tDog\n",
            "public.tsv, row 2, column 'onset': expected seconds of at least 0; got '-1'",
        ),
        ("a.wav\t1\tx\tDog\n", "row 2, column 'offset': expected seconds of at least 0; got 'x'"),
        ("a.wav\t1\tinf\tDog\n", "row 2, column 'offset'"),
        ("a.wav\t1\t\tDog\n", "row 2, column 'offset'"),
        ("a.wav\t3\t2\tDog\n", "row 2: the onset 3 is after the offset 2"),
        ("a.wav\t1\t2\t\n", "row 2, column 'event_label' is empty"),
    ],
)
def test_desed_with_a_wrong_row(tmp_path: Path, row: str, message: str) -> None:
    root = files(tmp_path, "audio/eval/public/a.wav", metadata__eval__public_tsv=DESED + row)
    assert message in error("desed", root)


def test_desed_with_tables_that_differ_or_none(tmp_path: Path) -> None:
    root = files(tmp_path, "audio/validation/a.wav", metadata__weak_tsv="filename\tevent_labels\n")
    assert "found no table in a folder metadata with the columns filename, onset" in error("desed", root)
    files(
        root,
        metadata__validation__one_tsv=DESED + "a.wav\t1\t2\tDog\n",
        metadata__validation__two_tsv=DESED + "a.wav\t1\t3\tDog\n",
    )
    assert "two.tsv: the events of 'a.wav' differ from those in metadata/validation/one.tsv" in error(
        "desed", root
    )
