"""The task format: what a plan hands to an engine, and what a worker hands back.

A task names shards, the rows of each, and the tracks that those are cut from; it holds no audio and no
features. `Schedule.tasks` makes tasks, `compute` in `worker` does them; between the two, engines carry them
as plain JSON values. Each class here has ``to_json`` and ``from_json``. Rows and tracks travel as lists,
so that a task stays small; nothing but those two methods knows the order in a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audiospec.pipeline.staging import DecodeResult
from audiospec.specs.base import FeatureSpec

#: A value as `json.loads` returns it.
Json = Any


@dataclass(frozen=True, slots=True)
class TaskTrack:
    """A track that rows of a task are cut from.

    Attributes
    ----------
    number : int
        Its place in the track table.
    id : str
    file : str
        The audio file, as an absolute path or relative to the working folder of the run.
    """

    number: int
    id: str
    file: str

    def to_json(self) -> Json:
        """``[number, id, file]``."""
        return [self.number, self.id, self.file]

    @classmethod
    def from_json(cls, value: Json) -> TaskTrack:
        """What `to_json` returned."""
        return cls(*value)


@dataclass(frozen=True, slots=True)
class ExistingRow:
    """Where a row lies that was computed before; it is copied, unless it turns out to be damaged.

    Attributes
    ----------
    store : str
        Path of the store whose finished view has the row; ``""`` if it is staged in the work folder.
    name : str
        Name of the finished view, or digest of the staged shard.
    number : int
        Number of the row in that view or shard.
    capacity : int
        Rows that the staged shard has room for; 0 for a finished view.
    checksum : int
        CRC-32C of its bytes.
    source : int
        First 64 bits of the hash of the file that it was computed from.
    """

    store: str
    name: str
    number: int
    capacity: int
    checksum: int
    source: int

    def to_json(self) -> Json:
        """``[store, name, number, capacity, checksum, source]``."""
        return [self.store, self.name, self.number, self.capacity, self.checksum, self.source]

    @classmethod
    def from_json(cls, value: Json) -> ExistingRow:
        """What `to_json` returned."""
        return cls(*value)


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One row of a shard. It is copied if it exists; else this task computes it, unless another does.

    Attributes
    ----------
    track : int
        Number of its track.
    start, samples : int
        First sample, and samples of audio, at the spec's rate; fewer than the chunk's where it is padded.
    last : bool
        Whether it is its track's last row in this view.
    existing : ExistingRow or None
        Where it lies already.
    fragment : str
        Digest of the fragment as which another task stages it; ``""`` if no other does.
    """

    track: int
    start: int
    samples: int
    last: bool
    existing: ExistingRow | None = None
    fragment: str = ""

    def to_json(self) -> Json:
        """``[track, start, samples, last, place]``.

        The place is an `ExistingRow`'s list, the digest of another task's fragment, or None.
        """
        place = self.existing.to_json() if self.existing is not None else self.fragment or None
        return [self.track, self.start, self.samples, self.last, place]

    @classmethod
    def from_json(cls, value: Json) -> TaskRow:
        """What `to_json` returned."""
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
        Under which its rows are staged.
    fragment : str
        Digest under which those rows that this task computes are staged, if rows of other tasks are still
        missing when they are done; ``""`` if it computes none.
    capacity : int
        Rows that the staged file has room for.
    rows : tuple of TaskRow
    """

    digest: str
    fragment: str
    capacity: int
    rows: tuple[TaskRow, ...]

    def to_json(self) -> Json:
        """An object with these fields."""
        return {
            "digest": self.digest,
            "fragment": self.fragment,
            "capacity": self.capacity,
            "rows": [row.to_json() for row in self.rows],
        }

    @classmethod
    def from_json(cls, value: Json) -> TaskShard:
        """What `to_json` returned."""
        rows = tuple(map(TaskRow.from_json, value["rows"]))
        return cls(value["digest"], value["fragment"], value["capacity"], rows)


@dataclass(frozen=True, slots=True)
class TaskView:
    """One view's part of a task.

    Attributes
    ----------
    name : str
        The view's.
    spec : FeatureSpec
    length : int
        Samples of a chunk, at the spec's rate.
    shards : tuple of TaskShard
        At least one.
    """

    name: str
    spec: FeatureSpec
    length: int
    shards: tuple[TaskShard, ...]

    def to_json(self) -> Json:
        """An object with these fields; the spec as `FeatureSpec.to_dict` gives it."""
        spec = self.spec.to_dict()
        return {
            "name": self.name,
            # What is a tuple here is a list once it has been text.
            "spec": {name: list(held) if isinstance(held, tuple) else held for name, held in spec.items()},
            "length": self.length,
            "shards": [shard.to_json() for shard in self.shards],
        }

    @classmethod
    def from_json(cls, value: Json) -> TaskView:
        """What `to_json` returned."""
        shards = tuple(map(TaskShard.from_json, value["shards"]))
        return cls(value["name"], FeatureSpec.from_dict(value["spec"]), value["length"], shards)


@dataclass(frozen=True, slots=True)
class RunConstants:
    """What is the same in all tasks of a run.

    Attributes
    ----------
    work : str
        Path of the store's work folder.
    device : str
        Torch device on which frontends compute.
    backends : mapping of str to str
        Feature → backend of its frontend; features that are not named get their frontend's own choice.
    """

    work: str
    device: str
    backends: Mapping[str, str]

    def to_json(self) -> Json:
        """An object with these fields."""
        return {"work": self.work, "device": self.device, "backends": dict(self.backends)}

    @classmethod
    def from_json(cls, value: Json) -> RunConstants:
        """What `to_json` returned."""
        return cls(value["work"], value["device"], value["backends"])


@dataclass(frozen=True, slots=True)
class Task:
    """Shards of several views, and the tracks that their rows are cut from, each decoded once.

    Attributes
    ----------
    run : RunConstants
    tracks : tuple of TaskTrack
        Those of all rows, by number.
    first : int or None
        Number of the track to begin with: one that goes on in shards of the next task, which waits for
        its rows. None: in order.
    views : tuple of TaskView
        Those of which the task has shards.
    """

    run: RunConstants
    tracks: tuple[TaskTrack, ...]
    first: int | None
    views: tuple[TaskView, ...]

    @property
    def about(self) -> str:
        """The files that the task is about, in words."""
        files = [track.file for track in self.tracks]
        return " to ".join(dict.fromkeys([*files[:1], *files[-1:]]))

    def to_json(self) -> Json:
        """An object with these fields, and ``about``, which engines put into their messages."""
        return {
            "about": self.about,
            "run": self.run.to_json(),
            "tracks": [track.to_json() for track in self.tracks],
            "first": self.first,
            "views": [view.to_json() for view in self.views],
        }

    @classmethod
    def from_json(cls, value: Json) -> Task:
        """What `to_json` returned."""
        return cls(
            RunConstants.from_json(value["run"]),
            tuple(map(TaskTrack.from_json, value["tracks"])),
            value["first"],
            tuple(map(TaskView.from_json, value["views"])),
        )


@dataclass(frozen=True, slots=True)
class TaskResult:
    """A shard, or a fragment of one, that a task has committed.

    Attributes
    ----------
    view : str
        The view's name.
    digest : str
        The shard's; where a fragment was staged in place of a shard, still the shard's.
    decoded : tuple of DecodeResult
        What decoding has told of the tracks that end in it.
    """

    view: str
    digest: str
    decoded: tuple[DecodeResult, ...]

    def to_json(self) -> Json:
        """An object with these fields."""
        decoded = [result.to_json() for result in self.decoded]
        return {"view": self.view, "digest": self.digest, "decoded": decoded}

    @classmethod
    def from_json(cls, value: Json) -> TaskResult:
        """What `to_json` returned."""
        decoded = tuple(map(DecodeResult.from_json, value["decoded"]))
        return cls(value["view"], value["digest"], decoded)
