"""Chunking: how a track is cut into chunks of equal length, before any transform."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

from audiospec.errors import SpecError
from audiospec.fields import shown

#: Longest chunk: a year. Chunks may be longer than any track, for one row a track.
MOST_SECONDS = 366 * 24 * 3600

if TYPE_CHECKING:  # else ``audiospec --help`` would load numpy
    import numpy as np
    from numpy.typing import NDArray


class Chunk(NamedTuple):
    """The place of one chunk in its track, in samples at the spec's rate.

    Attributes
    ----------
    start : int
        Index of its first sample.
    samples : int
        Samples of audio in it; fewer than the chunk's length if the end is padded with zeros.
    """

    start: int
    samples: int


@dataclass(frozen=True, kw_only=True)
class Chunking:
    """How tracks are cut: chunks of `seconds`, one every `hop` seconds, and a rule for the tail.

    Every full chunk is kept. If audio remains after the last full chunk, one more chunk, the tail, starts
    one hop later and is padded with zeros. The tail is kept if at least `min_fill` of it is audio.

    Parameters
    ----------
    seconds : float
        Length of a chunk in seconds; above 0.
    hop : float or None
        Seconds from one chunk's start to the next; above 0, at most `seconds`. None: `seconds`.
    min_fill : float
        Share of the tail that must be audio, 0 to 1. With 0, any tail of at least one sample is kept, so
        every track has a chunk; otherwise a track shorter than a chunk may have none and is then listed
        as skipped.

    Raises
    ------
    SpecError
        A value is not a number or is outside its range.
    """

    seconds: float
    hop: float | None = None
    min_fill: float = 0.5

    def __post_init__(self) -> None:
        hop = self.seconds if self.hop is None else self.hop
        values: dict[str, object] = {"chunk": self.seconds, "hop": hop, "min_fill": self.min_fill}
        for name, value in values.items():
            if isinstance(value, bool) or not isinstance(value, Real):
                raise SpecError(f"parameter {name} must be a number; got {shown(value)}")
            try:
                float(value)
            except OverflowError as error:
                raise SpecError(f"parameter {name} must be a number; got {shown(value)}") from error
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise SpecError(f"parameter chunk must be above 0 seconds; got {self.seconds:g}")
        if self.seconds > MOST_SECONDS:
            raise SpecError(f"parameter chunk must be at most {MOST_SECONDS} seconds; got {self.seconds:g}")
        if not hop > 0:
            raise SpecError(f"parameter hop must be above 0 seconds; got {hop:g}")
        if hop > self.seconds:
            raise SpecError(
                f"parameter hop must be at most the chunk's {self.seconds:g} seconds; got {hop:g}: "
                "audio between the chunks would be lost"
            )
        if not 0 <= self.min_fill <= 1:
            raise SpecError(f"parameter min_fill must be from 0 to 1; got {self.min_fill:g}")
        object.__setattr__(self, "seconds", float(self.seconds))
        object.__setattr__(self, "hop", float(hop))
        object.__setattr__(self, "min_fill", float(self.min_fill))

    def to_dict(self) -> dict[str, Any]:
        """Return the chunking as plain JSON values."""
        return {"seconds": self.seconds, "hop": self.hop, "min_fill": self.min_fill}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Chunking:
        """Return the chunking that `to_dict` described.

        Raises
        ------
        SpecError
            It did not describe this.
        """
        if not isinstance(values, Mapping) or set(values) != {"seconds", "hop", "min_fill"}:
            raise SpecError(f"a chunking has seconds, hop and min_fill; got {shown(values)}")
        return cls(**values)

    def samples(self, sample_rate: int) -> int:
        """Return the length of a chunk in samples at `sample_rate` (Hz).

        Raises
        ------
        SpecError
            It is less than one sample.
        """
        length = round(self.seconds * sample_rate)
        if length < 1:
            raise SpecError(f"a chunk of {self.seconds:g} s is less than one sample at {sample_rate} Hz")
        return length

    def chunks(self, samples: int, sample_rate: int, least: int = 1) -> list[Chunk]:
        """Cut a track.

        Parameters
        ----------
        samples : int
            Length of the track at `sample_rate`.
        sample_rate : int
            Hz.
        least : int
            A tail of fewer samples is dropped, regardless of `min_fill`.

        Returns
        -------
        list of Chunk
            In order of start; empty if the track is too short.
        """
        starts, lengths = self.places(samples, sample_rate, least)
        return [Chunk(*place) for place in zip(starts.tolist(), lengths.tolist(), strict=True)]

    def places(
        self, samples: int, sample_rate: int, least: int = 1
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Do the same as `chunks`, without an object for each chunk: return all starts and all samples."""
        import numpy as np

        length, hop, full, tail = self._cut(samples, sample_rate, least)
        starts = np.arange(full + bool(tail), dtype=np.int64) * hop
        lengths = np.full(len(starts), length, np.int64)
        lengths[full:] = tail
        return starts, lengths

    def _cut(self, samples: int, sample_rate: int, least: int) -> tuple[int, int, int, int]:
        """Return length and hop of a chunk, the number of full chunks, and samples of the tail (0: none)."""
        length = self.samples(sample_rate)
        assert self.hop is not None
        hop = max(1, round(self.hop * sample_rate))
        full = 0 if samples < length else 1 + (samples - length) // hop
        covered = (full - 1) * hop + length if full else 0
        tail = samples - full * hop
        kept = samples > covered and tail >= max(1, least) and tail >= self.min_fill * length
        return length, hop, full, tail if kept else 0

    def reason_to_skip(self, samples: int, sample_rate: int, least: int = 1) -> str:
        """Return why a track has no chunk, in one line; ``""`` if it has one."""
        _, _, full, tail = self._cut(samples, sample_rate, least)
        if full or tail:
            return ""
        needed = max(1, least, math.ceil(self.min_fill * self.samples(sample_rate)))
        return (
            f"too short: {samples} samples ({samples / sample_rate:.3g} s), a chunk of {self.seconds:g} s "
            f"needs {needed} (min_fill={self.min_fill:g})"
        )

    def name(self) -> str:
        """Return the name, such as ``"10s"``, or ``"10s-hop5s"`` if chunks overlap."""
        overlap = "" if self.hop == self.seconds else f"-hop{self.hop:g}s"
        return f"{self.seconds:g}s{overlap}"
