"""What is known of each track before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audiospec.audio.chunking import Chunking
from audiospec.audio.info import AudioInfo
from audiospec.audio.recording import probe
from audiospec.digests import content_hash
from audiospec.errors import AudioError
from audiospec.manifest import Manifest, Track
from audiospec.pipeline.staging import DecodeResult, Staging
from audiospec.specs.base import FeatureSpec
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.schema import TrackRecord


def survey_store(
    manifest: Manifest,
    existing: FeatureStore | None,
    work: Path,
    views: Sequence[tuple[FeatureSpec, Chunking]],
) -> list[TrackState]:
    """Survey the files of a manifest, with what the store and its unfinished shards know of them."""
    before = list(existing.tracks.records()) if existing is not None else []
    decoded = {}
    for spec, chunking in views:
        name = ViewInfo(spec=spec, chunking=chunking, shard_rows=1).name
        for _, commit in Staging(work, name).commits():
            decoded.update({result.id: result for result in commit.decoded})
    return survey(manifest, before, decoded)


REMOVED = "removed: the file is no longer in the dataset; its rows are kept"


@dataclass(slots=True)
class TrackState:
    """What is known of a track: its record in the track table, and its audio's length.

    Attributes
    ----------
    record : TrackRecord
        Replaced by another when more is known.
    file : Path
        The audio file.
    info : AudioInfo or None
        None if there is a problem.
    kept : bool
        Whether nobody looks at its file: its rows stay what they are.
    """

    record: TrackRecord
    file: Path
    info: AudioInfo | None = None
    kept: bool = False

    @property
    def id(self) -> str:
        """The track's id."""
        return self.record.id

    @property
    def problem(self) -> str:
        """Why it has no rows; ``""`` if it can have some."""
        return self.record.problem

    @property
    def is_estimated(self) -> bool:
        """Whether its length is what a header guesses: only decoding tells."""
        return self.info is not None and not self.info.exact and not self.record.hash

    def update(self, **changes: Any) -> None:
        """Replace the record by one with these values."""
        self.record = replace(self.record, **changes)

    def learn(self, decoded: DecodeResult) -> None:
        """Take over what decoding told."""
        rate = decoded.sample_rate
        self.info = None if decoded.problem else AudioInfo(rate, decoded.channels, decoded.frames)
        self.update(
            hash=decoded.hash,
            seconds=decoded.frames / rate if rate else 0.0,
            sample_rate=rate,
            channels=decoded.channels,
            problem=decoded.problem,
            size=decoded.size,
            modified=decoded.modified,
        )


def survey(
    manifest: Manifest, before: Sequence[TrackRecord], decoded: Mapping[str, DecodeResult]
) -> list[TrackState]:
    """Look at every file of a manifest, and compare it with what was known before.

    Parameters
    ----------
    manifest : Manifest
    before : sequence of TrackRecord
        The store's track table. Its order is kept; new tracks come after.
    decoded : mapping of str to DecodeResult
        What unfinished work has told, by track id.

    Returns
    -------
    list of TrackState
        The new track table. A file whose size and modification time are as before is taken to be the same;
        otherwise its content hash decides.
    """
    in_manifest = {track.id: track for track in manifest}
    tracks: list[TrackState] = []
    for record in before:
        track = in_manifest.pop(record.id, None)
        if track is not None:
            tracks.append(_look(manifest, track, record, decoded))
            continue
        if record.path:  # else it came with a table: no file has ever been there
            record = replace(record, problem=record.problem or REMOVED)
        tracks.append(TrackState(record, manifest.root / record.path, kept=True))
    tracks += [_look(manifest, track, TrackRecord(id), decoded) for id, track in in_manifest.items()]
    return tracks


def _look(
    manifest: Manifest, track: Track, before: TrackRecord, decoded: Mapping[str, DecodeResult]
) -> TrackState:
    """What is known of one track of a manifest, after a look at its file."""
    file = manifest.file(track)
    record = replace(before, path=track.path, label=track.label, group=track.group, fold=track.fold)
    if record.problem == REMOVED:  # it is back
        record = replace(record, problem="")
    state = TrackState(record, file)
    result = decoded.get(track.id)
    if result is not None and (not record.hash or record.hash != result.hash):
        state.learn(result)
    try:
        # A name that is not text in UTF-8 cannot be kept in a table.
        track.path.encode()
    except UnicodeEncodeError:
        state.update(
            path=track.path.encode("utf-8", "backslashreplace").decode(),
            hash="",
            problem="not readable: the file's name is not UTF-8, rename it",
        )
        return state
    record = state.record
    try:
        stat = file.stat()
        same = (record.size, record.modified) == (stat.st_size, stat.st_mtime_ns)
        if record.hash and not same:
            same = record.size == stat.st_size and content_hash(file) == record.hash
    except OSError as error:
        state.update(hash="", problem=f"not readable: {error.strerror}")
        return state
    found: dict[str, Any] = {"size": stat.st_size, "modified": stat.st_mtime_ns}
    if record.hash and same:  # decoded before: what is known is final
        state.info = None if record.problem else record.info
        state.update(**found)
        return state
    found.update(hash="", problem="", seconds=0.0, sample_rate=0, channels=0)
    try:
        info = state.info = probe(file)
        found.update(seconds=info.seconds, sample_rate=info.sample_rate, channels=info.channels)
    except AudioError as error:
        found["problem"] = str(error)
    state.update(**found)
    return state
