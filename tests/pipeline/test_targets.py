"""Annotations become rows and targets; nothing is computed twice, and what is wrong is said."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import audiospec
from audiospec.annotations.annotation import Annotation, Labelling
from audiospec.engines.local import LocalEngine
from audiospec.errors import DatasetError, StoreError
from audiospec.manifest import Manifest, Track
from audiospec.pipeline.filling import ViewFiller
from audiospec.pipeline.progress import Progress
from audiospec.pipeline.repair import repair
from audiospec.pipeline.summary import Report
from audiospec.pipeline.targets import TargetCounts
from audiospec.pipeline.verify import verify
from audiospec.pipeline.volumes.spool import Spool
from audiospec.stores.base import open_store
from audiospec.stores.layout.lock import work_folder
from audiospec.stores.layout.skipped import NO_TARGET
from audiospec.stores.volumes.store import VolumeStore

RATE = 8000
#: Chunks of 1 s, one each 0.5 s.
CHUNKING = audiospec.Chunking(seconds=1, hop=0.5)

EVENTS = {
    "a": (Annotation(start=0.2, end=1.3, label="dog"), Annotation(start=4, end=5.5, label="cat")),
    "b": (Annotation(start=3, end=3.7, label="dog"), Annotation(start=3.3, end=3.8, label="dog")),
    "c": (),
    "d": (Annotation(start=5.2, label="cat"),),
}
#: Start of each row in a track, and its label, by the rule: half of the chunk or half of an event.
ROWS = [
    *(("a", 0.0, "dog"), ("a", 0.5, "dog")),
    *(("a", start, "cat") for start in (3.5, 4.0, 4.5, 5.0)),
    *(("b", start, "dog") for start in (2.5, 3.0, 3.5)),
    *(("d", 5.0, "cat"),),
]

Call = Callable[..., Report]


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Four files of 6 s of noise."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    for name in EVENTS:
        noise = np.random.default_rng(ord(name)).standard_normal(6 * RATE)
        soundfile.write(folder / f"{name}.flac", 0.1 * noise, RATE)
    return folder


def manifest_of(folder: Path, events: dict[str, tuple[Annotation, ...]] = EVENTS, **values: Any) -> Manifest:
    tracks = tuple(
        Track(id=name, path=f"{name}.flac", label="", annotations=annotations)
        for name, annotations in events.items()
    )
    return Manifest("events", folder, tracks, **values)


@pytest.fixture
def featurize(kit: Any, sounds: Path, tmp_path: Path) -> Call:
    """Make the view of a manifest, of `EVENTS` by default, in the store `s.zarr`."""

    def call(manifest: Manifest | None = None, store: str = "s.zarr", **options: Any) -> Report:
        return audiospec.run(
            manifest or manifest_of(sounds),
            views=options.pop("views", [(kit.spec, CHUNKING)]),
            store=tmp_path / store,
            **{"workers": 0, **options},
        )

    return call


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Track and first sample of each row that is computed in this process."""
    rows: list[tuple[str, int]] = []
    fill = ViewFiller.fill

    def recording(self: ViewFiller, want: Any, samples: int, source: int) -> None:
        rows.append((self.tracks[want.row.track].id, want.row.start))
        fill(self, want, samples, source)

    monkeypatch.setattr(ViewFiller, "fill", recording)
    return rows


