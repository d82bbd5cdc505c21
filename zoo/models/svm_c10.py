"""svm-c10: support vector machine with a radial kernel, C = 10."""

from __future__ import annotations

from dataclasses import dataclass

from audiospec.zoo.base import models
from audiospec.zoo.models.svm import Svm


@models.register
class SvmC10(Svm):
    """As `svm`, with errors ten times as dear."""

    @dataclass(frozen=True, kw_only=True)
    class Settings(Svm.Settings):
        """As those of `svm`, with another default."""

        C: float = 10.0
