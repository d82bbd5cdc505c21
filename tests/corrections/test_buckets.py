"""Corrections beside a store in a bucket."""

from __future__ import annotations

import pytest

from audiospec.corrections.corrections import FILE, Corrections
from audiospec.errors import StoreError
from audiospec.storage.location import Url
from audiospec.storage.opening import open_folder
from audiospec.stores.layout.schema import TrackRecord
from audiospec.stores.layout.tracks import Tracks

pytest.importorskip("obstore", reason="no buckets: pip install 'audiospec[cloud]'")
pytest.importorskip("moto", reason="moto plays the bucket: pip install -e '.[dev]'")


def test_decisions_are_added_and_read_in_a_bucket(home: Url) -> None:
    tracks = Tracks.from_records([TrackRecord("a", label="jazz"), TrackRecord("b", label="blues")])
    file = home / "music" / FILE
    with pytest.raises(StoreError, match="no corrections at s3://"):
        Corrections.read(file)
    Corrections(file).add(tracks, 0, "rock", who="Ann")
    added = Corrections(file).add(tracks, 1, "")  # another process's: it keeps the first
    for read in (added, Corrections.read(file)):
        assert (read.apply(tracks).labels, read.apply(tracks).excluded) == ({0: "rock"}, (1,))
    assert [entry.key for entry in open_folder(home / "music").list()] == [FILE]  # no lease is left


def test_a_line_that_was_not_written_to_its_end_is_kept_in_a_bucket(home: Url) -> None:
    tracks = Tracks.from_records([TrackRecord("a", label="jazz")])
    folder = open_folder(home / "cut")
    folder.write(FILE, b"hash,track,old,new,who,when,why\n,a,ja")
    added = Corrections(home / "cut" / FILE).add(tracks, 0, "rock")
    assert added.apply(tracks).labels == {0: "rock"}
    assert folder.read(f"{FILE}.unfinished") == b",a,ja\n"
