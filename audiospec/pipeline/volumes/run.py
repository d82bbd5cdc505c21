"""Run over a store that may have volumes: survey, divide, and build volume by volume.

A store whose audio fits one volume is an ordinary store. One that has more has volumes, each of which is
planned, locked, computed and published by itself, so that a run needs the memory of one. New volumes are
listed by the root together, once all of them are finished: readers see the old store or the new.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

from audiospec.annotations.annotation import Labelling
from audiospec.errors import DatasetError, StoreBusyError, StoreError
from audiospec.manifest import Manifest
from audiospec.pipeline import COMPUTE
from audiospec.pipeline.builder import BuildTarget
from audiospec.pipeline.building import Building, Built, attributes_of
from audiospec.pipeline.checks import require_annotations, require_same_labelling
from audiospec.pipeline.sight import in_sight
from audiospec.pipeline.staging import WorkFolder
from audiospec.pipeline.survey import TrackState
from audiospec.pipeline.targets import is_annotated
from audiospec.pipeline.volumes.conversion import end_conversion, make_first_volume
from audiospec.pipeline.volumes.division import Division
from audiospec.pipeline.volumes.members import Members
from audiospec.pipeline.volumes.parts import Part, Parts
from audiospec.pipeline.volumes.share import Share
from audiospec.storage.location import Location
from audiospec.storage.opening import open_folder
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.lock import locked, work_folder
from audiospec.stores.layout.schema import FORMAT
from audiospec.stores.layout.volume_names import VOLUME_HOURS, VOLUMES, volume_name, volume_place
from audiospec.stores.volumes.root import Listing, write_root
from audiospec.stores.volumes.store import VolumeStore
from audiospec.stores.zarr_format.root import ROOT

#: Seconds between two tries to lock a store that another process of the run has locked for a moment.
_PAUSE = 0.2
#: Tries after which a warning says that this run waits.
_TOLD_AFTER = 100

_log = logging.getLogger("audiospec")


class VolumesRun:
    """A run over one store.

    Parameters
    ----------
    building : Building
    kind : type of FeatureStore
    path : Location
        The store.
    manifest : Manifest
    hours : float or None
        Hours of audio of a volume. None: as the store has it, or `VOLUME_HOURS`.
    share : Share or None
        The volumes to compute. None: all.
    """

    def __init__(
        self,
        building: Building,
        kind: type[FeatureStore],
        path: Location,
        manifest: Manifest,
        hours: float | None,
        share: Share | None,
    ) -> None:
        self.building, self.kind, self.path, self.manifest = building, kind, path, manifest
        self.hours = hours
        self.is_shared, self.share = share is not None, share or Share()
        self.work = WorkFolder(work_folder(path))
        self.parts = Parts(self.work.place, manifest.dataset)
        self.attributes: dict[str, object] = {}
        self.members = Members()
        self.done = Built()
        #: Number of volumes that the root lists.
        self.listed = 0
        #: The last volume, and the seconds of audio in it; what was read of each volume that may get tracks.
        self.last, self.filled = -1, 0.0
        self._seen: dict[int, object] = {}
        #: After a dry run's survey, an ordinary store that a run would make the first volume.
        self._will_be_first: FeatureStore | None = None

    def run(self) -> Built:
        """Build the store, or the volumes of this share; return what was done, with the finished views."""
        with self._dividing(waits=self.is_shared):
            store = self._open()
            if not self.building.is_annotated:
                require_annotations(self.manifest.dataset, self.building.labelling)
            labelling = self.building.labelling if self.building.is_annotated else Labelling()
            self.attributes = attributes_of(self.manifest, labelling)
            if isinstance(store, VolumeStore):
                self.hours = self.hours or store.listing.hours
                self.listed = len(store.volumes)
                if not self.building.dry_run:
                    end_conversion(self.path)
            elif not self.kind.has_volumes:
                self.hours = math.inf
            self.hours = self.hours or VOLUME_HOURS
            is_ordinary = store is not None and not isinstance(store, VolumeStore)
            if store is not None and is_ordinary:
                self.members.add(store.tracks["id"].tolist(), 0)
                self.filled = float(store.tracks["seconds"].sum())
            else:
                self._refresh()
                is_ordinary = self.last < 0
            workers = self.building.engine.workers or 1
            division = Division(self.manifest, self.members, self.hours, self._survey_new, workers)
            first: list[TrackState] | None = None
            if is_ordinary:
                first = self._first(division, store)
                if division.is_done:
                    return self._ordinary(store, first)
                if store is not None:
                    if self.building.dry_run:
                        self._will_be_first = store
                    else:
                        make_first_volume(store, self.hours)
                self._give(0, self.filled, first[0 if store is None else len(store.tracks) :])
        number = 0
        while self._volume(number, division, first):
            number, first = number + 1, None
        return self._end(division)

    @contextmanager
    def _locked(self, waits: bool = True) -> Iterator[None]:
        """Hold the lock of the whole store; nothing is locked for a dry run.

        Parameters
        ----------
        waits : bool
            Whether to wait for the run that holds it, which is dividing tracks at the moment.
        """
        if self.building.dry_run:
            yield
            return
        for attempt in count():
            with ExitStack() as stack:
                try:
                    stack.enter_context(locked(self.path))
                except StoreBusyError:
                    if not waits:
                        raise
                else:
                    yield
                    return
            if attempt == _TOLD_AFTER:
                _log.warning("waiting for another run that is writing to %s", self.path)
            time.sleep(_PAUSE)

    @contextmanager
    def _dividing(self, waits: bool = True) -> Iterator[None]:
        """Hold the lock of the whole store, while the engine's machines see the audio and the work folder."""
        work = None if self.building.dry_run else self.work.place
        with self._locked(waits), in_sight(self.building.engine, self.manifest, work):
            yield

    def _open(self) -> FeatureStore | None:
        """Open the store; None if it does not exist yet."""
        if not self.building.dry_run:
            if not self._exists(self.path):  # there will be work: workers start while it is planned
                self.building.engine.prepare(COMPUTE)
            self.kind.recover(self.path, self.work.place)
        if not self._exists(self.path):
            return None
        store = self.kind.open(self.path)
        if not self.building.is_annotated and is_annotated(store):
            self.building = replace(self.building, is_annotated=True)
        self._require_same(store)
        return store

    def _require_same(self, store: FeatureStore) -> None:
        if store.dataset != self.manifest.dataset:
            raise StoreError(
                f"{store.path} holds dataset {store.dataset!r}, not {self.manifest.dataset!r}",
                "choose another `store`",
            )
        if self.building.is_annotated:
            require_same_labelling(store, self.building.labelling)

    def _exists(self, place: Location) -> bool:
        """Whether there is a store, or a volume; not only volumes that are not listed yet."""
        if not isinstance(place, Path) or not (place / VOLUMES).exists() or (place / "tracks").exists():
            return self.kind.exists(place)
        return (place / ROOT).exists()

    def _survey_new(self, manifest: Manifest) -> list[TrackState]:
        return self.building.survey(manifest, None, self.work)

    # An ordinary store

    def _first(self, division: Division, store: FeatureStore | None) -> list[TrackState]:
        """Survey the tracks of an ordinary store, and the new ones that it has room for."""
        batch = division.first()
        states = self.building.survey(self.manifest.subset([*division.known(0), *batch]), store, self.work)
        kept, new = states[: len(states) - len(batch)], states[len(states) - len(batch) :]
        division.surveyed(batch, new)
        new, self.filled = division.fill(self.filled, is_empty=not kept)
        return [*kept, *new]

    def _ordinary(self, store: FeatureStore | None, tracks: list[TrackState]) -> Built:
        """Build a store whose audio fits one volume. The lock is held."""
        if self.is_shared:
            raise DatasetError(
                f"`part` has nothing to divide: the {self.filled / 3600:.3g} h of audio fit one volume of "
                f"{self.hours:g} h",
                "run without `part`, or give a smaller `volume_hours`",
            )
        since = "" if store is None else store.version
        target = BuildTarget(self.kind, self.path, self.work, self.attributes, since)
        if isinstance(self.path, Path) and not self.building.dry_run and (self.path / VOLUMES).exists():
            open_folder(self.path / VOLUMES).clear()  # links of a conversion that was killed
        return self.building.build(target, store, tracks, is_volume=False)

    # Volumes

    def _refresh(self) -> None:
        """Read which tracks were given to volumes since the last time. The lock is held."""
        number = max(0, self.last)
        while True:
            place = volume_place(self.path, volume_name(number))
            part, root = self.parts.read(number), open_folder(place).entry(ROOT)
            if part is None and root is None and number >= self.listed:
                return
            seen = (root and root.version, part and (len(part.ids), part.seconds))
            if self._seen.get(number) != seen:
                self._seen[number] = seen
                ids, seconds = list(part.ids) if part else [], part.seconds if part else 0.0
                if root is not None:
                    volume = self.kind(place)
                    self._require_same(volume)
                    tracks = volume.tracks
                    ids += tracks["id"].tolist()
                    seconds = part.seconds if part else float(tracks["seconds"].sum())
                known = self.members.volumes(ids)
                self.members.add([id for id, at in zip(ids, known.tolist(), strict=True) if at < 0], number)
                self.last, self.filled = number, seconds
            number += 1

    def _give(self, number: int, seconds: float, tracks: list[TrackState]) -> None:
        """Give new tracks to a volume. The lock is held."""
        self.last, self.filled = number, seconds
        ids = [track.id for track in tracks]
        self.members.add(ids, number)
        before = self.parts.read(number)
        part = Part(seconds, (*(before.ids if before else ()), *ids))
        if not self.building.dry_run:
            self.parts.write(number, part)

    def _volume(self, number: int, division: Division, first: list[TrackState] | None) -> bool:
        """Fill and build a volume, if it is of this share; return whether there is such a volume."""
        place = volume_place(self.path, volume_name(number))
        with ExitStack() as held:
            with self._dividing():
                if not self.building.dry_run:
                    self._refresh()
                    division.claimed()
                more: list[TrackState] = []
                if number >= self.last:
                    is_new = number > self.last
                    more, seconds = division.fill(0.0 if is_new else self.filled, is_empty=is_new)
                    if is_new and not more:
                        return False
                    if more:
                        self._give(number, seconds, more)
                if not self.share.has(number):
                    return True
                if not self.building.dry_run:
                    held.enter_context(locked(place))
            self._build(number, place, division, first, more)
        return True

    def _build(
        self,
        number: int,
        place: Location,
        division: Division,
        first: list[TrackState] | None,
        more: list[TrackState],
    ) -> None:
        """Build a volume. Its lock is held."""
        work, building = WorkFolder(work_folder(place)), self.building
        if not building.dry_run:
            if isinstance(place, Path):
                place.parent.mkdir(parents=True, exist_ok=True)
            self.kind.recover(place, work.place)
        store = self.kind(place) if self._exists(place) else self._will_be_first if number == 0 else None
        if first is None:
            known = division.known(number)
            first = building.survey(self.manifest.subset(known), store, work) if known or store else []
        tracks = [*first, *more]
        progress = building.progress
        if progress is not None:
            label = f", volume {number}"
            building = replace(building, progress=lambda now: progress(replace(now, view=now.view + label)))
        since = "" if store is None else store.version
        target = BuildTarget(self.kind, place, work, self.attributes, since)
        with in_sight(building.engine, self.manifest, None if building.dry_run else work.place):
            self.done.add(building.build(target, store, tracks, is_volume=True))
        if not building.dry_run:
            with self._locked():
                part = self.parts.read(number)
                if part is not None and {track.id for track in tracks}.issuperset(part.ids):
                    self.parts.write(number, replace(part, is_finished=True))

    def _end(self, division: Division) -> Built:
        """List the volumes if all are finished; return what was done, with the finished views."""
        if self.building.dry_run:
            return self.done
        with self._locked():
            parts = [self.parts.read(number) for number in self.parts.numbers()]
            self.done.unfinished_volumes = sum(part is not None and not part.is_finished for part in parts)
            if not self.done.unfinished_volumes and division.is_done:
                self._refresh()
                self._list()
                self.parts.clear()
        if self._exists(self.path):
            store = VolumeStore(self.path)
            names, self.done.duplicates = store.view_names(), store.duplicates()
            wanted = [view.name for view in self.done.planned]
            self.done.views = [store.view(name) for name in wanted if name in names]
        return self.done

    def _list(self) -> None:
        """Write the root, which lists all volumes, and the views that all of them have. The lock is held."""
        names = [volume_name(number) for number in range(self.last + 1)]
        store = VolumeStore(self.path) if self._exists(self.path) else None
        of_volumes, newest = [], 0
        for name in names:
            volume = self.kind(volume_place(self.path, name))
            of_volumes.append(set(volume.listed_view_names()))
            newest = max(newest, volume.format)
        views = set.intersection(*of_volumes)
        if store is not None:
            views |= set(store.listing.views)
        listing = Listing(tuple(names), tuple(sorted(views)), self.hours or VOLUME_HOURS)
        attributes = {**self.attributes, FORMAT: newest}
        write_root(self.path, attributes, listing, "" if store is None else store.version)
