"""Check: the base class of what a doctor looks for; the registry of checks.

A check is a class under ``@checks.register``, in a file of `audiospec.doctor.checks` or in another package
(entry point ``audiospec.checks``).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.errors import AudiospecError
from audiospec.fields import Fields
from audiospec.registry import Registry

checks: Registry[type[Check]] = Registry("check", "audiospec.doctor.checks", "audiospec.checks")


@dataclass(frozen=True)
class Check(Fields):
    """One kind of fault. A subclass is a frozen dataclass; its fields are settings with defaults."""

    error: ClassVar[type[AudiospecError]] = AudiospecError

    @abstractmethod
    def run(self, examined: Examined) -> list[Finding]:
        """Look at a store, and never change it.

        Parameters
        ----------
        examined : Examined

        Returns
        -------
        list of Finding
            Empty if all is well. Each is of one kind, however many tracks it has.

        Raises
        ------
        NotCheckedError
            The store lacks what the check looks at.
        """