def rows_of(view: audiospec.View) -> list[tuple[str, float, str]]:
    return list(zip(view.ids.tolist(), view.rows["start"].tolist(), view.labels.tolist(), strict=True))


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_rows_are_only_where_annotations_are(
    kit: Any, sounds: Path, featurize: Call, computed: list[Any], suffix: str
) -> None:
    report = featurize(store=f"s{suffix}")
    view = report.views[0]
    assert rows_of(view) == ROWS
    assert len(computed) == len(ROWS)
    assert view.read().tobytes() == kit.truth(view, sounds).tobytes()
    assert view.targets is not None
    assert view.targets.names == ("cat", "dog")
    assert view.targets.share == pytest.approx([0.8, 0.8, 0.5, 1, 1, 0.5, 0.5, 0.8, 0.3, 0.8])
    assert view.store.labelling == Labelling()
    assert [record.annotations for record in view.store.tracks.records()] == list(EVENTS.values())
    assert report.targets == {
        view.name: TargetCounts(annotated=len(ROWS), left_out=4 * 11 - len(ROWS), bare=1)
    }
    assert report.target_warnings() == [
        '1 track has no annotation: left out (`background="keep"` makes rows of them)'
    ]
    assert (report.skipped, report.problems) == ({view.name: {}}, {})
    assert view.skipped() == {"c": NO_TARGET}
    assert verify(view.store.path).is_whole
    steps: list[Progress] = []
    again = featurize(store=f"s{suffix}", progress=steps.append)
    assert (steps, rows_of(again.views[0])) == ([], ROWS)


def test_background_is_kept_or_a_class_or_everywhere_for_frames(sounds: Path, featurize: Call) -> None:
    everywhere = [(name, number / 2) for name in EVENTS for number in range(11)]
    kept = featurize(store="kept.zarr", background="keep").views[0]
    known = {(id, start): label for id, start, label in ROWS}
    assert rows_of(kept) == [(id, start, known.get((id, start), "")) for id, start in everywhere]
    named = featurize(store="class.zarr", background="class", background_class="none").views[0]
    assert rows_of(named) == [(id, start, known.get((id, start), "none")) for id, start in everywhere]
    assert named.classes == ["cat", "dog", "none"]
    frames = featurize(manifest_of(sounds, target="frames"), store="frames.zarr")
    assert len(frames.views[0]) == len(everywhere)
    assert frames.views[0].store.labelling.target == "frames"
    assert frames.target_warnings() == ["1 track has no annotation: background"]
    # Rows that are in both stores have the same features.
    dropped = featurize().views[0]
    places = [everywhere.index((id, start)) for id, start, _ in ROWS]
    assert dropped.read().tobytes() == kept.read(places).tobytes()


def test_the_engine_does_not_matter(kit: Any, featurize: Call) -> None:
    serial, local = (
        featurize(store="serial.zarr"),
        featurize(store="local.zarr", engine=LocalEngine(2), workers=None),
    )
    assert kit.contents(serial.views[0].store) == kit.contents(local.views[0].store)
    for name in ("row", "label", "share"):
        one, other = (getattr(report.views[0].targets, name) for report in (serial, local))
        assert one.tolist() == other.tolist()


def test_changed_annotations_change_rows_and_targets_and_compute_only_new_rows(
    sounds: Path, featurize: Call, computed: list[tuple[str, int]]
) -> None:
    before = featurize().views[0]
    features = {(id, start): row for (id, start, _), row in zip(rows_of(before), before.read(), strict=True)}
    computed.clear()
    # Another label, the same times: nothing is computed.
    renamed = {**EVENTS, "d": (replace(EVENTS["d"][0], label="owl"),)}
    view = featurize(manifest_of(sounds, renamed)).views[0]
    assert computed == []
    assert rows_of(view) == [*ROWS[:-1], ("d", 5.0, "owl")]
    # An event is gone, another is new, and a track is annotated now.
    changed = {
        "a": (EVENTS["a"][1], Annotation(start=2, end=3, label="dog")),
        "b": EVENTS["b"],
        "c": (Annotation(start=1, end=1, label="owl"),),
        "d": renamed["d"],
    }
    report = featurize(manifest_of(sounds, changed))
    view = report.views[0]
    new = [
        *(("a", start, "dog") for start in (1.5, 2.0, 2.5)),
        *(("c", start, "owl") for start in (0.5, 1.0)),
    ]
    assert rows_of(view) == [*new[:3], *ROWS[2:-1], *new[3:], ("d", 5.0, "owl")]
    assert sorted(computed) == sorted((id, round(start * RATE)) for id, start, _ in new)
    for (id, start, _), row in zip(rows_of(view), view.read(), strict=True):
        if (id, start) in features:
            assert row.tobytes() == features[id, start].tobytes()
    assert report.target_warnings() == []
    # Rows are only taken away: nothing is computed.
    computed.clear()
    assert rows_of(featurize(manifest_of(sounds, {**changed, "c": ()})).views[0]) == [
        *new[:3],
        *ROWS[2:-1],
        ("d", 5.0, "owl"),
    ]
    assert computed == []


