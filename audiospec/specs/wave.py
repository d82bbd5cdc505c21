"""WaveSpec: the samples of a chunk as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

from audiospec.errors import SpecError
from audiospec.specs.base import MOST_VALUES, FeatureSpec, Kind, require_samples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class WaveSpec(FeatureSpec, feature="wave"):
    """The samples of a chunk at `sample_rate`, full scale at ±1.

    Networks read them through a frontend of their own, see the parameter `frontend` of a network. Waves can
    be augmented in training.

    Parameters
    ----------
    dtype : "float32" or "float16"
        ``"float32"`` keeps every bit of what a frontend reads: features that are computed from stored waves
        equal those computed from the audio. ``"float16"`` takes half the room; it rounds each sample to 11
        significant bits, which adds noise about 75 dB below the sound that it is in.

    Raises
    ------
    SpecError
        See `FeatureSpec`.
    """

    kind: ClassVar[Kind] = "wave"

    dtype: Literal["float16", "float32", "uint8"] = "float32"

    def validate(self) -> None:
        """Do nothing: any rate, channel and dtype is possible, but for ``"uint8"``, which has no code."""

    @property
    def dims(self) -> tuple[str, ...]:
        """``("sample",)``."""
        return ("sample",)

    @property
    def unit(self) -> str:
        """``""``: samples are relative to full scale."""
        return ""

    def row_shape(self, samples: int) -> tuple[int, ...]:
        """Return ``(samples,)``."""
        require_samples(samples, 1)
        if samples > MOST_VALUES:
            raise SpecError(
                f"a chunk of {samples} samples is too long; expected at most {MOST_VALUES} numbers in a row",
                "shorten the chunk or lower `sample_rate`",
            )
        return (samples,)

    def coordinates(self, samples: int) -> dict[str, tuple[Sequence[float] | Sequence[str], str]]:
        """Return the time of each sample in seconds from the chunk's start."""
        return {"sample": (_Times(self.row_shape(samples)[0], self.sample_rate), "s")}


class _Times(Sequence[float]):
    """The times of samples: a list of them would take 32 bytes for each."""

    def __init__(self, samples: int, rate: int) -> None:
        self.samples, self.rate = samples, rate

    def __len__(self) -> int:
        return self.samples

    @overload
    def __getitem__(self, place: int) -> float: ...

    @overload
    def __getitem__(self, place: slice) -> list[float]: ...

    def __getitem__(self, place: int | slice) -> float | list[float]:
        chosen = range(self.samples)[place]
        return chosen / self.rate if isinstance(chosen, int) else [number / self.rate for number in chosen]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.float64]:
        import numpy as np

        times: NDArray[np.float64] = np.arange(self.samples) / self.rate
        return times if dtype is None else times.astype(dtype)
