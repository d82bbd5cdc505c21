"""Division: which volume each track of a manifest goes into.

A track stays in its volume. New tracks, in the order of the manifest, fill the last volume up to the limit,
by their surveyed seconds, and then open another. So the division follows from the track tables, the parts
(see `Parts`) and the manifest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from audiospec.errors import DatasetError
from audiospec.manifest import Manifest, Track
from audiospec.pipeline.survey import TrackState
from audiospec.pipeline.volumes.members import Members
from audiospec.pipeline.volumes.spool import Spool

#: Tracks that are surveyed at first for each worker; then as many as the volume may have room for.
FIRST_BATCH, _LEAST_BATCH, _MOST_BATCH = 512, 128, 1 << 22
#: Tracks whose volume is looked up at a time.
_LOOKED_UP = 1 << 14
#: The least bytes of a second of audio, of any codec that is in use. What a header says counts only as far as
#: the file's size makes it possible.
LEAST_BYTES = 16
#: Number of the volume of tracks that are in none, in the spool.
_NEW = -1

Survey = Callable[[Manifest], list[TrackState]]


class Division:
    """The tracks of a manifest by volume; the new ones are surveyed as they are needed.

    Parameters
    ----------
    manifest : Manifest
    members : Members
        The volume of each known track.
    hours : float
        Hours of audio of a volume.
    survey : callable
        Surveys new tracks: a manifest → `TrackState` of each track, in its order.
    workers : int
        Workers that survey at a time.
    """

    def __init__(
        self, manifest: Manifest, members: Members, hours: float, survey: Survey, workers: int = 1
    ) -> None:
        self.manifest = manifest
        self.members = members
        self.limit = hours * 3600
        self._survey = survey
        self._first_batch = FIRST_BATCH * max(1, workers)
        self._spool = Spool()
        self._surveyed: deque[tuple[Track, TrackState]] = deque()
        self._seconds = self._count = 0.0
        if len(members):
            for batch in _batches(_in_order(manifest), _LOOKED_UP):
                for track, volume in zip(batch, self._volumes(batch), strict=True):
                    self._spool.add(volume, track)
            self._new = self._spool.tracks(_NEW)
        else:
            self._new = _in_order(manifest)

    def _volumes(self, tracks: Sequence[Track]) -> list[int]:
        volumes: list[int] = self.members.volumes([track.id for track in tracks]).tolist()
        return volumes

    def known(self, volume: int) -> list[Track]:
        """Return the manifest's tracks that are in a volume, in the order of the manifest."""
        return list(self._spool.tracks(volume))

    def first(self) -> list[Track]:
        """Return the first new tracks, which the caller surveys and gives back by `surveyed`."""
        return list(islice(self._new, self._first_batch))

    def surveyed(self, tracks: Sequence[Track], states: Sequence[TrackState]) -> None:
        """Add new tracks that were surveyed; they are the next that `fill` takes."""
        self._surveyed.extend(zip(tracks, states, strict=True))
        self._count += len(states)
        self._seconds += sum(map(seconds_of, states))

    def claimed(self) -> None:
        """Give up tracks that another process has given to a volume meanwhile, which `members` says."""
        waiting, self._surveyed = self._surveyed, deque()
        for (track, state), volume in zip(waiting, self._volumes([t for t, _ in waiting]), strict=True):
            if volume < 0:
                self._surveyed.append((track, state))
            else:
                self._spool.add(volume, track)
        while not self._surveyed and (batch := list(islice(self._new, self._first_batch))):
            if self._sort_out(batch):
                break

    def fill(self, seconds: float, is_empty: bool) -> tuple[list[TrackState], float]:
        """Take the new tracks that a volume has room for.

        Parameters
        ----------
        seconds : float
            Seconds of audio that the volume has.
        is_empty : bool
            Whether it has no track, so that it takes one even if that is longer than the limit.

        Returns
        -------
        list of TrackState
            Empty if there is no new track, or no room.
        float
            Seconds of audio that the volume has with them.
        """
        taken: list[TrackState] = []
        while self._surveyed or self._more(self.limit - seconds):
            state = self._surveyed[0][1]
            if seconds + seconds_of(state) > self.limit and (taken or not is_empty):
                break
            taken.append(self._surveyed.popleft()[1])
            seconds += seconds_of(state)
        return taken, seconds

    @property
    def is_done(self) -> bool:
        """Whether no new track is left."""
        return not (self._surveyed or self._more(self.limit))

    def _more(self, seconds: float) -> bool:
        """Survey more new tracks, about as many as last for `seconds`; return whether there were any."""
        usual = self._seconds / self._count if self._count else 0.0
        count = int(min(max(0.0, seconds) / usual * 1.05, _MOST_BATCH)) + 1 if usual else 0
        while batch := list(islice(self._new, max(count, _LEAST_BATCH) if usual else self._first_batch)):
            if self._sort_out(batch):
                return True
        return False

    def _sort_out(self, batch: Sequence[Track]) -> bool:
        """Survey those tracks that are in no volume; return whether there are any."""
        new = []
        for track, volume in zip(batch, self._volumes(batch), strict=True):
            if volume < 0:
                new.append(track)
            else:
                self._spool.add(volume, track)
        if new:
            self.surveyed(new, self._survey(self.manifest.subset(new)))
        return bool(new)


def seconds_of(state: TrackState) -> float:
    """Return the seconds that a track counts in its volume: what its header says, if its size allows it."""
    return min(state.record.seconds, max(0, state.record.size) / LEAST_BYTES)


def _in_order(manifest: Manifest) -> Iterator[Track]:
    """Yield the tracks. Those that are not in memory must be sorted by id, so that no two can have one.

    Raises
    ------
    DatasetError
        They are not.
    """
    before = None
    for track in manifest:
        if before is not None and track.id <= before and not isinstance(manifest.tracks, tuple):
            raise DatasetError(
                f"tracks of {manifest.dataset} that are read as they are needed must be sorted by id, each "
                f"once; got {track.id!r} after {before!r}",
                "sort them, or give a tuple",
            )
        before = track.id
        yield track


def _batches(tracks: Iterator[Track], size: int) -> Iterator[list[Track]]:
    while batch := list(islice(tracks, size)):
        yield batch
