"""Verify a store: all of it against its seal, every row against its checksum; mend all but the rows."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from audiospec.errors import AudiospecError, StorageError, StoreError
from audiospec.pipeline.isolated import run_isolated
from audiospec.storage.location import Location, local, location
from audiospec.stores.base import FeatureStore, missing_store, store_class
from audiospec.stores.layout.lock import locked
from audiospec.stores.layout.schema import ReplacedError
from audiospec.stores.layout.volume_names import VOLUMES
from audiospec.stores.seals.damage import Check, Damage, LostSealError

#: Called with a view's name, the rows checked, and its rows.
Step = Callable[[str, int, int], None]
LOST_SEAL = "its seal is gone, because another program wrote the file again: mending seals it as it is now"
_ANSWER = "audiospec.pipeline.verify:answer"


@dataclass(frozen=True)
class VerifiedView:
    """What `verify` found in a view.

    Attributes
    ----------
    name : str
    rows : int
        Number of rows, all of which were checked.
    damaged : list of int
        Numbers of those that are unreadable or differ from their checksum.
    tracks : list of str
        Ids of the tracks that have damaged rows; empty if the track table is damaged.
    stale : list of str
        Ids of tracks whose audio has changed since, which is not damage.
    """

    name: str
    rows: int
    damaged: list[int]
    tracks: list[str]
    stale: list[str]


@dataclass(frozen=True)
class Verified:
    """What `verify` found.

    Attributes
    ----------
    damage : list of Damage
        Everything but the rows.
    unsealed : list of str
        Parts without a seal, of which only a part could be checked.
    views : list of VerifiedView
        Without those that could not be opened, which are in `damage`.
    """

    damage: list[Damage]
    unsealed: list[str]
    views: list[VerifiedView] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damage and not any(view.damaged for view in self.views)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Verified:
        """Read what `dataclasses.asdict` returned."""
        damage = [Damage(**each) for each in value["damage"]]
        return cls(damage, value["unsealed"], [VerifiedView(**each) for each in value["views"]])


def verify(path: Location | str, step: Step | None = None, views: Collection[str] | None = None) -> Verified:
    """Check everything in a store.

    A file of a library that trusts what it reads (HDF5) and has no seal is read in another process, with
    limits of time and memory.

    Parameters
    ----------
    path : path
        The store, which may be too damaged to be opened.
    step : callable or None
        Called as rows are checked.
    views : collection of str or None
        Names of the views whose rows to check; None: all.

    Returns
    -------
    Verified

    Raises
    ------
    StoreError
        There is no store, or one of a newer version.
    ReplacedError
        A view was replaced meanwhile.
    """
    path = location(path)
    kind = store_class(path)
    if not kind.exists(path):
        raise missing_store(path)
    check = kind.check(path)
    if not check.isolate:
        return examine(kind, path, check, step, views)
    names = None if views is None else list(views)
    file = local(path, "a library that trusts what it reads")
    found, death = run_isolated(file, _ANSWER, {"action": "verify", "path": str(path), "views": names}, step)
    if found is None:
        return Verified([*check.damage, Damage("store", death)], list(check.unsealed))
    return Verified.from_dict(found)


def examine(
    kind: type[FeatureStore], path: Location, check: Check, step: Step | None, views: Collection[str] | None
) -> Verified:
    """Return what `verify` does, read in this process.

    Parameters
    ----------
    kind : type of FeatureStore
    path : Location
    check : Check
        What `kind.check` returned.
    step, views
        As for `verify`.
    """
    verified = Verified(list(check.damage), list(check.unsealed))
    try:
        store = kind.open(path)
        names = store.listed_view_names()
    except LostSealError as error:
        return replace(verified, damage=[*verified.damage, Damage("store", error.reason, True)])
    except StorageError:
        raise
    except AudiospecError:
        if check.damage:
            return verified
        raise

    if store.has_lost_seal:
        verified.damage.append(Damage("store", LOST_SEAL, True))

    def add(part: str, error: AudiospecError) -> None:
        # What is wrong in a volume was found by the check of that volume.
        known = any(
            damage.part in (part, "store") or damage.part.startswith(VOLUMES) for damage in check.damage
        )
        if not known:
            verified.damage.append(Damage(part, str(error)))

    try:
        _ = store.tracks
    except StorageError:
        raise
    except AudiospecError as error:
        add("tracks", error)
    for name in names if views is None else views:
        try:
            verified.views.append(_examine_view(store, name, step))
        except (ReplacedError, StorageError):
            raise
        except AudiospecError as error:
            add(f"views/{name}", error)
    return verified


def _examine_view(store: FeatureStore, name: str, step: Step | None) -> VerifiedView:
    view = store.view(name)
    damaged = view.damaged(None if step is None else lambda done: step(name, done, len(view))).tolist()
    try:
        tracks, stale = list(dict.fromkeys(view.ids[damaged].tolist())), view.stale()
    except AudiospecError:  # of the track table, which is reported
        tracks, stale = [], []
    return VerifiedView(name, len(view), damaged, tracks, stale)


def mend(path: Location | str, verified: Verified) -> list[str]:
    """Restore damaged metadata and tables from the store's own copies; seal what has no seal.

    Parameters
    ----------
    path : path
    verified : Verified
        What `verify` returned for it.

    Returns
    -------
    list of str
        What was done, one sentence each. Verify the store again afterwards.
    """
    path = location(path)
    kind = store_class(path)
    check = kind.check(path)
    if not check.isolate:
        with locked(path) as work:
            return kind.restore(path, work)
    # A seal says that all is as it was written: not of damage.
    if not all(damage.can_be_restored for damage in verified.damage):
        return []
    if any(view.damaged for view in verified.views):
        return []
    file = local(path, "a library that trusts what it reads")
    found, death = run_isolated(file, _ANSWER, {"action": "mend", "path": str(path)}, None)
    return [death] if found is None else list(found["done"])


def answer(request: dict[str, Any], step: Step) -> dict[str, Any]:
    """Do in the isolated process what `verify` and `mend` asked for."""
    path = location(request["path"])
    kind = store_class(path)
    if request["action"] == "verify":
        try:
            return asdict(examine(kind, path, kind.check(path), step, request["views"]))
        except ReplacedError as error:  # only the errors of `audiospec.errors` get to the other process
            raise StoreError(error.reason, error.hint) from error
    with locked(path) as work:
        return {"done": kind.restore(path, work)}
