"""The seconds that the runs of a study took, kept beside them to estimate what the others will take."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audiospec.files import atomic_write, read_json
from audiospec.zoo.runs.info import MOST_RUN, RUN

#: The file in the result's folder. Without it, the estimates are coarser, and nothing else changes.
TIMES = "times.json"

_MOST_BYTES = 16 << 20


class Times:
    """Seconds of each run of a result's folder, from the call of `train` to its end.

    Parameters
    ----------
    out : Path
        The result's folder; it need not exist.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self._seconds: dict[str, float] = {}
        try:
            stated = read_json(out / TIMES, _MOST_BYTES)
            self._seconds = {str(folder): _duration(value) for folder, value in stated.items()}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return  # it does not exist, or is damaged

    def of(self, folder: str) -> float:
        """Return the seconds that a run has taken so far; 0 if it was not begun, or if nothing is known.

        Parameters
        ----------
        folder : str
            Relative to the result's folder.
        """
        if folder not in self._seconds and (self.out / folder / RUN).exists():
            # Of an earlier version, which kept the seconds of the training alone.
            try:
                self._seconds[folder] = _duration(read_json(self.out / folder / RUN, MOST_RUN)["seconds"])
            except (OSError, ValueError, TypeError, KeyError, RecursionError):
                self._seconds[folder] = 0.0
        return self._seconds.get(folder, 0.0)

    @contextmanager
    def measuring(self, folder: str) -> Iterator[None]:
        """Add the seconds of the block to those of a run, even if the block is interrupted."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._seconds[folder] = self._seconds.get(folder, 0.0) + time.monotonic() - began
            if self.out.is_dir():
                with atomic_write(self.out / TIMES) as temporary:
                    temporary.write_text(json.dumps(self._seconds, indent=1) + "\n", encoding="utf-8")


def _duration(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"not a number of seconds: {value!r}")
    return float(value)
