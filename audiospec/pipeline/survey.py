"""What is known of each track before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiospec.audio.chunking import Chunking
from audiospec.audio.info import AudioInfo
from audiospec.audio.recording import probe
from audiospec.digests import content_hash
from audiospec.errors import AudioError
from audiospec.manifest import Manifest
from audiospec.pipeline.staging import DecodeResult, Staging
from audiospec.specs.base import FeatureSpec
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.info import ViewInfo


def survey_store(
    manifest: Manifest,
    existing: FeatureStore | None,
    work: Path,
    views: Sequence[tuple[FeatureSpec, Chunking]],
) -> list[TrackState]:
    """Survey the files of a manifest, with what the store and its unfinished shards know of them."""
    before = list(existing.tracks.records()) if existing is not None else []
    facts = {}
    for spec, chunking in views:
        name = ViewInfo(spec=spec, chunking=chunking, shard_rows=1).name
        for _, commit in Staging(work, name).commits():
            facts.update({fact.id: fact for fact in commit.facts})
    return survey(manifest, before, facts)


REMOVED = "removed: the file is no longer in the dataset; its rows are kept"


@dataclass(slots=True)
class TrackState:
    """What is known of a track: a record of the track table, and its audio's length.

    Attributes
    ----------
    record : dict
        Columns of the track table.
    file : Path
        The audio file.
    info : AudioInfo or None
        None if there is a problem.
    kept : bool
        Whether nobody looks at its file: its rows stay what they are.
    """

    record: dict[str, Any]
    file: Path
    info: AudioInfo | None
    kept: bool = False

    @property
    def id(self) -> str:
        """The track's id."""
        return str(self.record["id"])

    @property
    def is_estimated(self) -> bool:
        """Whether its length is what a header guesses: only decoding tells."""
        return self.info is not None and not self.info.exact and not self.record["hash"]

    def learn(self, fact: DecodeResult) -> None:
        """Take over what decoding told."""
        self.info = None if fact.problem else AudioInfo(fact.sample_rate, fact.channels, fact.frames)
        self.record.update(
            hash=fact.hash,
            seconds=fact.frames / fact.sample_rate if fact.sample_rate else 0.0,
            sample_rate=fact.sample_rate,
            channels=fact.channels,
            problem=fact.problem,
            size=fact.size,
            modified=fact.modified,
        )


def survey(
    manifest: Manifest, before: Sequence[dict[str, Any]], facts: Mapping[str, DecodeResult]
) -> list[TrackState]:
    """Look at every file of a manifest, and compare it with what was known before.

    Parameters
    ----------
    manifest : Manifest
    before : sequence of dict
        The store's track table. Its order is kept; new tracks come after.
    facts : mapping of str to Fact
        What unfinished work has told, by track id.

    Returns
    -------
    list of Known
        The new track table. A file whose size and modification time are as before is taken to be the same;
        otherwise its content hash decides.
    """
    in_manifest = {track.id: track for track in manifest}
    known: list[TrackState] = []
    for record in before:
        track = in_manifest.pop(record["id"], None)
        if track is None:
            if record["path"]:  # else it came with a table: no file has ever been there
                record = {**record, "problem": record["problem"] or REMOVED}
            known.append(TrackState(record, manifest.root / record["path"], None, kept=True))
        else:
            same = {"path": track.path, "label": track.label, "group": track.group, "fold": track.fold}
            known.append(_look(manifest.file(track), {**record, **same}, facts.get(track.id)))
    for track in in_manifest.values():
        record = {
            "id": track.id,
            "path": track.path,
            "label": track.label,
            "group": track.group,
            "fold": track.fold,
            "hash": "",
            "seconds": 0.0,
            "sample_rate": 0,
            "channels": 0,
            "problem": "",
            "size": -1,
            "modified": -1,
        }
        known.append(_look(manifest.file(track), record, facts.get(track.id)))
    return known


def _look(file: Path, record: dict[str, Any], fact: DecodeResult | None) -> TrackState:
    """What is known of one track, after a look at its file."""
    known = TrackState(record, file, None)
    if record["problem"] == REMOVED:  # it is back
        record["problem"] = ""
    if fact is not None and (not record["hash"] or record["hash"] != fact.hash):
        known.learn(fact)
    try:
        # A name that is not text in UTF-8 cannot be kept in a table.
        record["path"].encode()
    except UnicodeEncodeError:
        record["path"] = record["path"].encode("utf-8", "backslashreplace").decode()
        record.update(hash="", problem="not readable: the file's name is not UTF-8, rename it")
        return known
    try:
        stat = file.stat()
        same = (record["size"], record["modified"]) == (stat.st_size, stat.st_mtime_ns)
        if record["hash"] and not same:
            same = record["size"] == stat.st_size and content_hash(file) == record["hash"]
    except OSError as error:
        record.update(hash="", problem=f"not readable: {error.strerror}")
        return known
    record.update(size=stat.st_size, modified=stat.st_mtime_ns)
    if record["hash"] and same:  # decoded before: what is known is final
        if not record["problem"]:
            known.info = AudioInfo.of(record)
        return known
    record.update(hash="", problem="", seconds=0.0, sample_rate=0, channels=0)
    try:
        known.info = probe(file)
        record.update(
            seconds=known.info.seconds,
            sample_rate=known.info.sample_rate,
            channels=known.info.channels,
        )
    except AudioError as error:
        record["problem"] = str(error)
    return known
