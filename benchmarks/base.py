"""Suites, cases, contenders and what they are held to; the registry of suites."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from audiospec.engines.local import ENVIRONMENT
from audiospec.registry import Registry

Role = Literal["ours", "peer", "floor"]


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way to do the work of a case.

    Attributes
    ----------
    name : str
        Such as ``"librosa"``.
    call : callable
        Number of the round → the result. It is timed.
    has_own_clock : bool
        Whether `call` returns (seconds, result) and its own seconds count: to leave start-up aside.
    result : callable or None
        Called once, untimed, for the result that is compared, where it costs less than a round. None: `call`.
    role : str
        ``"ours"``; ``"peer"``; or ``"floor"``: the unavoidable part alone, whose result is not compared.
    tolerance : float or None
        The most that its result may differ from ours. None: the case's.
    before : callable or None
        Called before each round, untimed.
    note : str
        In what its work is not quite ours, if it is not.
    """

    name: str
    call: Callable[[int], Any]
    role: Role = "peer"
    has_own_clock: bool = False
    result: Callable[[], Any] | None = None
    tolerance: float | None = None
    before: Callable[[], object] | None = None
    note: str = ""


@dataclass(frozen=True)
class Target:
    """Ours is to be at least so many times as fast as a contender; of a floor, a share of its speed."""

    than: str
    at_least: float


@dataclass(frozen=True)
class Limit:
    """Ours is to stay below: ``"seconds"`` of a call, or ``"memory_bytes"``."""

    of: Literal["seconds", "memory_bytes"]
    at_most: float


@dataclass(frozen=True, kw_only=True)
class Case:
    """Equal work, done by several contenders.

    Attributes
    ----------
    name : str
        Such as ``"log-mel, chunks of 10 s"``.
    amount, unit : float, str
        The work of one call, such as 10 ``"s of audio"``, 32 ``"rows"``.
    contenders : sequence of Contender
        Exactly one is ours, and stands first.
    difference : callable or None
        (Our result, theirs) → how far they are apart. None: nothing to compare.
    tolerance : float
        The most that they may be, in `difference_unit`.
    targets : sequence of Target or Limit
    seconds : float
        Time for all rounds; a contender that has had its share of it is left out of the next.
    least : int
        Rounds of every contender at least, however slow it is.
    warm : bool
        Whether each timed call follows one of the same contender's, untimed, as in a run of many: else a
        short call pays for the caches that another contender has filled.
    sync : callable or None
        Waits for the device; called inside the timed part.
    memory : str
        ``"process"``: what a call adds to this process's peak; ``"children"``: the most that the processes
        it starts hold at a time (proportional set size), while it makes the result that is compared;
        ``"device"``: the peak of a CUDA device's memory; ``""``: not measured.
    missing : mapping
        Peer → why it does not take part.
    note : str
        What a reader should know.
    """

    name: str
    amount: float
    unit: str
    contenders: Sequence[Contender]
    difference: Callable[[Any, Any], float] | None = None
    tolerance: float = 0.0
    difference_unit: str = ""
    targets: Sequence[Target | Limit] = ()
    seconds: float = 4.0
    least: int = 5
    warm: bool = False
    sync: Callable[[], object] | None = None
    memory: Literal["process", "children", "device", ""] = "process"
    missing: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Figures of a suite that are no times in turns: sizes, errors, growth.

    Attributes
    ----------
    name : str
    head : sequence of str
    rows : sequence of rows of str or numbers
    targets : sequence of mappings
        As a result has them: ``what``, ``found``, ``met``.
    note : str
    """

    name: str
    head: Sequence[str]
    rows: Sequence[Sequence[str | float | int]]
    targets: Sequence[Mapping[str, Any]] = ()
    note: str = ""


@dataclass(frozen=True)
class NotRun:
    """A case that this machine cannot run, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Setup:
    """What the user asked for.

    Attributes
    ----------
    device : str
        A torch device.
    full : bool
        Whether to take the time for all sizes.
    data : Path or None
        A folder of audio. None: audio is made up.
    folder : Path
        An empty folder for what a suite writes; removed afterwards.
    """

    device: str
    full: bool
    data: Path | None
    folder: Path


class Suite(ABC):
    """Cases of one subject. A subclass is one file of `audiospec.benchmarks.suites`."""

    @abstractmethod
    def cases(self, setup: Setup) -> Iterator[Case | Table | NotRun]:
        """Prepare the cases, one after another; each is measured before the next is prepared."""


suites: Registry[type[Suite]] = Registry("suite", "audiospec.benchmarks.suites", "audiospec.benchmarks")


def held(what: str, found: float, at_most: float, unit: str = "") -> dict[str, Any]:
    """A target of a `Table`: what is held to be at most so much; `unit` is ``"s"``, ``"bytes"`` or none."""
    return {"what": what, "unit": unit, "at_most": at_most, "found": found, "met": found <= at_most}


def as_a_user() -> dict[str, str]:
    """The environment of a command that a user starts: without what workers, and suites, are given."""
    return {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}


def absent(*packages: str) -> dict[str, str]:
    """Those of some packages that cannot be imported, each with the reason and how to get it."""
    found = {}
    for name in packages:
        try:
            import_module(name)
        except (ImportError, OSError, RuntimeError) as error:
            found[name] = "not installed: pip install 'audiospec[peers]'"
            # A package that is there may still fail: its libraries are for another torch, or missing.
            if not isinstance(error, ModuleNotFoundError) or error.name != name:
                why = (str(error).splitlines() or [type(error).__name__])[0]
                found[name] = f"installed, but it does not load ({why}): install it again"
    return found
