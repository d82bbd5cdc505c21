"""Suites, cases, contenders and targets; the registry of suites."""

from __future__ import annotations

import os
import sys
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
        Called with the number of the round; returns the result. This call is timed.
    has_own_clock : bool
        Whether `call` returns (seconds, result) and those seconds are used, for example to exclude start-up.
    result : callable or None
        Called once, untimed, to get the result to compare, if that is cheaper than a round. None: use `call`.
    role : str
        ``"ours"``; ``"peer"``; or ``"floor"``: only the unavoidable part of the work. A floor's result is
        not compared.
    tolerance : float or None
        The largest allowed difference from our result. None: the tolerance of the case.
    before : callable or None
        Called before each round, untimed.
    note : str
        How its work differs from ours, if it does.
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
    """The smallest acceptable ratio of our speed to that of a contender; below 1 for a floor."""

    contender: str
    at_least: float


@dataclass(frozen=True)
class Limit:
    """The largest acceptable ``"seconds"`` or ``"memory_bytes"`` of one of our calls."""

    quantity: Literal["seconds", "memory_bytes"]
    at_most: float


@dataclass(frozen=True, kw_only=True)
class Case:
    """The same work, done by several contenders.

    Attributes
    ----------
    name : str
        Such as ``"log-mel, chunks of 10 s"``.
    amount, unit : float, str
        The work of one call, such as 10 ``"s of audio"`` or 32 ``"rows"``.
    contenders : sequence of Contender
        The first one is ours; no other is.
    difference : callable or None
        Called with our result and theirs; returns how much they differ. None: results are not compared.
    tolerance : float
        The largest allowed difference, in `difference_unit`.
    targets : sequence of Target or Limit
    seconds : float
        Time for all rounds. A contender that has used its share is left out of further rounds.
    min_rounds : int
        Every contender takes part in at least this many rounds, however slow it is.
    warm : bool
        Whether an untimed call of the same contender precedes each timed one, as in a long run. Without it,
        a short call pays for caches that another contender has filled.
    sync : callable or None
        Waits for the device; called inside the timed part.
    memory : str
        ``"process"``: what a call adds to the peak memory of this process; ``"children"``: the peak memory
        of all processes that the call starts (proportional set size), measured while it makes the result
        that is compared; ``"device"``: the peak memory of a CUDA device; ``""``: not measured.
    missing : mapping
        Peers that do not take part, and why.
    note : str
        Anything else that a reader should know.
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
    min_rounds: int = 5
    warm: bool = False
    sync: Callable[[], object] | None = None
    memory: Literal["process", "children", "device", ""] = "process"
    missing: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Results of a suite that are not timed contenders: sizes, errors, growth.

    Attributes
    ----------
    name : str
    head : sequence of str
    rows : sequence of rows of str or numbers
    targets : sequence of mappings
        Results as `target_result` returns them.
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
    """The options that a suite is run with.

    Attributes
    ----------
    device : str
        A torch device.
    full : bool
        Whether to measure all sizes, which takes longer.
    data : Path or None
        A folder of audio. None: use synthetic audio.
    folder : Path
        An empty folder for the suite's files; it is removed afterwards.
    """

    device: str
    full: bool
    data: Path | None
    folder: Path


class Suite(ABC):
    """The cases of one subject. Each subclass is one file in `audiospec.benchmarks.suites`."""

    @abstractmethod
    def cases(self, setup: Setup) -> Iterator[Case | Table | NotRun]:
        """Yield the cases one at a time; each is measured before the next is prepared."""


suites: Registry[type[Suite]] = Registry("suite", "audiospec.benchmarks.suites", "audiospec.benchmarks")


def target_result(what: str, measured: float | None, at_most: float, unit: str = "") -> dict[str, Any]:
    """Return a target of a `Table`: its limit, the measured value, and whether it is met.

    Parameters
    ----------
    what : str
        The quantity.
    measured : float or None
        None: not measured.
    at_most : float
    unit : str
        ``"s"``, ``"bytes"``, or ``""`` for a plain number.
    """
    met = None if measured is None else measured <= at_most
    return {"what": what, "unit": unit, "at_most": at_most, "found": measured, "met": met}


#: Python for commands that are measured. Without -P they would import audiospec from the current folder, if
#: that is a checkout, instead of the installed one.
PYTHON = (sys.executable, "-P")


def user_environment() -> dict[str, str]:
    """Return the environment of a command that a user starts: without the settings of workers and suites."""
    return {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}


def absent(*packages: str) -> dict[str, str]:
    """Return the packages that cannot be imported, each with the reason and what to do."""
    absent_packages = {}
    for name in packages:
        try:
            import_module(name)
        except (ImportError, OSError, RuntimeError) as error:
            absent_packages[name] = "not installed: pip install 'audiospec[peers]'"
            # An installed package may still fail: its libraries are missing, or built for another torch.
            if not isinstance(error, ModuleNotFoundError) or error.name != name:
                cause = (str(error).splitlines() or [type(error).__name__])[0]
                absent_packages[name] = f"installed, but it does not load ({cause}): install it again"
    return absent_packages