def test_another_view_of_the_store_is_named_if_its_annotations_were_others(
    kit: Any, sounds: Path, featurize: Call
) -> None:
    other = featurize(views=[(kit.spec, audiospec.Chunking(seconds=2))]).views[0].name
    assert featurize().outdated == frozenset()
    report = featurize(manifest_of(sounds, {**EVENTS, "b": ()}))
    assert (
        f"{other} has rows and targets of earlier annotations: featurize it again, too"
        in report.target_warnings()
    )
    views = [(kit.spec, CHUNKING), (kit.spec, audiospec.Chunking(seconds=2))]
    report = featurize(manifest_of(sounds, EVENTS), views=views)
    assert report.outdated == frozenset()
    assert {"b", "a"} <= set(report.views[1].ids.tolist())


def test_a_store_keeps_its_labelling(sounds: Path, featurize: Call, tmp_path: Path) -> None:
    featurize(min_overlap=0.3)
    with pytest.raises(StoreError) as error:
        featurize(background="keep")
    assert str(error.value) == (
        f"the targets of {tmp_path / 's.zarr'} were made with min_overlap 0.3, background 'drop'; "
        "got 0.5, 'keep': give `min_overlap=0.3`, leave out `background`, or choose another `store`"
    )
    with pytest.raises(StoreError, match=r"made with target 'single'.*`target=\"single\"`"):
        featurize(manifest_of(sounds, target="multi-label"), min_overlap=0.3)
    with pytest.raises(StoreError, match=r"made with column 'label'.*`label_column=\"label\"`"):
        featurize(manifest_of(sounds, column="species"), min_overlap=0.3)
    # A manifest without annotations adds tracks to an annotated store, which asks for the same.
    bare = Manifest("events", sounds, tuple(replace(track, annotations=()) for track in manifest_of(sounds)))
    with pytest.raises(StoreError, match=r"made with min_overlap 0\.3; got 0\.5"):
        featurize(bare)
    assert rows_of(featurize(min_overlap=0.3).views[0])


def test_a_plain_store_gets_annotations_and_one_without_refuses_their_options(
    kit: Any, sounds: Path, featurize: Call, computed: list[Any]
) -> None:
    labelled = Manifest(
        "events", sounds, tuple(replace(t, label="x", annotations=()) for t in manifest_of(sounds))
    )
    plain = featurize(labelled)
    assert (plain.targets, plain.views[0].targets, plain.views[0].store.format) == ({}, None, 1)
    with pytest.raises(DatasetError, match="parameter background is of annotations, and no track of dataset"):
        featurize(labelled, store="other.zarr", background="keep")
    with pytest.raises(StoreError, match="made with target 'single'"):
        featurize(manifest_of(sounds, target="multi-label"))
    computed.clear()
    assert rows_of(featurize().views[0]) == ROWS
    assert computed == []  # all of its rows were there


def test_a_track_with_a_label_beside_annotated_ones_has_it_everywhere(sounds: Path, featurize: Call) -> None:
    first, *others = manifest_of(sounds)
    whole = replace(first, annotations=(), label="rain")
    view = featurize(Manifest("events", sounds, (whole, *others))).views[0]
    assert [row for row in rows_of(view) if row[0] == "a"] == [("a", n / 2, "rain") for n in range(11)]


