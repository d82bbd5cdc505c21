"""Survey the tracks: what is known of each before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audiospec.audio.chunking import Chunking
from audiospec.audio.deaths import is_death, is_remembered, remembered
from audiospec.audio.info import AudioInfo
from audiospec.audio.isolated import probe_files
from audiospec.audio.reading import STRICT, Reading
from audiospec.audio.rules import refused_channel
from audiospec.digests import content_hash
from audiospec.engines.base import Engine
from audiospec.errors import AudioError
from audiospec.manifest import Manifest, Track
from audiospec.pipeline.staging import DecodeResult, WorkFolder
from audiospec.specs.base import FeatureSpec
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.schema import REMOVED, TrackRecord


def survey_store(
    manifest: Manifest,
    existing: FeatureStore | None,
    work: WorkFolder,
    views: Sequence[tuple[FeatureSpec, Chunking]],
    engine: Engine,
    reading: Reading = STRICT,
) -> list[TrackState]:
    """Survey the files of a manifest, and use what the store and its staged shards say of them.

    Parameters
    ----------
    manifest : Manifest
    existing : FeatureStore or None
        The store, if it exists.
    work : WorkFolder
    views : sequence of (FeatureSpec, Chunking)
        The views whose staged shards are read.
    engine : Engine
        Its workers read the headers of files that are not known yet.
    reading : Reading
        What the run does with truncated and silent files.

    Returns
    -------
    list of TrackState
        See `survey`.
    """
    records = list(existing.tracks.records()) if existing is not None else []
    decoded = {}
    policy = Policy(reading, frozenset(spec.channel for spec, _ in views))
    for spec, chunking in views:
        name = ViewInfo(spec=spec, chunking=chunking, shard_rows=1).name
        for commit in work.staging(name).commits().values():
            decoded.update({r.id: r for r in commit.decoded if not policy.allows(r.problem)})
    return survey(manifest, records, decoded, engine, policy)


@dataclass(frozen=True)
class Policy:
    """What a run does with files that were refused before.

    Attributes
    ----------
    reading : Reading
    channels : frozenset of str
        Those that its views use; empty if they do not matter.
    """

    reading: Reading = STRICT
    channels: frozenset[str] = frozenset()

    def allows(self, problem: str) -> bool:
        """Whether a file that was refused with `problem` may be used now."""
        channel = refused_channel(problem)
        return self.reading.allows(problem) or bool(channel and self.channels - {channel})


@dataclass(slots=True)
class TrackState:
    """What is known of a track: its record in the track table, and its audio's length.

    Attributes
    ----------
    record : TrackRecord
        Replaced when more is known.
    file : Path
        The audio file.
    info : AudioInfo or None
        None if there is a problem, or if the track is `kept`.
    kept : bool
        Whether its rows are kept as they are, because the manifest does not have the track.
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
        """Why the track cannot be used; ``""`` if it can."""
        return self.record.problem

    @property
    def is_estimated(self) -> bool:
        """Whether its length is estimated from the header, so that only decoding can measure it."""
        return self.info is not None and not self.info.exact and not self.record.hash

    def update(self, **changes: Any) -> None:
        """Change values of the record."""
        self.record = replace(self.record, **changes)

    def apply(self, decoded: DecodeResult) -> None:
        """Set hash, length, problem and file state to what decoding has found."""
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
            note=decoded.note,
        )

    def refuse(self, problem: str) -> None:
        """Set the problem that probing has found, or over which workers died.

        A file that ends its decoder gets a hash, like one that was decoded: it is not tried in each run.
        """
        self.info = None
        self.update(hash="", problem=problem)
        if is_death(problem):
            with suppress(OSError):
                self.update(hash=content_hash(self.file), problem=remembered(problem))


def survey(
    manifest: Manifest,
    records: Sequence[TrackRecord],
    decoded: Mapping[str, DecodeResult],
    engine: Engine,
    policy: Policy = Policy(),
) -> list[TrackState]:
    """Check every file of a manifest, and compare it with what was known before.

    Parameters
    ----------
    manifest : Manifest
    records : sequence of TrackRecord
        The store's track table. Its order is kept; new tracks follow.
    decoded : mapping of str to DecodeResult
        Track id → result in a staged shard.
    engine : Engine
        Its workers read the headers of files that are not known yet.
    policy : Policy
        What the run does with files that were refused before.

    Returns
    -------
    list of TrackState
        The new track table. A file whose size and modification time have not changed is taken to be
        unchanged; otherwise its content hash decides. What was known of an unchanged file stays, but one that
        was refused for something that `policy` allows is looked at again.
    """
    in_manifest = {track.id: track for track in manifest}
    tracks: list[TrackState] = []
    for record in records:
        track = in_manifest.pop(record.id, None)
        if track is not None:
            tracks.append(_survey_track(manifest, track, record, decoded, policy))
            continue
        if record.path:  # a track of an imported table has no file
            record = replace(record, problem=record.problem or REMOVED)
        tracks.append(TrackState(record, manifest.root / record.path, kept=True))
    for id, track in in_manifest.items():
        tracks.append(_survey_track(manifest, track, TrackRecord(id), decoded, policy))
    unknown = [state for state in tracks if not (state.kept or state.record.hash or state.problem)]
    probed = probe_files(engine, [state.file for state in unknown], policy.reading)
    for state, found in zip(unknown, probed, strict=True):
        _apply_header(state, found)
    return tracks


def _survey_track(
    manifest: Manifest,
    track: Track,
    record: TrackRecord,
    decoded: Mapping[str, DecodeResult],
    policy: Policy,
) -> TrackState:
    """Check the file of one track, and return what is known of the track.

    A file that has to be probed has neither a hash nor a problem.
    """
    file = manifest.file(track)
    record = replace(
        record,
        path=track.path,
        label=track.label,
        group=track.group,
        fold=track.fold,
        cluster=track.cluster,
    )
    if record.problem == REMOVED:  # the manifest has the track again
        record = replace(record, problem="")
    state = TrackState(record, file)
    result = decoded.get(track.id)
    if result is not None and (not record.hash or record.hash != result.hash):
        state.apply(result)
    try:
        # The track table is UTF-8: it cannot contain any other name.
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
        if is_death(record.problem):
            same = same and is_remembered(record.problem)
        elif record.hash and not same:
            same = record.size == stat.st_size and content_hash(file) == record.hash
    except OSError as error:
        state.update(hash="", problem=f"not readable: {error.strerror}")
        return state
    changes: dict[str, Any] = {"size": stat.st_size, "modified": stat.st_mtime_ns}
    # If it was decoded before and is unchanged, nothing more can be learnt.
    if record.hash and same and not policy.allows(record.problem):
        state.info = None if record.problem else record.info
        state.update(**changes)
        return state
    state.update(**changes, hash="", problem="", note="", seconds=0.0, sample_rate=0, channels=0)
    return state


def _apply_header(state: TrackState, found: AudioInfo | AudioError) -> None:
    """Set what probing a file has found."""
    if isinstance(found, AudioError):
        state.refuse(str(found))
    else:
        state.info = found
        state.update(seconds=found.seconds, sample_rate=found.sample_rate, channels=found.channels)
