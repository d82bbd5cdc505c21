"""The plan of a study: its cells, which of their runs are done, and how long the others will take."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from audiospec.errors import AudiospecError
from audiospec.zoo.runs.info import RUN
from audiospec.zoo.study.request import StudyRequest, Work
from audiospec.zoo.study.times import Times

SAME = "finished runs of the same model on the same rows"
OTHER = "finished runs of the same model on other rows, by seconds of audio"
TABLE = "a part of the table, by rows"
NOISE = "a step of training on noise, by seconds of audio, for the largest number of epochs"


@dataclass(frozen=True, kw_only=True)
class PlannedCell:
    """A cell before it is run.

    Attributes
    ----------
    section, model, features, chunk, split
        As in `Cell`.
    runs, done : int
        Number of runs, and how many of them are finished.
    seconds_left : float or None
        Estimated seconds of the unfinished runs; None if there is no estimate.
    basis : str
        What the estimate is from; ``""`` if nothing is left.
    missing : str
        Why the cell cannot be run; ``""`` if it can.
    """

    section: str
    model: str
    features: str
    chunk: float
    split: str
    runs: int
    done: int
    seconds_left: float | None = 0.0
    basis: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Plan:
    """What a study will do.

    Attributes
    ----------
    cells : list of PlannedCell
    tracks : int
        Tracks whose spectrograms are not computed yet; they are not in the estimate.
    """

    cells: list[PlannedCell]
    tracks: int = 0

    @property
    def runs(self) -> int:
        """Number of runs."""
        return sum(cell.runs for cell in self.cells)

    @property
    def done(self) -> int:
        """Number of finished runs."""
        return sum(cell.done for cell in self.cells)

    @property
    def seconds_left(self) -> float:
        """Estimated seconds of all unfinished runs; those without an estimate are left out."""
        return sum(cell.seconds_left or 0.0 for cell in self.cells)

    @property
    def bases(self) -> list[str]:
        """What the estimates are from."""
        return list(dict.fromkeys(cell.basis for cell in self.cells if cell.basis))

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON values."""
        return {
            **dataclasses.asdict(self),
            **{name: getattr(self, name) for name in ("runs", "done", "seconds_left", "bases")},
        }


#: Called with the plan before the first run, and again after each run.
Watch = Callable[[Plan], None]


class Planner:
    """Plans works, and plans them again as runs finish.

    Parameters
    ----------
    request : StudyRequest
    times : Times
    """

    def __init__(self, request: StudyRequest, times: Times) -> None:
        self.request = request
        self.times = times
        #: Model and view → seconds of one run; network → seconds of an epoch for each second of audio.
        self._measured: dict[tuple[str, str], float] = {}
        self._tables: Any = None

    def plan(self, works: Sequence[Work], tracks: int = 0) -> Plan:
        """Return the plan of all works.

        A model that has no finished run is measured, once, which takes some seconds.

        Parameters
        ----------
        works : sequence of Work
        tracks : int
            See `Plan`.
        """
        finished = [
            (work, seconds)
            for work in works
            for folder in work.folders()
            if (self.request.out / folder / RUN).exists() and (seconds := self.times.of(folder))
        ]
        return Plan([self._cell(work, finished) for work in works], tracks)

    def _cell(self, work: Work, finished: Sequence[tuple[Work, float]]) -> PlannedCell:
        cell, folders, left = work.cell, work.folders(), work.unfinished(self.request.out)
        planned = PlannedCell(
            section=cell.section,
            model=cell.model,
            features=cell.features,
            chunk=cell.chunk,
            split=cell.split,
            runs=len(folders),
            done=len(folders) - len(left),
            missing=cell.missing,
        )
        if not left:
            return planned
        try:
            seconds, basis = self._seconds(work, finished)
        except AudiospecError:  # the run itself will say why
            return dataclasses.replace(planned, seconds_left=None)
        rest = sum(max(0.0, seconds - self.times.of(folder)) for folder in left)
        return dataclasses.replace(planned, seconds_left=rest, basis=basis)

    def _seconds(self, work: Work, finished: Sequence[tuple[Work, float]]) -> tuple[float, str]:
        """Return the seconds of one run of a work, and what they are from."""
        alike = [(other, seconds) for other, seconds in finished if _alike(other, work)]
        same = [seconds for other, seconds in alike if _view(other) == _view(work)]
        if same:
            return sum(same) / len(same), SAME
        if alike:
            pace = sum(seconds for _, seconds in alike) / sum(_audio(other) for other, _ in alike)
            return pace * _audio(work), OTHER
        return self._measure(work)

    def _measure(self, work: Work) -> tuple[float, str]:
        from audiospec.zoo.study import pace

        source = work.source
        assert source is not None
        if not work.epochs:
            key = (work.cell.model, source.info.name)
            if key not in self._measured:
                assert source.view is not None
                self._tables = self._tables or pace.TablePace()
                self._measured[key] = self._tables.seconds(work, source.view)
            return self._measured[key], TABLE
        key = (work.model, "")
        if key not in self._measured:
            chunk = min(self.request.chunks)
            self._measured[key] = pace.network_pace(
                work.model, work.settings, work.classes, self.request.spec, chunk
            )
        return self._measured[key] * _audio(work) * work.epochs, NOISE


def _alike(other: Work, work: Work) -> bool:
    return (other.model, other.settings) == (work.model, work.settings)


def _view(work: Work) -> str:
    return work.source.info.name if work.source is not None else ""


def _audio(work: Work) -> float:
    """Return the seconds of audio in the rows of a work's classes."""
    assert work.source is not None
    labels = work.source.labels.values()
    used = sum(label in work.classes for label in labels) / max(1, len(labels))
    return work.source.rows * used * work.cell.chunk
