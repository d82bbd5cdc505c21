"""The study of duplicates: pairs are judged, samples are compared, and the search is held to real music."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

import audiospec
from audiospec.benchmarks.studies.duplicates import only
from audiospec.benchmarks.studies.duplicates_page import RECALL, missed_goals
from audiospec.benchmarks.studies.judging import Found, judge
from audiospec.benchmarks.studies.planted import KINDS, Planted, plant
from audiospec.benchmarks.studies.repetitions import overlap, repetitions
from audiospec.benchmarks.studies.samples import Samples
from audiospec.benchmarks.studies.searching import featurize, search
from audiospec.datasets.gtzan import Gtzan


def planted(kind: str, first: str, second: str, start: float = 0.0) -> Planted:
    return Planted(first, second, kind, "variant", "strength", start)


def found(first: str, second: str, similarity: float = 0.9, lag: float = 0.0, kind: str = "sound") -> Found:
    return Found(first, second, kind, similarity, lag)


def test_right_wrong_and_missed_pairs_are_counted() -> None:
    truth = [
        planted("trimmed", "x/a.wav", "x/a+end.wav", 2.0),
        planted("trimmed", "x/b.wav", "x/b+end.wav", 2.0),
        planted("trimmed", "x/c.wav", "x/c+end.wav", 2.0),
    ]
    judged = judge(
        [
            found("x/a.wav", "x/a+end.wav", 0.8, lag=2.25),
            found("x/b+end.wav", "x/b.wav", 0.7, lag=-2.5),  # the other way round
            found("x/c+end.wav", "x/d.wav", 0.6),
        ],
        truth,
    )
    assert (judged["planted"], judged["found"], judged["direct"]) == (3, 2, 2)
    assert judged["recall"] == pytest.approx(2 / 3)
    assert (judged["pairs"], judged["right"]) == (3, 2)
    assert judged["weakest"] == 0.7
    assert judged["lags"] == {"median": pytest.approx(0.375), "largest": pytest.approx(0.5)}
    assert judged["missed"] == [["x/c.wav", "x/c+end.wav", "strength"]]
    assert judged["wrong"] == [["x/c+end.wav", "x/d.wav", 0.6]]
    low, high = judged["recall_interval"]
    assert 0 < low < 2 / 3 < high < 1


def test_a_duplicate_is_found_through_others_but_not_through_a_wrong_pair() -> None:
    truth = [planted("exact", "x/a.wav", "x/a+copy.wav"), planted("loop", "x/b.wav", "x/b+loop.wav")]
    judged = judge(
        [
            found("x/a.wav", "x/a+ogg.ogg"),
            found("x/a+ogg.ogg", "x/a+copy.wav"),
            found("x/b.wav", "x/a.wav"),
            found("x/a.wav", "x/b+loop.wav"),
        ],
        truth,
    )
    assert (judged["found"], judged["direct"], judged["right"]) == (1, 0, 2)
    assert [row[1] for row in judged["missed"]] == ["x/b+loop.wav"]


def test_pairs_of_one_recording_are_right() -> None:
    pairs = [found("x/1-7-A.ogg", "x/1-7-B.ogg"), found("x/1-7-A.ogg", "x/1-8-A.ogg")]
    judged = judge(
        pairs, [planted("exact", "x/1-7-A.ogg", "x/1-7-A+copy.ogg")], lambda name: name.rpartition("-")[0]
    )
    assert (judged["right"], judged["pairs"]) == (1, 2)


def test_a_kind_alone_has_the_tracks_and_its_own_pairs() -> None:
    files = ["x/a.wav", "x/a+first.flac", "x/a+onward.flac", "x/b.wav", "x/b+noise.flac", "x/b+loop.flac"]
    rows = [
        planted("shifted", "x/a+first.flac", "x/a+onward.flac"),
        planted("shifted", "x/b.wav", "x/b+noise.flac"),
    ]
    assert only(files, rows) == ["x/a+first.flac", "x/a+onward.flac", "x/b+noise.flac", "x/b.wav"]


def test_missed_goals_are_named() -> None:
    row = {"recall": 0.97, "pairs": 100, "precision": 0.98}
    setting = {"name": "music", "alone": {"exact": row, "loop": {**row, "precision": 1.0}}, "together": row}
    assert missed_goals(setting) == [
        "recall of exact 97.0 %, expected 98 %",
        "precision exact 98.0 %, expected 99 %",
        "precision of all 98.0 %, expected 99 %",
    ]
    assert missed_goals({**setting, "name": "limits"}) == []


def test_repetitions_are_those_of_the_catalogue() -> None:
    pairs = repetitions()
    kinds = list(pairs.values())
    assert (kinds.count("exact"), kinds.count("title")) == (54, 40)
    assert pairs["metal.00058", "rock.00016"] == "exact"  # the one in two classes
    assert pairs["pop.00015", "pop.00022"] == "exact"
    assert pairs["pop.00015", "pop.00021"] == "title"
    for pair in pairs:
        assert all(first < second for first, second in pairwise(pair))
        for id in pair:
            genre, number = id.split(".")
            assert genre in Gtzan.expected
            assert 0 <= int(number) < 100


def test_samples_show_where_a_clip_is_cut_from() -> None:
    rng = np.random.default_rng(0)
    track, other = rng.standard_normal((2, 20_000))
    clip = 0.5 * track[7000:10_000]
    assert overlap(clip, track) == (pytest.approx(1), 7000, 3000)
    assert overlap(track, clip) == (pytest.approx(1), -7000, 3000)
    assert overlap(np.concatenate([np.zeros(500), track[:2000]]), track).start == -500
    assert overlap(clip, other).correlation < 0.3
    assert overlap(np.zeros(3000), other).correlation == 0


def test_recordings_whose_tracks_share_sound_are_joined(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sounds = 0.1 * rng.standard_normal((3, 8000))
    sounds[1] = 0.8 * sounds[0] + 0.02 * rng.standard_normal(8000)
    tracks = {f"x/{name}": tmp_path / f"{name}.wav" for name in ("1-A", "2-A", "3-A")}
    for sound, path in zip(sounds, tracks.values(), strict=True):
        soundfile.write(path, sound, 8000)
    samples = Samples(tracks, lambda name: name.rpartition("-")[0])
    samples.compare([found("x/1-A+loop.wav", "x/2-A.wav"), found("x/1-A.wav", "x/3-A.wav")])
    assert [row[:2] for row in samples.undeclared] == [["x/1-A", "x/2-A"]]
    assert samples.recording("x/1-A") == samples.recording("x/2-A") == samples.recording("x/2-B")
    assert samples.recording("x/3-A") == "x/3"


@pytest.mark.realdata
def test_planted_duplicates_are_found_in_real_music(shared_data: Path, tmp_path: Path) -> None:
    """A short form of the study: the kinds that a goal is set for, in one of four tracks."""
    tracks = sorted((shared_data / "gtzan-part" / "genres").glob("*/*"))[::22]
    rows = plant(tracks, tmp_path, share=0.25, kinds={kind: KINDS[kind] for kind in RECALL})
    audio = tmp_path / "audio"
    files = sorted(path.relative_to(audio).as_posix() for path in audio.glob("*/*"))
    view = featurize(audio, files, tmp_path / "all.zarr", audiospec.MelSpec(), audiospec.Chunking(seconds=10))
    pairs = search(view)
    judged = judge(pairs, rows)
    assert judged["missed"] == []
    assert judged["wrong"] == []
    assert judged["planted"] == 4
    (exact, shifted) = (next(row for row in rows if row.kind == kind) for kind in ("exact", "shifted"))
    lags = {frozenset((pair.first, pair.second)): abs(pair.lag) for pair in pairs}
    lag = lags[frozenset((exact.second, shifted.second))]  # the copy stands for the source: it comes first
    assert lag == pytest.approx(shifted.start, abs=0.1)