def test_numbers_and_several_labels_of_a_chunk(sounds: Path, featurize: Call) -> None:
    numbers = {
        "a": (Annotation(value=0.7, column="valence"), Annotation(value=3.0, column="arousal")),
        "b": (
            Annotation(start=0, end=1.25, value=1.0, column="valence"),
            Annotation(start=1.25, end=2, value=2.0, column="valence"),
        ),
    }
    view = featurize(manifest_of(sounds, numbers, target="number", column="valence")).views[0]
    assert view.targets is not None
    values = view.targets.numbers(np.arange(len(view)), len(view))
    assert values == pytest.approx([0.7] * 11 + [1, 1.25, 1.75, 2])
    assert view.rows["start"][11:].tolist() == [0, 0.5, 1, 1.5]
    several = {"a": (Annotation(label="rain"), Annotation(start=1, end=2, label="dog"))}
    manifest = manifest_of(sounds, several, target="multi-label")
    view = featurize(manifest, store="m.zarr").views[0]
    assert view.labels.tolist() == ["rain", *["dog;rain"] * 3, *["rain"] * 7]


def test_two_labels_of_a_chunk_are_an_error_of_the_target_single(sounds: Path, featurize: Call) -> None:
    several = {"a": (Annotation(label="rain"), Annotation(start=1, end=2, label="dog"))}
    with pytest.raises(
        DatasetError, match=r"track 'a': the chunk from 0.5 to 1.5 s has the labels 'dog' \(50%"
    ):
        featurize(manifest_of(sounds, several))


def test_annotations_beyond_the_end_are_a_problem_of_their_track(
    sounds: Path, featurize: Call, computed: list[tuple[str, int]]
) -> None:
    wrong = {
        **EVENTS,
        "a": (*EVENTS["a"], Annotation(start=5.5, end=6.2, label="cat")),
        "b": (Annotation(start=6, label="owl"), Annotation(start=7, end=8, label="owl")),
        "d": (Annotation(start=5.2, end=6.05, label="cat"),),  # within a rounding
    }
    report = featurize(manifest_of(sounds, wrong))
    assert rows_of(report.views[0]) == ROWS[-1:]
    assert report.problems == {
        "a": "annotated beyond the end of its audio, which lasts 6.000 s: 'cat' from 5.5 to 6.2 s; "
        "correct its times, or the file",
        "b": "annotated beyond the end of its audio, which lasts 6.000 s: 'owl' from 6 s, and 1 more; "
        "correct its times, or the file",
    }
    with pytest.raises(
        DatasetError, match="2 tracks have annotations that are not inside the audio, such as a"
    ):
        report.require_annotated()
    # It is still so without looking at the files again, and right once the annotations are.
    assert featurize(manifest_of(sounds, wrong)).problems == report.problems
    computed.clear()
    report = featurize()
    assert (rows_of(report.views[0]), report.problems) == (ROWS, {})
    assert {id for id, _ in computed} == {"a", "b"}
    report.require_annotated()


def test_the_end_is_that_of_the_decoded_audio_not_of_its_header(
    kit: Any, sounds: Path, featurize: Call
) -> None:
    """The length of this MP3 is a guess, until it is decoded; that of the WAV is short by its header."""
    noise = 0.1 * np.random.default_rng(7).standard_normal(6 * 16000)
    soundfile.write(sounds / "e.mp3", noise, 16000, bitrate_mode="VARIABLE")
    content = (sounds / "e.mp3").read_bytes()
    (sounds / "e.mp3").write_bytes(content.replace(b"Xing", b"XXXX").replace(b"Info", b"XXXX"))
    tracks = [
        Track(id="e", path="e.mp3", label="", annotations=(Annotation(start=4.6, label="dog"),)),
        Track(id="f", path="a.flac", label="", annotations=(Annotation(start=9, end=10, label="dog"),)),
        Track(id="g", path="b.flac", label="", annotations=(Annotation(start=5.2, end=5.3, label="dog"),)),
    ]
    report = featurize(Manifest("events", sounds, tuple(tracks)))
    view = report.views[0]
    # Encoders add some silence.
    seconds = dict(zip(view.store.tracks["id"], view.store.tracks["seconds"], strict=True))["e"]
    assert 6 < seconds < 6.3
    starts = view.rows["start"][view.ids == "e"]
    assert starts.tolist() == [number / 2 for number in range(9, 9 + len(starts))]
    assert starts[-1] + view.rows["seconds"][len(starts) - 1] == pytest.approx(seconds)
    assert view.targets is not None
    assert view.targets.share.tolist() == pytest.approx([0.9, *[1] * (len(starts) - 1), 0.1, 0.1])
    assert list(report.problems) == ["f"]
    # It was decoded, to be sure.
    hashes = dict(zip(view.store.tracks["id"], view.store.tracks["hash"], strict=True))
    assert all(hashes.values())


