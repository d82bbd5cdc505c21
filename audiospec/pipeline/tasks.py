"""The task format: the tasks that a plan gives to an engine, and the results that workers return.

A task names shards, the rows of each, and the tracks that the rows are cut from; it contains no audio and no
features. `Schedule.tasks` makes tasks and `worker.compute` runs them. Between the two, engines carry them as
plain JSON values. Each class here has ``to_json`` and ``from_json``. Rows and tracks become lists, not
objects, which keeps tasks small; only those two methods depend on the order of a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audiospec.audio.fetched import AudioFile
from audiospec.audio.quality import Quality
from audiospec.audio.reading import STRICT, Reading
from audiospec.pipeline.staging import DecodeResult
from audiospec.specs.base import FeatureSpec
from audiospec.storage.location import location

#: A value as `json.loads` returns it.
Json = Any


@dataclass(frozen=True, slots=True)
class TaskTrack:
    """A track that rows of a task are cut from.

    Attributes
    ----------
    number : int
        Its number in the track table.
    id : str
    file : str
        The audio file: a path, absolute or relative to the current folder of the run, or a URL.
    version : str
        Version of an object that is to be read; ``""`` for a file of a disk.
    size : int
        Bytes of an object; -1 for a file of a disk, which may have grown by the time it is read.
    """

    number: int
    id: str
    file: str
    version: str = ""
    size: int = -1

    @property
    def audio(self) -> AudioFile:
        """The audio file."""
        return AudioFile(location(self.file), self.version, self.size)

    def to_json(self) -> Json:
        """Return ``[number, id, file]``, and version and size of an object."""
        bucket = [self.version, self.size] if self.version else []
        return [self.number, self.id, self.file, *bucket]

    @classmethod
    def from_json(cls, value: Json) -> TaskTrack:
        """Read what `to_json` returned."""
        return cls(*value)


@dataclass(frozen=True, slots=True)
class ExistingRow:
    """Where a row is stored that was computed before. It is copied, unless it turns out to be damaged.

    Attributes
    ----------
    store : str
        Place of the store whose finished view has the row; ``""`` if it is staged in the work folder.
    name : str
        Name of the finished view, or file of the staged shard (see `Commit.file`).
    number : int
        Number of the row in that view or shard.
    capacity : int
        Number of rows that the staged shard has room for; 0 for a finished view.
    checksum : int
        CRC-32C of its bytes.
    source : int
        First 64 bits of the content hash of the file that it was computed from.
    """

    store: str
    name: str
    number: int
    capacity: int
    checksum: int
    source: int

    def to_json(self) -> Json:
        """Return ``[store, name, number, capacity, checksum, source]``."""
        return [self.store, self.name, self.number, self.capacity, self.checksum, self.source]

    @classmethod
    def from_json(cls, value: Json) -> ExistingRow:
        """Read what `to_json` returned."""
        return cls(*value)


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One row of a shard. It is copied if it exists; otherwise this task or another computes it.

    Attributes
    ----------
    track : int
        Number of its track.
    start, samples : int
        First sample, and samples of audio, at the spec's rate. A short chunk at the end of a track has fewer
        samples than the others.
    last : bool
        Whether it is the last row of its track in this view.
    existing : ExistingRow or None
        Where it is stored, if it was computed before.
    fragment : str
        Digest of the fragment in which another task stages it; ``""`` if this task computes or copies it.
    """

    track: int
    start: int
    samples: int
    last: bool
    existing: ExistingRow | None = None
    fragment: str = ""

    def to_json(self) -> Json:
        """Return ``[track, start, samples, last, place]``.

        ``place`` is the list of an `ExistingRow`, the digest of another task's fragment, or None.
        """
        place = self.existing.to_json() if self.existing is not None else self.fragment or None
        return [self.track, self.start, self.samples, self.last, place]

    @classmethod
    def from_json(cls, value: Json) -> TaskRow:
        """Read what `to_json` returned."""
        track, start, samples, last, place = value
        if isinstance(place, list):
            return cls(track, start, samples, last, ExistingRow.from_json(place))
        return cls(track, start, samples, last, fragment=place or "")


@dataclass(frozen=True, slots=True)
class TaskShard:
    """A shard that a task stages, or a fragment of one.

    Attributes
    ----------
    digest : str
        Digest that the rows are staged under.
    fragment : str
        Digest that the rows computed by this task are staged under if rows of other tasks are still missing
        by then; ``""`` if this task computes none.
    capacity : int
        Number of rows that the staged file has room for.
    rows : tuple of TaskRow
    """

    digest: str
    fragment: str
    capacity: int
    rows: tuple[TaskRow, ...]

    def to_json(self) -> Json:
        """Return the fields as a JSON object."""
        return {
            "digest": self.digest,
            "fragment": self.fragment,
            "capacity": self.capacity,
            "rows": [row.to_json() for row in self.rows],
        }

    @classmethod
    def from_json(cls, value: Json) -> TaskShard:
        """Read what `to_json` returned."""
        rows = tuple(map(TaskRow.from_json, value["rows"]))
        return cls(value["digest"], value["fragment"], value["capacity"], rows)


