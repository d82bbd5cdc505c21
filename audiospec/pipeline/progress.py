"""How far a run has come."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from audiospec.pipeline.schedule import Schedule


@dataclass(frozen=True)
class Progress:
    """How far a run is. Several views are made together; each track counts once.

    Attributes
    ----------
    view : str
        Name of the view with most to write, such as ``"mel-10s-3f9a1c"``; ``"mel-10s-3f9a1c and 1 more"``
        if others are made with it.
    shards, shards_total : int
        Of that view: shards to compute. (Of others, those of tracks that it lacks.)
    tracks, tracks_total : int
        Tracks that end in those shards.
    audio_seconds, audio_seconds_total : float
        Seconds of audio in those shards' rows.
    seconds : float
        Time since the first task was given out.
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
        """Seconds of audio done in a second."""
        return self.audio_seconds / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Time left at the pace so far; None before the first shard is done."""
        if not self.audio_seconds:
            return None
        return (self.audio_seconds_total - self.audio_seconds) / self.times_real_time


ProgressCallback = Callable[[Progress], None]


class ProgressCounter:
    """Counts what is done of a schedule."""

    def __init__(self, schedule: Schedule) -> None:
        more = schedule.views - 1
        self.view = f"{schedule.lead} and {more} more" if more else schedule.lead
        self.left = {(view, digest): (audio, tracks) for view, digest, audio, tracks in schedule.amounts()}
        self.began = time.monotonic()
        self.shards = len(self.left)
        self.audio, self.tracks = 0.0, 0
        self.audio_total = sum(audio for audio, _ in self.left.values())
        self.tracks_total = sum(tracks for _, tracks in self.left.values())

    def step(self, view: str, digest: str) -> bool:
        """Take note of a shard that is done; whether it counts."""
        # It may be a fragment, or done before: its worker died after it, and the task ran again.
        amount = self.left.pop((view, digest), None)
        if amount is not None:
            self.audio += amount[0]
            self.tracks += amount[1]
        return amount is not None

    def now(self) -> Progress:
        """The progress at this moment."""
        return Progress(
            self.view,
            self.shards - len(self.left),
            self.shards,
            self.tracks,
            self.tracks_total,
            self.audio,
            self.audio_total,
            time.monotonic() - self.began,
        )
