"""The target frames: rows of a track are joined; events are decoded, and scored where rows are."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audiospec.annotations.annotation import Annotation, Labelling
from audiospec.annotations.table import Annotations, RowTargets
from audiospec.audio.chunking import Chunking
from audiospec.errors import ModelError
from audiospec.stores.layout.schema import ROW_DTYPE
from audiospec.zoo.base import Rows
from audiospec.zoo.targets.base import target_from_dict
from audiospec.zoo.targets.decoding.stretches import stretches
from audiospec.zoo.targets.frames import MEDIANS, Frames
from audiospec.zoo.targets.multi_label import MultiLabel

CHUNK, FRAMES = 2.0, 8
CLASSES = ["bark", "hum"]


class Tracks(dict[str, NDArray[Any]]):
    """The columns of a track table."""

    annotations: Annotations


class PlacedView(SimpleNamespace):
    """A view with as many rows as its table has."""

    def __len__(self) -> int:
        return len(self.rows)


def view_of(
    tracks: list[list[Annotation]],
    places: list[tuple[int, float, float]],
    seconds: float,
    chunk: float = CHUNK,
) -> Any:
    """A view of rows at places (track, start, seconds of audio)."""
    rows = np.zeros(len(places), ROW_DTYPE)
    for name, column in zip(("track", "start", "seconds"), zip(*places, strict=True), strict=True):
        rows[name] = column
    store = SimpleNamespace(
        labelling=Labelling(target="frames"),
        tracks=Tracks(
            id=np.array([f"track {number}" for number in range(len(tracks))], object),
            seconds=np.full(len(tracks), seconds),
        ),
    )
    store.tracks.annotations = Annotations.from_tracks(tracks)
    groups = np.array([""] * len(places), object)
    return PlacedView(
        rows=rows, store=store, chunking=Chunking(seconds=chunk), ids=store.tracks["id"][rows["track"]],
        groups=groups, clusters=groups, hashes=groups, targets=None,
    )  # fmt: skip


class PlacedRows(Rows):
    """Rows whose unit is their track."""

    @property
    def units(self) -> NDArray[np.str_]:
        return self.tracks


def rows_of(view: Any, **parameters: Any) -> Rows:
    return PlacedRows(view, np.arange(len(view.rows)), Frames(CLASSES, frames=FRAMES, **parameters))


def scene(seed: int) -> list[Annotation]:
    """Events on the grid of frames, those of a label two frames apart at least."""
    random = np.random.default_rng(seed)
    found = []
    for label in CLASSES:
        first = int(random.integers(0, 4))
        while first < 30:
            stop = min(32, first + int(random.integers(2, 7)))
            found.append(Annotation(start=first / 4, end=stop / 4, label=label))
            first = stop + int(random.integers(2, 8))
    return found


WHOLE = [(track, start, CHUNK) for track in range(4) for start in (0.0, 2.0, 4.0, 6.0)]


@pytest.fixture
def rows() -> Rows:
    """Four tracks of 8 s with events, in chunks of 2 s."""
    return rows_of(view_of([scene(seed) for seed in range(4)], WHOLE, 8.0))


# --- stretches ----------------------------------------------------------------------------------------


def test_rows_that_follow_each_other_are_one_stretch() -> None:
    places = [(1, 0.0, 2.0), (0, 2.0, 2.0), (0, 0.0, 2.0), (1, 6.0, 1.25), (1, 2.0, 2.0)]
    rows = rows_of(view_of([[], []], places, 8.0))
    outputs = np.arange(5.0)[:, None, None] + np.zeros((5, FRAMES, 2))
    parts = list(stretches(outputs, rows))
    assert [(part.track, part.start, part.end, part.unit) for part in parts] == [
        (0, 0.0, 4.0, "track 0"),
        (1, 0.0, 4.0, "track 1"),
        (1, 6.0, 7.25, "track 1"),
    ]
    assert parts[0].outputs[:, 0].tolist() == [2.0] * 8 + [1.0] * 8
    assert parts[1].outputs[:, 0].tolist() == [0.0] * 8 + [4.0] * 8
    assert parts[2].outputs[:, 0].tolist() == [3.0] * 5  # the rest of the row is padding
    assert parts[2].times.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]
    other = list(stretches(outputs[::-1], PlacedRows(rows.view, rows.numbers[::-1], rows.target)))
    assert all(np.array_equal(a.outputs, b.outputs) for a, b in zip(parts, other, strict=True))


def test_overlapping_rows_are_averaged() -> None:
    rows = rows_of(view_of([[]], [(0, 0.0, 2.0), (0, 1.0, 2.0), (0, 1.5, 1.5)], 3.0))
    outputs = np.array([0.0, 3.0, 6.0])[:, None, None] + np.zeros((3, FRAMES, 2))
    (part,) = stretches(outputs, rows)
    assert part.outputs[:, 1].tolist() == [0.0] * 4 + [1.5] * 2 + [3.0] * 2 + [4.5] * 4
    assert part.end == 3.0


# --- encoding and decoding ----------------------------------------------------------------------------


def test_a_perfect_output_has_perfect_scores(rows: Rows) -> None:
    table = rows.target.score(rows.targets.astype(np.float64), rows).track
    assert table.count == 4
    assert table.event_f1 == table.event_f1_micro == table.segment_f1 == 1.0
    assert table.psds1 > 0.99
    total = sum(len(rows.view.store.tracks.annotations.of(track)) for track in range(4))
    assert sum(scores["support"] for scores in table.per_class.values()) == total


def test_shifted_and_empty_outputs_score_lower(rows: Rows) -> None:
    truth = rows.targets.astype(np.float64)
    late = np.roll(truth.reshape(4, -1, 2), 2, axis=1).reshape(truth.shape)  # by 0.5 s
    assert rows.target.score(late, rows).track.event_f1 < 0.5
    assert rows.target.score(np.zeros_like(truth), rows).track.event_f1 == 0.0


def test_only_the_time_that_rows_cover_counts() -> None:
    """Of a track with some chunks on another side, each stretch counts, with its part of the events."""
    events = [Annotation(start=1.0, end=5.0, label="bark"), Annotation(start=4.5, end=5.5, label="hum")]
    rows = rows_of(view_of([events], [(0, 0.0, 2.0), (0, 6.0, 2.0), (0, 4.0, 2.0)], 8.0))
    table = rows.target.score(rows.targets.astype(np.float64), rows).track
    assert table.count == 2  # 0 to 2 s, 4 to 8 s
    assert {name: scores["support"] for name, scores in table.per_class.items()} == {"bark": 2, "hum": 1}
    assert table.event_f1 == 1.0


def test_rows_are_their_frames_together(rows: Rows) -> None:
    target = rows.target
    truth = rows.targets
    assert truth.shape == (16, FRAMES, 2)
    assert truth.dtype == bool
    outputs = np.where(truth, 0.7, 0.2)
    assert np.array_equal(target.reduce(outputs), outputs.max(1))
    texts = [";".join(name for name, has in zip(CLASSES, row, strict=True) if has) for row in truth.any(1)]
    assert target.texts(truth) == target.decode(outputs) == texts
    assert type(target.of_row) is MultiLabel
    assert np.array_equal(target.parse(texts), truth.any(1))


def test_labels_are_those_of_the_training_rows() -> None:
    view = view_of([scene(0)], [(0, 0.0, 2.0), (0, 2.0, 2.0)], 8.0)
    numbers = np.array([0, 0, 1], np.int64)
    view.targets = RowTargets(
        numbers, np.array([0, 1, 2], np.int32), np.ones(3), np.full(3, np.nan), ("bark", "hum", "voice")
    )
    assert Frames.of_rows(view, np.array([0])).classes == ["bark", "hum"]
    assert Frames.of_rows(view, np.array([0, 1]), ["hum", "voice"]).classes == ["hum", "voice"]


# --- what validation rows choose ----------------------------------------------------------------------


def test_thresholds_are_chosen_by_class(rows: Rows) -> None:
    outputs = np.where(rows.targets, [0.3, 0.9], [0.1, 0.7])
    tuned = rows.target.tuned(outputs, rows)
    assert isinstance(tuned, Frames)
    assert 0.1 < tuned.thresholds[0] <= 0.3
    assert 0.7 < tuned.thresholds[1] <= 0.9
    assert tuned.rules.median == 0.0
    assert rows.target.score(outputs, rows).track.event_f1 < tuned.score(outputs, rows).track.event_f1 == 1.0


def test_a_median_filter_is_chosen_where_outputs_flicker() -> None:
    """Single frames that are wrong would be events of their own."""
    events = [Annotation(start=0.25, end=0.75, label="bark"), Annotation(start=1.25, end=1.75, label="hum")]
    places = [(track, start / 4, seconds / 4) for track, start, seconds in WHOLE]
    rows = rows_of(view_of([events] * 4, places, 2.0, chunk=CHUNK / 4))  # frames of 62.5 ms
    outputs = rows.targets.astype(np.float64).reshape(4, 32, 2)
    outputs[:, [7, 23]] = 1 - outputs[:, [7, 23]]
    outputs = outputs.reshape(16, FRAMES, 2)
    assert rows.target.score(outputs, rows).track.event_f1 < 1
    tuned = rows.target.tuned(outputs, rows)
    assert isinstance(tuned, Frames)
    assert tuned.rules.median in MEDIANS[1:]
    assert tuned.score(outputs, rows).track.event_f1 == 1.0


# --- runs ---------------------------------------------------------------------------------------------


def test_a_run_keeps_the_parameters() -> None:
    target = Frames(CLASSES, [0.2, 0.9], 54, median=0.25, merge=0.1, min=0.05)
    again = target_from_dict(json.loads(json.dumps(target.to_dict(), allow_nan=False)), CLASSES)
    assert isinstance(again, Frames)
    assert again.to_dict() == target.to_dict()
    assert again.output_shape == (54, 2)
    assert again.rules == target.rules
    assert again.with_frames(7).to_dict() == {**target.to_dict(), "frames": 7}


@pytest.mark.parametrize(
    "wrong",
    [
        {"frames": -1},
        {"frames": True},
        {"frames": 2.5},
        {"frames": 10**9},
        {"median": -1.0},
        {"merge": float("inf")},
        {"min": float("nan")},
        {"thresholds": [0.5]},
        {"thresholds": [0.5, 1.5]},
    ],
    ids=str,
)
def test_impossible_parameters_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, ModelError)):
        target_from_dict({"name": "frames", **wrong}, CLASSES)
