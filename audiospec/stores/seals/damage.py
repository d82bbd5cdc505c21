"""Damage, and what a check of a store found."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from audiospec.errors import StoreError
from audiospec.storage.location import Location


@dataclass(frozen=True)
class Damage:
    """Something in a store, other than a row, that is not as it was written.

    Attributes
    ----------
    part : str
        ``"store"`` (its own metadata), ``"tracks"`` or ``"views/NAME"``.
    reason : str
        What was found, with the file's name.
    can_be_restored : bool
        Whether `FeatureStore.restore` can mend it.
    """

    part: str
    reason: str
    can_be_restored: bool = False


@dataclass(frozen=True)
class Check:
    """What a check of everything but the rows found.

    Attributes
    ----------
    damage : tuple of Damage
    unsealed : tuple of str
        Parts without a seal: what the format itself has no checksum for could not be checked.
    isolate : bool
        Whether a library that trusts its input would read unchecked bytes, so that the rest must be read in a
        process that may die.
    """

    damage: tuple[Damage, ...] = ()
    unsealed: tuple[str, ...] = ()
    isolate: bool = False


class LostSealError(StoreError):
    """A store that must have a seal has none that can be read."""


def repair_hint(store: Location) -> str:
    """Return the hint for a part of a store that differs from its seal."""
    return f"restore it with `audiospec store verify {shlex.quote(str(store))} --repair`"


def damaged_part(store: Location, part: str, reason: str) -> StoreError:
    """Return the error for a part of a store that is not as it was written."""
    where = str(store) if part == "store" else f"{part} of {store}"
    return StoreError(f"{where} is damaged: {reason}", repair_hint(store))