@dataclass(frozen=True, slots=True)
class TaskView:
    """One view's part of a task.

    Attributes
    ----------
    name : str
        Name of the view.
    spec : FeatureSpec
    length : int
        Samples of a full chunk, at the spec's rate.
    shards : tuple of TaskShard
        At least one.
    """

    name: str
    spec: FeatureSpec
    length: int
    shards: tuple[TaskShard, ...]

    def to_json(self) -> Json:
        """Return the fields as a JSON object; the spec is what `FeatureSpec.to_dict` returns."""
        spec = self.spec.to_dict()
        return {
            "name": self.name,
            # JSON has lists and no tuples.
            "spec": {field: list(item) if isinstance(item, tuple) else item for field, item in spec.items()},
            "length": self.length,
            "shards": [shard.to_json() for shard in self.shards],
        }

    @classmethod
    def from_json(cls, value: Json) -> TaskView:
        """Read what `to_json` returned."""
        shards = tuple(map(TaskShard.from_json, value["shards"]))
        return cls(value["name"], FeatureSpec.from_dict(value["spec"]), value["length"], shards)


@dataclass(frozen=True, slots=True)
class RunConstants:
    """The values that are the same in all tasks of a run.

    Attributes
    ----------
    work : str
        Place of the store's work folder.
    device : str
        Torch device that computes the features.
    backends : mapping of str to str
        Feature → backend. Any other feature gets the default backend of its frontend.
    reading : Reading
        What to do with truncated and silent files.
    """

    work: str
    device: str
    backends: Mapping[str, str]
    reading: Reading = STRICT

    def to_json(self) -> Json:
        """Return the fields as a JSON object."""
        return {
            "work": self.work,
            "device": self.device,
            "backends": dict(self.backends),
            "reading": self.reading.to_json(),
        }

    @classmethod
    def from_json(cls, value: Json) -> RunConstants:
        """Read what `to_json` returned."""
        reading = Reading.from_json(value["reading"])
        return cls(value["work"], value["device"], value["backends"], reading)


@dataclass(frozen=True, slots=True)
class Task:
    """Shards of several views, and the tracks that their rows are cut from, each decoded once.

    Attributes
    ----------
    number : int
        Its number in the schedule.
    run : RunConstants
    tracks : tuple of TaskTrack
        The tracks of all rows, by number.
    first : int or None
        Number of the track to decode first, because it continues in a shard of the next task, which waits
        for its rows. None: decode the tracks in order.
    views : tuple of TaskView
        The views that the task has shards of.
    """

    number: int
    run: RunConstants
    tracks: tuple[TaskTrack, ...]
    first: int | None
    views: tuple[TaskView, ...]

    @property
    def about(self) -> str:
        """The first and last file of the task, such as ``"a.wav to c.wav"``, for messages."""
        files = [track.file for track in self.tracks]
        return " to ".join(dict.fromkeys([*files[:1], *files[-1:]]))

    @property
    def name(self) -> str:
        """The first view and the digest of its first shard, such as ``"mel-10s-3f9a1c-5b0c2d9e7f31"``."""
        digests = [f"{view.name}-{shard.digest[:12]}" for view in self.views for shard in view.shards[:1]]
        return digests[0] if digests else ""

    def to_json(self) -> Json:
        """Return the fields as a JSON object, and ``about`` and ``name``, which engines show."""
        return {
            "about": self.about,
            "name": self.name,
            "number": self.number,
            "run": self.run.to_json(),
            "tracks": [track.to_json() for track in self.tracks],
            "first": self.first,
            "views": [view.to_json() for view in self.views],
        }

    @classmethod
    def from_json(cls, value: Json) -> Task:
        """Read what `to_json` returned."""
        return cls(
            value["number"],
            RunConstants.from_json(value["run"]),
            tuple(map(TaskTrack.from_json, value["tracks"])),
            value["first"],
            tuple(map(TaskView.from_json, value["views"])),
        )


@dataclass(frozen=True, slots=True)
class TrackBegun:
    """A result that announces the next track to be decoded. If the worker dies, that is the suspect.

    Attributes
    ----------
    task : int
        Number of the task.
    track : int
        Number of the track.
    """

    task: int
    track: int

    def to_json(self) -> Json:
        """Return the fields as a JSON object."""
        return {"task": self.task, "begun": self.track}


@dataclass(frozen=True, slots=True)
class TaskResult:
    """The result of a task: a shard, or a fragment of one, that it has committed.

    Attributes
    ----------
    view : str
        Name of the view.
    digest : str
        Digest of the `TaskShard`, even if only its fragment could be staged.
    decoded : tuple of DecodeResult
        The results for the tracks that end in it.
    """

    view: str
    digest: str
    decoded: tuple[DecodeResult, ...]

    def to_json(self) -> Json:
        """Return the fields as a JSON object; a `DecodeResult` is a list, which takes half as many bytes."""
        decoded = [
            [
                value.to_json() if isinstance(value := getattr(result, name), Quality) else value
                for name in result.__slots__
            ]
            for result in self.decoded
        ]
        return {"view": self.view, "digest": self.digest, "decoded": decoded}

    @classmethod
    def from_json(cls, value: Json) -> TaskResult:
        """Read what `to_json` returned."""
        decoded = [
            DecodeResult(*values, *[None if quality is None else Quality.from_json(quality)])
            for *values, quality in value["decoded"]
        ]
        return cls(value["view"], value["digest"], tuple(decoded))


def read_result(value: Json) -> TaskResult | TrackBegun:
    """Read what `TaskResult.to_json` or `TrackBegun.to_json` returned."""
    return TrackBegun(value["task"], value["begun"]) if "begun" in value else TaskResult.from_json(value)
