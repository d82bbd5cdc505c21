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
    dataset : str
    """

    def __init__(self, work: Location, dataset: str) -> None:
        self.folder = open_folder(work / FOLDER)
        self.dataset = dataset

    def numbers(self) -> list[int]:
        """Return the numbers of the volumes that have a part, sorted."""
        names = [entry.key.removesuffix(".json") for entry in self.folder.list()]
        return sorted(int(name) for name in names if name.isdigit())

    def read(self, number: int) -> Part | None:
        """Return the part of a volume; None if it has none.

        Raises
        ------
        StoreError
            It is damaged, or of another dataset.
        """
        key = _key(number)
        try:
            value = json.loads(self.folder.read(key))
            part = Part(float(value["seconds"]), tuple(map(str, value["ids"])), bool(value["finished"]))
            dataset = str(value["dataset"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{self.folder.location / key} is damaged ({error})", "remove it and run again"
            ) from error
        if dataset != self.dataset:
            raise StoreError(
                f"{self.folder.location} is of an unfinished run of dataset {dataset!r}, "
                f"not {self.dataset!r}",
                "choose another `store`, or finish that run",
            )
        return part

    def write(self, number: int, part: Part) -> None:
        """Write the part of a volume."""
        value = {
            "dataset": self.dataset,
            "seconds": part.seconds,
            "finished": part.is_finished,
            "ids": part.ids,
        }
        self.folder.write(_key(number), json.dumps(value).encode())

    def clear(self) -> None:
        """Remove all parts, once their volumes are finished and listed."""
        self.folder.clear()


def _key(number: int) -> str:
    return f"{number:05d}.json"
