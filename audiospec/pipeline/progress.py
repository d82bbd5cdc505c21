"""The progress of a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from audiospec.pipeline.schedule import Schedule


@dataclass(frozen=True)
class Progress:
    """The progress of a run. Several views are computed together; each track counts once.

    Attributes
    ----------
    view : str
        Name of the view with the most bytes to write, such as ``"mel-10s-3f9a1c"``;
        ``"mel-10s-3f9a1c and 1 more"`` if another is computed with it.
    shards, shards_total : int
        Shards that are done, and shards to compute: those of that view, and those of other views with
        tracks that it lacks.
    tracks, tracks_total : int
        Tracks that end in those shards.
    audio_seconds, audio_seconds_total : float
        Seconds of audio in the rows of those shards.
    seconds : float
        Seconds since computing began.
    """

    view: str
    shards: int
    shards_total: int
    tracks: int
    tracks_total: int
    audio_seconds: float
    audio_seconds_total: float
    seconds: float

    @property
    def times_real_time(self) -> float:
        """Seconds of audio computed in a second."""
        return self.audio_seconds / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds left at the speed so far; None before the first shard is done."""
        if not self.audio_seconds:
            return None
        return (self.audio_seconds_total - self.audio_seconds) / self.times_real_time


ProgressCallback = Callable[[Progress], None]


class ProgressCounter:
    """Counts the finished shards of a schedule."""

    def __init__(self, schedule: Schedule) -> None:
        more = schedule.view_count - 1
        self.view = f"{schedule.lead} and {more} more" if more else schedule.lead
        #: View and digest of each unfinished shard → seconds of audio, tracks.
        self.left = {
            (view, digest): (audio, tracks) for view, digest, audio, tracks in schedule.shard_amounts()
        }
        self.start = time.monotonic()
        self.shards_total = len(self.left)
        self.audio, self.tracks = 0.0, 0
        self.audio_total = sum(audio for audio, _ in self.left.values())
        self.tracks_total = sum(tracks for _, tracks in self.left.values())

    def step(self, view: str, digest: str) -> bool:
        """Count a shard that is done; return whether it changed the progress."""
        # Fragments do not count, nor does a shard that was done before a worker died and its task ran again.
        amount = self.left.pop((view, digest), None)
        if amount is not None:
            self.audio += amount[0]
            self.tracks += amount[1]
        return amount is not None

    def now(self) -> Progress:
        """Return the progress at this moment."""
        return Progress(
            self.view,
            self.shards_total - len(self.left),
            self.shards_total,
            self.tracks,
            self.tracks_total,
            self.audio,
            self.audio_total,
            time.monotonic() - self.start,
        )
