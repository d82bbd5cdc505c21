"""Parts: the tracks that were given to volumes, until those are finished."""

from __future__ import annotations

import json
from dataclasses import dataclass

from audiospec.errors import StoreError
from audiospec.storage.location import Location
from audiospec.storage.opening import open_folder

#: Folder of the parts, in the work folder of the whole store.
FOLDER = "division"


@dataclass(frozen=True)
class Part:
    """The tracks that a volume gets in a run.

    Attributes
    ----------
    seconds : float
        Seconds of audio of the volume with them, as surveyed.
    ids : tuple of str
        In the order in which they follow the tracks that the volume has.
    is_finished : bool
        Whether the volume has them.
    """

    seconds: float
    ids: tuple[str, ...]
    is_finished: bool = False


class Parts:
    """The parts of a store: one file for each volume that gets tracks.

    A part is written before anything of its volume is computed, and removed once all volumes are finished. So
    a run that was killed gives each track to the volume that had it, whatever decoding has shown since.

    Parameters
    ----------
    work : Location
        The work folder of the whole store.
    """

    def __init__(self, work: Location) -> None:
        self.folder = open_folder(work / FOLDER)

    def numbers(self) -> list[int]:
        """Return the numbers of the volumes that have a part, sorted."""
        names = [entry.key.removesuffix(".json") for entry in self.folder.list()]
        return sorted(int(name) for name in names if name.isdigit())

    def read(self, number: int) -> Part | None:
        """Return the part of a volume; None if it has none.

        Raises
        ------
        StoreError
            It is damaged.
        """
        key = _key(number)
        try:
            value = json.loads(self.folder.read(key))
            return Part(float(value["seconds"]), tuple(map(str, value["ids"])), bool(value["finished"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{self.folder.location / key} is damaged ({error})", "remove it and run again"
            ) from error

    def write(self, number: int, part: Part) -> None:
        """Write the part of a volume."""
        value = {"seconds": part.seconds, "finished": part.is_finished, "ids": part.ids}
        self.folder.write(_key(number), json.dumps(value).encode())

    def clear(self) -> None:
        """Remove all parts, once their volumes are finished and listed."""
        self.folder.clear()


def _key(number: int) -> str:
    return f"{number:05d}.json"
