"""Survey the tracks: what is known of each before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from audiospec.audio.chunking import Chunking
from audiospec.audio.deaths import is_death, is_remembered, remembered
from audiospec.audio.fetched import AudioFile, open_source
from audiospec.audio.info import AudioInfo
from audiospec.audio.looking import Look, UnknownFile, look_at
from audiospec.audio.quality import UNMEASURED
from audiospec.audio.reading import STRICT, Reading
from audiospec.audio.rules import refused_channel
from audiospec.engines.base import Engine
from audiospec.errors import AudioError
from audiospec.manifest import Manifest, Track
from audiospec.pipeline.file_states import FileState, file_states
from audiospec.pipeline.staging import DecodeResult, WorkFolder
from audiospec.pipeline.targets import beyond_the_end, is_beyond_the_end, stored_annotations
from audiospec.specs.base import FeatureSpec
from audiospec.storage.location import Location
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.schema import FOUND_CLUSTER, REMOVED, TrackRecord


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
    file : Location
        The audio file.
    version : str
        Version of an object, which is the one to be read; ``""`` for a file of a disk.
    info : AudioInfo or None
        None if there is a problem, or if the track is `kept`.
    kept : bool
        Whether its rows are kept as they are, because the manifest does not have the track.
    """

    record: TrackRecord
    file: Location
    info: AudioInfo | None = None
    kept: bool = False
    version: str = ""

    @property
    def id(self) -> str:
        """The track's id."""
        return self.record.id

    @property
    def audio(self) -> AudioFile:
        """The audio file in the state that was found."""
        return AudioFile(self.file, self.version, self.record.size if self.version else -1)

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
        """Set hash, length, problem, file state and quality to what decoding has found."""
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
            **(UNMEASURED if decoded.quality is None else decoded.quality.columns()),
        )
        self.check_annotations()

    def check_annotations(self) -> None:
        """Refuse the track if it was decoded, and its annotations are not all inside its audio."""
        if self.info is None or not self.record.hash or not self.record.annotations:
            return
        problem = beyond_the_end(self.record.annotations, self.info.seconds)
        if problem:
            self.info = None
            self.update(problem=problem)

    def refuse(self, problem: str) -> None:
        """Set the problem that probing has found, or over which workers died.

        A file that ends its decoder gets a hash, like one that was decoded: it is not tried in each run.
        """
        self.info = None
        self.update(hash="", problem=problem)
        if is_death(problem):
            with suppress(AudioError), open_source(self.audio) as source:
                self.update(hash=source.content_hash(), problem=remembered(problem))


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
    states = file_states(manifest.root, [track.path for track in manifest])
    tracks: list[TrackState] = []
    unknown: list[tuple[TrackState, str]] = []

    def add(track: Track, record: TrackRecord) -> None:
        state = TrackState(record, manifest.file(track))
        tracks.append(state)
        if not _is_known(state, track, decoded, policy, states):
            unknown.append((state, state.record.hash))

    for record in records:
        track = in_manifest.pop(record.id, None)
        if track is not None:
            add(track, record)
            continue
        if record.path:  # a track of an imported table has no file
            record = replace(record, problem=record.problem or REMOVED)
        tracks.append(TrackState(record, manifest.root / record.path, kept=True))
    for id, track in in_manifest.items():
        add(track, TrackRecord(id))
    files = [UnknownFile(state.audio, hash) for state, hash in unknown]
    for (state, _), found in zip(unknown, look_at(engine, files, policy.reading), strict=True):
        _apply_look(state, found)
    for state in tracks:
        state.check_annotations()
    return tracks


def _is_known(
    state: TrackState,
    track: Track,
    decoded: Mapping[str, DecodeResult],
    policy: Policy,
    states: Callable[[str], FileState],
) -> bool:
    """Set what is known of a track; return whether its file need not be looked at.

    A file that has to be looked at keeps its hash if it may have that still.
    """
    known = state.record.cluster
    record = replace(
        state.record,
        path=track.path,
        label=track.label,
        group=track.group,
        fold=track.fold,
        cluster=track.cluster or (known if known.startswith(FOUND_CLUSTER) else ""),
        annotations=stored_annotations(track),
        columns=track.columns,
    )
    # The manifest has the track again, or other annotations.
    if record.problem == REMOVED or is_beyond_the_end(record.problem):
        record = replace(record, problem="")
    state.record = record
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
        return True
    record = state.record
    try:
        now = states(track.path)
    except OSError as error:
        state.update(hash="", problem=f"not readable: {error.strerror}")
        return True
    state.version = now.version
    state.update(size=now.size, modified=now.modified)
    same_size, same_time = record.size == now.size, record.modified == now.modified
    usable = bool(record.hash) and not policy.allows(record.problem)
    died = is_death(record.problem)
    # If it was decoded before and is unchanged, nothing more can be learnt.
    if usable and same_size and same_time and (not died or is_remembered(record.problem)):
        state.info = None if record.problem else record.info
        return True
    if not (usable and same_size and not died):
        state.update(hash="")
    return False


def _apply_look(state: TrackState, found: Look) -> None:
    """Set what looking at a file has found."""
    if found is None:  # its bytes are those that were decoded
        state.info = None if state.record.problem else state.record.info
        return
    state.update(hash="", problem="", note="", seconds=0.0, sample_rate=0, channels=0, **UNMEASURED)
    if state.record.cluster.startswith(FOUND_CLUSTER):
        state.update(cluster="")  # it was of the sound that the file had before
    if isinstance(found, AudioError):
        state.refuse(str(found))
    else:
        state.info = found
        state.update(seconds=found.seconds, sample_rate=found.sample_rate, channels=found.channels)