#: A run that is killed once two shards are finished.
KILLED = """
import os, signal, sys
from pathlib import Path
import audiospec
from audiospec.annotations.annotation import Annotation
from audiospec.manifest import Manifest, Track

def progress(now):
    if now.shards == 2:
        os.kill(os.getpid(), signal.SIGKILL)

folder, store = map(Path, sys.argv[1:])
events = [[(0.2, 1.3, "dog"), (4, 5.5, "cat")], [(3, 3.7, "dog"), (3.3, 3.8, "dog")]]
tracks = [
    Track(
        id=id,
        path=f"{id}.flac",
        label="",
        annotations=tuple(Annotation(start=start, end=end, label=label) for start, end, label in stretches),
    )
    for id, stretches in zip("ab", events)
]
spec = audiospec.MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, fmax=4000)
chunking = audiospec.Chunking(seconds=1, hop=0.5)
manifest = Manifest("events", folder, tuple(tracks))
audiospec.run(manifest, views=[(spec, chunking)], store=store, workers=0, progress=progress)
"""


def test_a_run_that_was_killed_is_resumed(
    kit: Any, sounds: Path, featurize: Call, tmp_path: Path, computed: list[tuple[str, int]]
) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, sounds, tmp_path / "s.zarr"], timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "s.zarr").exists()
    resumed = featurize()
    # The rows of the shards that were finished are not computed again.
    assert sorted(computed) == [(id, round(start * RATE)) for id, start, _ in ROWS if id != "a"]
    whole = featurize(store="whole.zarr")
    assert kit.contents(resumed.views[0].store) == kit.contents(whole.views[0].store)
    assert rows_of(resumed.views[0]) == ROWS
    assert not work_folder(tmp_path / "s.zarr").exists()


def test_volumes_have_the_annotations_of_their_tracks(
    kit: Any, sounds: Path, featurize: Call, tmp_path: Path
) -> None:
    one = featurize(store="one.zarr").views[0]
    hours = 13 / 3600  # two tracks
    for part in ((0, 2), (1, 2)):
        report = featurize(volume_hours=hours, part=part)
    store = open_store(tmp_path / "s.zarr")
    assert isinstance(store, VolumeStore)
    assert len(store.volumes) == 2
    assert [record.annotations for record in store.volume("00001").tracks.records()] == [(), EVENTS["d"]]
    view = store.view(one.name)
    assert rows_of(view) == ROWS
    assert view.read().tobytes() == one.read().tobytes()
    assert view.targets is not None
    assert one.targets is not None
    assert view.targets.share.tolist() == one.targets.share.tolist()
    assert store.labelling == Labelling()
    with pytest.raises(StoreError, match=r"made with min_overlap 0\.5; got 0\.9"):
        featurize(min_overlap=0.9)
    report = featurize(manifest_of(sounds, {**EVENTS, "a": EVENTS["a"][:1]}))
    assert rows_of(report.views[0]) == [*ROWS[:2], *ROWS[6:]]
    assert report.targets[one.name].bare == 1


