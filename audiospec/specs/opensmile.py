"""OpensmileSpec: statistics over a chunk, by openSMILE."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from audiospec.errors import SpecError
from audiospec.specs.base import FeatureSpec, Kind, require_samples
from audiospec.specs.opensmile_sets import columns_of

#: What everyone who computes it has to know.
LICENCE = (
    "openSMILE is free for non-commercial use and for research only (audEERING Research License Agreement, "
    "in the package opensmile): for products, ask audEERING for a licence"
)


@dataclass(frozen=True, kw_only=True)
class OpensmileSpec(FeatureSpec, feature="opensmile"):
    """Functionals of one of openSMILE's feature sets over a chunk, in columns named as openSMILE names them.

    openSMILE (Eyben, Wöllmer and Schuller, ACM Multimedia 2010) computes descriptors of each frame, such as
    pitch, loudness and formants, and a set's functionals of them, such as means and percentiles. It is an
    extra, ``pip install 'audiospec[opensmile]'``, and free for non-commercial use and for research only. It
    reads samples of 16 bits, to which waves are cut. The chunk at the end of a track is not padded.

    Parameters
    ----------
    set : "eGeMAPSv02", "GeMAPSv01b", "ComParE_2016" or "emobase"
        ``"eGeMAPSv02"``: 88 columns, extended Geneva minimalistic acoustic parameters (Eyben et al., IEEE
        Transactions on Affective Computing 7(2), 2016); ``"GeMAPSv01b"``: 62 of an earlier version;
        ``"ComParE_2016"``: 6373 (Schuller et al., Interspeech 2016); ``"emobase"``: 988.
    release : str
        Version of the package opensmile, which holds openSMILE and the configurations of its sets. Another
        version may give other numbers, so it computes other rows.

    Raises
    ------
    SpecError
        See `FeatureSpec`. Also for another dtype than float32: columns have values of millions.
    """

    kind: ClassVar[Kind] = "table"
    pads: ClassVar[bool] = False
    notice: ClassVar[str] = LICENCE
    exact: ClassVar[str] = "openSMILE"
    packages: ClassVar[tuple[str, ...]] = ("opensmile",)

    sample_rate: int = 16000
    dtype: Literal["float16", "float32", "uint8"] = "float32"
    set: Literal["eGeMAPSv02", "GeMAPSv01b", "ComParE_2016", "emobase"] = "eGeMAPSv02"
    release: str = "2.6.0"

    def validate(self) -> None:
        """Raise `SpecError` if the values are inconsistent."""
        if self.dtype != "float32":
            raise SpecError(
                f'an opensmile spec needs dtype="float32"; got dtype="{self.dtype}", whose range its columns '
                "exceed",
                'give `dtype="float32"`',
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns, in order."""
        return columns_of(self.set)

    @property
    def least_samples(self) -> int:
        """60 ms, openSMILE's longest window; 40 ms for emobase."""
        return math.ceil(self.sample_rate * (0.04 if self.set == "emobase" else 0.06))

    @property
    def dims(self) -> tuple[str, ...]:
        """``("feature",)``."""
        return ("feature",)

    @property
    def unit(self) -> str:
        """``""``: columns have different units."""
        return ""

    def row_shape(self, samples: int) -> tuple[int, ...]:
        """Return ``(number of columns,)`` for a chunk of at least `least_samples`."""
        require_samples(samples, self.least_samples)
        return (len(self.columns),)

    def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
        """Return the names of the columns."""
        return {"feature": (list(self.columns), "")}
