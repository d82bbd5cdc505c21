from typing import Any

from numpy.typing import NDArray

def instruction_sets() -> tuple[str, ...]: ...

class LogMel:
    def __new__(
        cls,
        window: NDArray[Any],
        starts: NDArray[Any],
        counts: NDArray[Any],
        weights: NDArray[Any],
        hop_length: int,
        power: int,
        padding: int,
        decibels: bool,
        amin: float,
        reference: float,
        peak_reference: bool,
        top_db: float,
        offset: float,
        scale: float,
        instruction_set: str,
    ) -> LogMel: ...
    def frames(self, samples: int, /) -> int: ...
    def scratch_bytes(self, samples: int, /) -> int: ...
    def write(
        self, wave: NDArray[Any], out: NDArray[Any], scratch: NDArray[Any], /
    ) -> tuple[float, float]: ...