def test_tracks_keep_annotations_and_columns_while_they_are_divided(sounds: Path) -> None:
    tracks = [replace(track, columns=(("device", "é"), ("site", ""))) for track in manifest_of(sounds)]
    tracks.append(Track(id="x", path="x.wav", label="y", group="g", fold="f", cluster="c"))
    tracks.append(Track(id="z", path="z.wav", label="", annotations=(Annotation(value=-0.1, column="v"),)))
    spool = Spool(2)
    for track in tracks:
        spool.add(3, track)
    assert list(spool.tracks(3)) == tracks


def test_a_track_that_was_removed_keeps_its_rows_and_targets(sounds: Path, featurize: Call) -> None:
    featurize()
    fewer = {name: events for name, events in EVENTS.items() if name != "a"}
    view = featurize(manifest_of(sounds, fewer)).views[0]
    assert rows_of(view) == ROWS
    assert next(view.store.tracks.records()).annotations == EVENTS["a"]


def test_repair_keeps_targets(sounds: Path, featurize: Call, kit: Any) -> None:
    view = featurize(background="class").views[0]
    before = kit.contents(view.store), view.labels.tolist()
    repair(view.store, {view.name: [0, 20, 43]}, workers=0)
    after = open_store(view.store.path)
    assert (kit.contents(after), after.view(view.name).labels.tolist()) == before
    assert after.view(view.name).targets is not None


def test_no_row_at_all_is_an_error_with_the_ways_out(sounds: Path, featurize: Call) -> None:
    short = {"a": (Annotation(start=0.4, end=2.6, label="dog"),), "b": ()}
    chunking = audiospec.Chunking(seconds=2)
    with pytest.raises(DatasetError) as error:
        featurize(manifest_of(sounds, short), views=[(audiospec.MelSpec(), chunking)], min_overlap=0.9)
    assert str(error.value) == (
        "none of the 2 tracks gives a chunk of 2 s, such as a (background: no annotation overlaps a chunk "
        'enough): give a smaller `min_overlap`, or rows of background with `background="keep"`'
    )


def test_annotations_without_a_row_are_counted(sounds: Path, featurize: Call) -> None:
    report = featurize(min_overlap=0.9)
    assert report.target_warnings()[1] == (
        "1 annotation gives no row a target, because no chunk overlaps enough: "
        "give a smaller `min_overlap`, `hop` or `chunk`"
    )


def test_a_library_call_logs_what_a_user_must_know(
    kit: Any, sounds: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "audiospec"):
        view = audiospec.featurize(
            manifest_of(sounds), spec=kit.spec, chunk=CHUNKING, store=tmp_path / "s.zarr", workers=0
        )
    assert rows_of(view) == ROWS
    assert caplog.messages == ['1 track has no annotation: left out (`background="keep"` makes rows of them)']


@pytest.mark.realdata
def test_a_header_that_lies_is_not_what_annotations_are_compared_with(
    kit: Any, shared_inputs: Path, tmp_path: Path
) -> None:
    """An MP3 of 12 s announces a million frames, and a FLAC of 4 s says that it has no samples."""
    events = {
        "xing_million.mp3": (Annotation(start=11.2, end=11.8, label="dog"),),
        "concat.mp3": (Annotation(start=7.2, end=7.6, label="dog"),),
        "flac_total0.flac": (Annotation(start=3, end=4.6, label="dog"),),
    }
    tracks = tuple(Track(id=name, path=name, label="", annotations=of) for name, of in events.items())
    report = audiospec.run(
        Manifest("inputs", shared_inputs, tracks),
        views=[(kit.spec, audiospec.Chunking(seconds=1))],
        store=tmp_path / "s.zarr",
        workers=0,
    )
    assert list(report.problems) == ["concat.mp3", "flac_total0.flac"]
    assert "which lasts 4.000 s: 'dog' from 3 to 4.6 s" in report.problems["flac_total0.flac"]
    assert rows_of(report.views[0]) == [("xing_million.mp3", 11.0, "dog")]
