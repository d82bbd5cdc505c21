"""Make an ordinary store the first volume of a store with volumes, without computing or renaming anything.

Its files are linked into the volume (in a bucket, copied by the bucket); then the root is replaced, which is
the commit; then the files are removed from their old place, in a bucket by `audiospec store clean`. A
conversion that was killed is begun anew, or ended.
"""

from __future__ import annotations

from audiospec.pipeline.volumes.parts import FOLDER
from audiospec.storage.base import Folder
from audiospec.storage.location import Location
from audiospec.storage.opening import open_folder
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.lock import work_folder
from audiospec.stores.layout.schema import FORMAT
from audiospec.stores.layout.volume_names import VOLUMES, volume_name, volume_place
from audiospec.stores.volumes.root import Listing, write_root
from audiospec.stores.zarr_format.root import ROOT, read_root

#: Beginnings of the keys of an ordinary store on a disk, besides its root.
_PARTS = ("tracks/", "views/")
#: Ends of the keys of staged shards and their commits.
_STAGED = (".shard", ".json")


def make_first_volume(store: FeatureStore, hours: float) -> None:
    """Make a store the first volume of itself. The caller holds its lock.

    Parameters
    ----------
    store : FeatureStore
        An ordinary store.
    hours : float
        Hours of audio of a volume.
    """
    place = store.path
    folder, volume = open_folder(place), open_folder(volume_place(place, volume_name(0)))
    volume.clear()  # of a conversion that was killed
    groups = read_root(folder).groups
    parts = _PARTS if groups is None else ("views/zarr.json", *(f"{group}/" for group in groups.values()))
    volume.map(lambda key: volume.copy(place / key, key), [*_keys(folder, parts), ROOT])
    listing = Listing((volume_name(0),), tuple(store.listed_view_names()), hours)
    write_root(place, {**store.store_attributes(), FORMAT: store.format}, listing, store.version)
    end_conversion(place)


def end_conversion(place: Location) -> None:
    """Remove the files that were linked into the first volume; its unfinished shards follow them."""
    work = work_folder(place)
    folder, target = open_folder(work), open_folder(work_folder(volume_place(place, volume_name(0))))
    staged = [
        entry.key
        for entry in folder.list()
        if "/" in entry.key
        and entry.key.endswith(_STAGED)
        and not entry.key.startswith((f"{VOLUMES}/", f"{FOLDER}/"))
    ]
    moved = [key for key in staged if not target.exists(key)]
    target.map(lambda key: target.copy(work / key, key), moved)
    folder.remove(staged)
    store = open_folder(place)
    if store.is_local:  # in a bucket, `clean` removes them, once no reader can have them open
        store.remove(_keys(store, _PARTS))


def _keys(folder: Folder, beginnings: tuple[str, ...]) -> list[str]:
    """Return the keys that begin with any of these."""
    return [entry.key for beginning in beginnings for entry in folder.list(beginning)]
