"""Files that other tools write: each gives all of its sound, or a reason that says what is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

import audiospec
from audiospec.audio.reading import Reading
from audiospec.audio.recording import Recording, load
from audiospec.datasets.base import open_dataset
from audiospec.errors import AudioError, DatasetError
from audiospec.manifest import Manifest, Track
from audiospec.pipeline.featurize import run

pytestmark = pytest.mark.realdata

#: File → sample rate (Hz), samples as FFmpeg decodes it, and samples by which a codec's delay may differ.
LENGTHS = {
    "flac_total0.flac": (22050, 88_200, 0),
    "xing_million.mp3": (44100, 529_967, 1105),
    "xing_zero.mp3": (44100, 529_967, 1105),
    "mp3_plain.mp3": (44100, 529_200, 0),
    "2tags1000.mp3": (44100, 529_200, 0),
    "2tags4000.mp3": (44100, 529_200, 0),
    "concat.mp3": (44100, 311_087, 2 * 1105),
    "chained.ogg": (44100, 308_828, 128),  # FFmpeg counts the first block of the second stream
    "data0.wav": (22050, 88_200, 0),
    "wav_size_44_too_large.wav": (22050, 88_200, 0),
    "noeos.ogg": (44100, 134_848, 0),
}


@pytest.fixture(scope="module")
def inputs(shared_data: Path) -> Path:
    """The folder of inputs beside the shared data."""
    folder = shared_data.parent / "inputs"
    if not folder.is_dir():
        pytest.skip("needs ../shared/inputs")
    return folder


@pytest.mark.parametrize("name", LENGTHS)
def test_all_samples_are_there(inputs: Path, name: str) -> None:
    rate, samples, delay = LENGTHS[name]
    recording = Recording(inputs / name)
    for _ in recording.waves(rate):
        pass
    assert recording.info is not None
    assert recording.info.sample_rate == rate
    assert abs(recording.info.frames - samples) <= delay


@pytest.mark.parametrize("name", ["2tags1000.mp3", "2tags4000.mp3"])
def test_tags_do_not_change_the_samples(inputs: Path, name: str) -> None:
    plain, tagged = load(inputs / "mp3_plain.mp3", 44100), load(inputs / name, 44100)
    assert np.array_equal(plain, tagged)
    reference = soundfile.read(inputs / "mp3_plain.mp3", dtype="float32")[0]
    assert np.abs(plain - reference).max() < 1e-4


def test_samples_behind_a_false_header_are_those_of_the_file(inputs: Path) -> None:
    pcm = np.frombuffer((inputs / "data0.wav").read_bytes()[44:], "<i2")
    for name in ("data0.wav", "wav_size_44_too_large.wav"):
        samples = np.frombuffer((inputs / name).read_bytes()[44:], "<i2") / np.float32(32768)
        assert np.array_equal(load(inputs / name), samples)
    assert len(pcm) == 88_200


def test_a_cut_file_is_named_or_kept_with_a_note(inputs: Path) -> None:
    file = inputs / "cover_cut_at_packet.m4a"
    with pytest.raises(AudioError, match=r"^truncated: .*12\.0.* s.*6\.0.* s are there"):
        load(file)
    kept = Recording(file, Reading(truncated="keep"))
    samples = sum(len(wave) for wave in kept.waves(22050))
    assert abs(samples - 133_120) <= 1105
    assert kept.note.startswith("truncated")


def test_opposite_phase_is_told_from_silence(inputs: Path) -> None:
    file = inputs / "opposite_phase.wav"
    with pytest.raises(AudioError, match=r"opposite.*channel") as caught:
        load(file)
    assert "all samples are zero" not in str(caught.value)
    left = load(file, channel="left")
    assert np.array_equal(left, soundfile.read(file, dtype="float32")[0][:, 0])


@pytest.mark.parametrize("suffix", ["zarr", "h5"])
def test_every_input_becomes_rows_or_a_named_problem(inputs: Path, tmp_path: Path, suffix: str) -> None:
    names = [*LENGTHS, "cover_cut_at_packet.m4a", "opposite_phase.wav"]
    manifest = Manifest("inputs", inputs, tuple(Track(id=name, path=name, label="x") for name in names))
    views = [(audiospec.MelSpec(), audiospec.Chunking(seconds=1))]
    dry = run(manifest, views=views, store=tmp_path / f"inputs.{suffix}", dry_run=True)
    assert dry.planned[0].rows < 200
    report = run(manifest, views=views, store=tmp_path / f"inputs.{suffix}")
    assert set(report.problems) == {"cover_cut_at_packet.m4a", "opposite_phase.wav"}
    (view,) = report.views
    seconds = {id: float(view.rows["seconds"][view.ids == id].sum()) for id in LENGTHS}
    for name, (rate, samples, delay) in LENGTHS.items():
        assert seconds[name] == pytest.approx(samples / rate, abs=0.5 + delay / rate), name


def test_other_suffixes_are_read_or_named(inputs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sounds"
    shutil.copytree(inputs / "suffixes", folder)
    rock = folder / "rock"
    (rock / "trailing_blank.wav").rename(rock / "blank.wav ")
    (rock / "download.mp3_x_1").rename(rock / "dl.mp3?x=1")
    (rock / "cover.txt").write_text("not a sound")
    files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.suffix != ".txt")
    files = [file for file in files if (folder / file).is_file()]
    views = [(audiospec.MelSpec(), audiospec.Chunking(seconds=1, min_fill=0))]
    report = run("folder", data=folder, views=views, store=tmp_path / "sounds.zarr")
    assert report.tracks == len(files)
    assert report.problems == {}
    assert set(report.views[0].ids) == set(files)


def test_given_folds_are_kept(inputs: Path, tmp_path: Path) -> None:
    views = [(audiospec.MelSpec(), audiospec.Chunking(seconds=1))]
    (view,) = run("folder", data=inputs / "split_folders", views=views, store=tmp_path / "s.zarr").views
    tracks = list(view.store.tracks.records())
    assert {track.label for track in tracks} == {"jazz", "metal"}
    assert sorted(track.fold for track in tracks) == ["test"] * 2 + ["train"] * 6


def test_segments_and_several_labels(inputs: Path) -> None:
    def annotations(name: str, **options: str) -> list[list[str]]:
        manifest = open_dataset("csv", inputs / "segments" / name, options).manifest()
        return [[one.label for one in track.annotations] for track in manifest]

    assert annotations("seg.csv") == [["a", "b"]]
    assert annotations("seg1.csv") == [["a"], ["b"]]
    assert annotations("multi.csv", target="multi-label") == [["Guitar"], ["Music", "Guitar"], ["Music"]]
    with pytest.raises(DatasetError, match="row 2: 'Music,Guitar' is several labels"):
        annotations("multi.csv")
