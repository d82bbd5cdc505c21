"""Where the volumes of a large store are: ``music.zarr/volumes/00000`` and so on.

A volume is an ordinary store, but it has no suffix, and its work folder is in that of the whole store, so
that nothing but volumes is in the store.
"""

from __future__ import annotations

import re
from typing import TypeVar

from audiospec.storage.location import Location

#: The group of the volumes.
VOLUMES = "volumes"
#: Suffix of the stores that may have volumes.
SUFFIX = ".zarr"
#: Hours of audio of a volume, unless the user chooses otherwise.
VOLUME_HOURS = 1000.0

_Place = TypeVar("_Place", bound=Location)


def volume_name(number: int) -> str:
    """Return the name of a volume, such as ``"00003"``."""
    return f"{number:05d}"


def volume_place(store: _Place, name: str) -> _Place:
    """Return where a volume of a store is."""
    return store / VOLUMES / name  # type: ignore[return-value]


def store_of_volume(place: _Place) -> _Place | None:
    """Return the store that a place is a volume of; None if it is none."""
    store = place.parent.parent
    is_one = re.fullmatch(r"\d{5,}", place.name) and place.parent.name == VOLUMES
    return store if is_one and store.suffix.lower() == SUFFIX else None  # type: ignore[return-value]
