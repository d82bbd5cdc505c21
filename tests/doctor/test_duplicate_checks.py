"""The checks of duplicates: what they say of equal files, near-duplicates, labels and groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import audiospec
from audiospec import Chunking, Finding, MelSpec
from audiospec.digests import checksum
from audiospec.doctor.checks.exact_duplicates import ExactDuplicates
from audiospec.doctor.examined import Examined
from audiospec.doctor.fixes.clusters import write_clusters
from audiospec.errors import AudiospecError
from audiospec.stores.base import open_store, store_class
from audiospec.stores.layout.contents import NewView, ShardSource
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.lock import work_folder
from audiospec.stores.layout.schema import ROW_DTYPE, TrackRecord, store_attributes
from audiospec.stores.layout.tracks import Tracks

CHECKS = ("contradictions", "duplicate-groups", "exact-duplicates", "near-duplicates")
#: Rows of shape (16, 157), 10 s each.
INFO = ViewInfo(
    spec=MelSpec(sample_rate=8000, n_fft=512, hop_length=512, n_mels=16, fmax=4000.0),
    chunking=Chunking(seconds=10.0),
    shard_rows=4,
)
RECORDS = [
    TrackRecord("plain", label="a", group="x"),
    TrackRecord("louder", label="a", group="x"),
    TrackRecord("other", label="a", group="x"),
    TrackRecord("file", label="a", group="x", hash="0" * 32),
    TrackRecord("file again", label="[red]b\x1b", group="y", hash="0" * 32),
    TrackRecord("alone", label="b", group="y"),
]


def write(path: Path, records: Sequence[TrackRecord], *, rows: bool = True) -> Path:
    """Write a store with a random row for each track; two have the row of another, 6 dB up, with noise."""
    random = np.random.default_rng(0)
    data = 8 * random.standard_normal((len(records), *INFO.row_shape))
    ids = [record.id for record in records]
    for copy, original in (("louder", "plain"), ("file again", "file")):
        if copy in ids:
            noise = random.standard_normal(INFO.row_shape)
            data[ids.index(copy)] = data[ids.index(original)] + 6 + noise
    data[[number for number, id in enumerate(ids) if id == "constant"]] = 0
    stored = data.astype(np.float16)
    table = np.zeros(len(records), ROW_DTYPE)
    table["track"], table["seconds"] = np.arange(len(records)), 10.0
    table["checksum"] = [checksum(row) for row in stored]
    work_folder(path).mkdir(parents=True)
    source = lambda first: ShardSource(lambda: stored[first : first + 4])  # noqa: E731
    new = NewView(INFO, table, lambda number: source(4 * number)) if rows else None
    attributes = store_attributes("made-up", path)
    store_class(path).publish(path, work_folder(path), attributes, Tracks.from_records(records), new)
    return path


@pytest.fixture
def diagnosed(tmp_path: Path) -> Callable[..., dict[str, list[Finding]]]:
    def run(records: Sequence[TrackRecord], **settings: object) -> dict[str, list[Finding]]:
        path = write(tmp_path / "s.zarr", records)
        return findings(path, **settings)

    return run


def findings(path: Path, **settings: object) -> dict[str, list[Finding]]:
    found = audiospec.diagnose(path, names=CHECKS, settings=settings)
    assert found.checked == CHECKS
    return {name: [one for one in found.findings if one.check == name] for name in CHECKS}


def test_what_is_found(diagnosed: Callable[..., dict[str, list[Finding]]]) -> None:
    found = diagnosed(RECORDS)
    (near,) = found["near-duplicates"]
    assert (near.severity, near.tracks, near.groups) == ("error", (0, 1), ((0, 1),))
    assert near.title.startswith("2 tracks in 1 cluster hold the same sound")
    assert "--fix clusters" in near.advice
    ((first, second, similarity, lag),) = near.figures["pairs"]
    assert (first, second, lag) == (0, 1, 0.0)
    assert near.details == (f"similarity {similarity:.2f}",)
    (exact,) = found["exact-duplicates"]  # splits know the hash
    assert (exact.severity, exact.groups, exact.details) == ("note", ((3, 4),), ("equal files",))
    (contradiction,) = found["contradictions"]
    assert (contradiction.severity, contradiction.groups) == ("error", ((3, 4),))
    assert contradiction.details == (r"'file' is 'a', 'file again' is '[red]b\\x1b'",)
    assert found["duplicate-groups"] == []  # what has two groups has one hash


def test_labels_and_groups_of_near_duplicates(diagnosed: Callable[..., dict[str, list[Finding]]]) -> None:
    records = [RECORDS[0], replace(RECORDS[1], label="b", group="y"), RECORDS[2], RECORDS[5]]
    found = diagnosed(records)
    assert found["exact-duplicates"] == []
    assert [one.groups for one in found["near-duplicates"]] == [((0, 1),)]
    (contradiction,) = found["contradictions"]
    assert contradiction.details == ("'plain' is 'a', 'louder' is 'b'",)
    (groups,) = found["duplicate-groups"]
    assert (groups.severity, groups.groups) == ("error", ((0, 1),))
    assert "a split by groups" in groups.title
    assert groups.details == ("'plain' is 'x', 'louder' is 'y'",)


def test_one_without_a_group(diagnosed: Callable[..., dict[str, list[Finding]]]) -> None:
    records = [RECORDS[0], replace(RECORDS[1], group="", label=""), RECORDS[2], RECORDS[5]]
    found = diagnosed(records)
    assert found["contradictions"] == []  # a track without a label contradicts none
    assert found["duplicate-groups"][0].details == ("'plain' is 'x', others have none",)


def test_clusters_that_were_written(tmp_path: Path) -> None:
    path = write(tmp_path / "s.zarr", [RECORDS[0], replace(RECORDS[1], group="y"), RECORDS[2], RECORDS[5]])
    (near,) = findings(path)["near-duplicates"]
    assert write_clusters(open_store(path), near.groups) == 2
    after = findings(path)
    assert after["duplicate-groups"] == []
    (near,) = after["near-duplicates"]
    assert (near.severity, near.groups) == ("note", ((0, 1),))
    assert "splits keep each cluster on one side" in near.title


def test_a_cluster_that_is_known_contradicts(diagnosed: Callable[..., dict[str, list[Finding]]]) -> None:
    records = [replace(RECORDS[2], cluster="c"), replace(RECORDS[5], cluster="c"), RECORDS[0]]
    found = diagnosed(records)
    assert found["near-duplicates"] == []
    assert [one.groups for one in found["contradictions"]] == [((0, 1),)]


def test_equal_samples_are_no_equal_files(tmp_path: Path) -> None:
    """Splits know nothing of the samples, so they may divide them."""
    store = open_store(write(tmp_path / "s.zarr", RECORDS))
    samples = np.array(["", "", "s", "f", "f", "s"], dtype=object)
    tracks = replace(store.tracks, columns={**store.tracks.columns, "samples_hash": samples})
    store.__dict__["tracks"] = tracks
    apart, together = ExactDuplicates().run(Examined(store))
    assert (apart.severity, apart.groups, apart.details) == ("error", ((2, 5),), ("equal samples",))
    assert (together.severity, together.groups, together.details) == ("note", ((3, 4),), ("equal files",))


def test_without_a_view_hashes_are_compared(tmp_path: Path) -> None:
    found = audiospec.diagnose(write(tmp_path / "s.zarr", RECORDS, rows=False), names=CHECKS)
    assert set(found.not_checked) == {"near-duplicates"}
    assert "no log-mel view: make one: `audiospec featurize" in found.not_checked["near-duplicates"]
    assert [(one.check, one.groups) for one in found.findings] == [
        ("contradictions", ((3, 4),)),
        ("exact-duplicates", ((3, 4),)),
    ]


def test_the_least_similarity_is_a_setting(diagnosed: Callable[..., dict[str, list[Finding]]]) -> None:
    assert diagnosed(RECORDS, **{"near-duplicates.least": "0.9999"})["near-duplicates"] == []
    for value in ("0.1", "1.1"):
        with pytest.raises(AudiospecError, match=rf"least must be from 0.35 to 1; got {value}"):
            audiospec.diagnose("s.zarr", names=CHECKS, settings={"near-duplicates.least": value})


def test_what_could_not_be_compared(diagnosed: Callable[..., dict[str, list[Finding]]]) -> None:
    (note,) = diagnosed([RECORDS[2], TrackRecord("constant"), RECORDS[5]])["near-duplicates"]
    assert (note.severity, note.tracks) == ("note", (1,))
    assert note.title.startswith("1 track could not be compared")
