"""Check and mend a store with volumes: its root, the copy of that, and each volume."""

from __future__ import annotations

from audiospec.errors import AudiospecError, StorageError, StoreError
from audiospec.storage.base import Folder
from audiospec.storage.location import Location
from audiospec.storage.opening import open_folder
from audiospec.stores.base import store_class
from audiospec.stores.layout.lock import locked
from audiospec.stores.layout.volume_names import VOLUMES, volume_place
from audiospec.stores.seals.damage import Check, Damage
from audiospec.stores.seals.folder import read_file
from audiospec.stores.volumes.root import COPY, Listing
from audiospec.stores.zarr_format.root import ROOT, Root, read_root


def has_volumes(place: Location) -> bool:
    """Whether a store has volumes, by its root, or by the copy of that if the root is damaged."""
    store = open_folder(place)
    try:
        attributes = read_root(store).attributes
    except StorageError:
        raise
    except AudiospecError:
        attributes = {}
    return VOLUMES in attributes if attributes else store.exists(COPY)


def check(place: Location) -> Check:
    """Compare everything but the rows with the seals: the root, its copy, and the volumes that it lists."""
    store = open_folder(place)
    damage, unsealed = [], []
    root, reason = _read(store, ROOT)
    copy, copy_reason = _read(store, COPY)
    if root is None:
        damage.append(Damage("store", reason, copy is not None))
    if copy is None:
        damage.append(Damage(VOLUMES, f"the copy of the root: {copy_reason}", root is not None))
    elif root is not None and read_file(store, ROOT) != read_file(store, COPY):
        damage.append(Damage(VOLUMES, "the copy of the root is of another version", True))
    known = root or copy
    for name in [] if known is None else Listing.from_attributes(known.attributes, place).volumes:
        part, volume = f"{VOLUMES}/{name}", volume_place(place, name)
        if not open_folder(volume).exists(ROOT) and not _is_restorable(volume):
            damage.append(Damage(part, "the volume is missing"))
            continue
        checked = store_class(volume).check(volume)
        damage += [
            Damage(part if each.part == "store" else f"{part}/{each.part}", each.reason, each.can_be_restored)
            for each in checked.damage
        ]
        unsealed += [f"{part}/{each}" for each in checked.unsealed]
    return Check(tuple(damage), tuple(unsealed))


def restore(place: Location) -> list[str]:
    """Mend the root by its copy, or the copy by the root; then each volume. The caller holds the lock."""
    store = open_folder(place)
    done = []
    root, copy = _read(store, ROOT)[0], _read(store, COPY)[0]
    if root is None and copy is not None:
        store.write(ROOT, store.read(COPY))
        done.append("zarr.json: restored from its copy")
    elif root is not None and read_file(store, ROOT) != read_file(store, COPY):
        store.write(COPY, store.read(ROOT))
        done.append(f"{COPY}: the copy of the root made again")
    known = root or copy
    for name in [] if known is None else Listing.from_attributes(known.attributes, place).volumes:
        volume = volume_place(place, name)
        if open_folder(volume).exists(ROOT) or _is_restorable(volume):
            with locked(volume) as work:
                restored = store_class(volume).restore(volume, work)
            done += [f"{VOLUMES}/{name}/{each}" for each in restored]
    return done


def _is_restorable(volume: Location) -> bool:
    """Whether there is a volume whose root is lost."""
    return open_folder(volume).exists("tracks/zarr.json")


def _read(store: Folder, key: str) -> tuple[Root | None, str]:
    """Read a root with volumes, or its copy; return it, or None and what is wrong with it."""
    try:
        root = read_root(store, key)
        if VOLUMES not in root.attributes:
            raise StoreError("it is missing, or lists no volumes")
    except StorageError:
        raise
    except AudiospecError as error:
        return None, error.reason.partition("is damaged: ")[2] or error.reason
    return root, ""
