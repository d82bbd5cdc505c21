"""knn-5: five nearest neighbours by Euclidean distance on standardised columns."""

from __future__ import annotations

from dataclasses import dataclass

from audiospec.zoo.base import models
from audiospec.zoo.models.knn_1 import Knn1


@models.register
class Knn5(Knn1):
    """As `knn-1`, with five votes."""

    @dataclass(frozen=True, kw_only=True)
    class Settings(Knn1.Settings):
        """As those of `knn-1`, with another default."""

        k: int = 5
