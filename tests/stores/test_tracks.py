"""The track table and its records are two forms of the same data."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from audiospec.digests import source_bits
from audiospec.errors import StoreError
from audiospec.stores.base import TRACK_COLUMNS, TrackRecord, Tracks

#: The columns of all stores since the first version; readers without audiospec rely on them.
COLUMNS = {
    "id": str,
    "path": str,
    "label": str,
    "group": str,
    "fold": str,
    "hash": str,
    "seconds": "<f8",
    "sample_rate": "<i4",
    "channels": "<i4",
    "problem": str,
    "size": "<i8",
    "modified": "<i8",
    "note": str,
    "cluster": str,
    "samples_hash": str,
    "peak": "<f8",
    "level": "<f8",
    "clipped": "<f8",
    "dc": "<f8",
    "digital_silence": "<f8",
    "bandwidth": "<f8",
    "snr": "<f8",
    "channel_correlation": "<f8",
    "dead_channels": "<f8",
}


def test_columns_are_the_fields_of_a_record_in_order() -> None:
    assert list(TRACK_COLUMNS.items()) == list(COLUMNS.items())
    assert [field.name for field in fields(TrackRecord)] == [*COLUMNS, "annotations", "columns"]
    for field in fields(TrackRecord)[: len(COLUMNS)]:
        kind = {str: "str", "<f8": "float"}.get(COLUMNS[field.name], "int")
        assert field.type == kind, field.name


def test_a_table_returns_its_records() -> None:
    records = [
        TrackRecord("new"),
        TrackRecord(*"abcdef", 0.1 + 0.2, 44100, 2, "g", 2**62, -(2**62), *"hij", *[0.5] * 9),
    ]
    tracks = Tracks.from_records(records)
    read = list(tracks.records())
    assert read == records
    assert [type(getattr(read[1], name)) for name in COLUMNS] == [
        *[str] * 6,
        *(float, int, int, str, int, int, str, str, str),
        *[float] * 9,
    ]
    for name, kind in COLUMNS.items():
        assert tracks[name].dtype == (object if kind is str else np.dtype(kind))
    assert list(Tracks.from_records([]).records()) == []


def test_a_new_record_is_not_decoded() -> None:
    info = TrackRecord("new").info
    assert (info.frames, info.sample_rate, info.channels) == (0, 0, 0)


@pytest.mark.parametrize(
    "hash", ["x" * 32, "0" * 31, "0" * 33, "0_" * 16, "A" * 32, "-" + "0" * 31, "\0", "٣" * 32]
)
def test_a_hash_that_is_none_is_named(hash: str) -> None:
    with pytest.raises(StoreError, match=r"track table is damaged: it has the content hash '.*'; expected"):
        source_bits(hash)


def test_the_bits_of_a_hash() -> None:
    assert source_bits("") == 0
    assert source_bits("00000000000000ff" + "f" * 16) == 255


def test_a_table_from_before_there_were_clusters_has_none() -> None:
    tracks = Tracks.from_records([TrackRecord("a", cluster="x"), TrackRecord("b", note="y")])
    old = Tracks({name: column for name, column in tracks.columns.items() if name != "cluster"})
    assert list(old.records()) == [TrackRecord("a"), TrackRecord("b", note="y")]


def test_a_table_from_before_there_were_notes_has_none() -> None:
    tracks = Tracks.from_records([TrackRecord("a", problem="x"), TrackRecord("b", note="y")])
    old = Tracks({name: column for name, column in tracks.columns.items() if name != "note"})
    assert [record.note for record in old.records()] == ["", ""]
    assert (old.notes, tracks.notes, tracks.problems) == ({}, {"b": "y"}, {"a": "x"})
