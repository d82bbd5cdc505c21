from typing import Any

from numpy.typing import NDArray

def instruction_sets() -> tuple[str, ...]: ...
def mix_to_mono(samples: NDArray[Any], channels: int, out: NDArray[Any], /) -> None: ...
def frame_levels(
    frames: NDArray[Any],
    samples: int,
    channels: int,
    out: NDArray[Any],
    clipping: NDArray[Any],
    instruction_set: str,
    /,
) -> None: ...
def moments(values: NDArray[Any], out: NDArray[Any], instruction_set: str, /) -> None: ...
def running_median(
    values: NDArray[Any],
    width: int,
    steps: NDArray[Any],
    size: int,
    tile: int,
    places: int,
    out: NDArray[Any],
    room: NDArray[Any],
    instruction_set: str,
    /,
) -> None: ...

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

class Tabular:
    def __new__(
        cls,
        window: NDArray[Any],
        starts: NDArray[Any],
        counts: NDArray[Any],
        weights: NDArray[Any],
        steps: NDArray[Any],
        bands: NDArray[Any],
        lag_window: NDArray[Any],
        size: int,
        tile: int,
        places: int,
        hop_length: int,
        padding: int,
        parts: int,
        roll_percent: float,
        amin: float,
        low: int,
        high: int,
        peak_threshold: float,
        spacing: float,
        instruction_set: str,
    ) -> Tabular: ...
    def frames(self, samples: int, /) -> int: ...
    def most_peaks(self, samples: int, /) -> int: ...
    def scratch_bytes(self, samples: int, /) -> int: ...
    def tempo_scratch_bytes(self) -> int: ...
    def analyse(
        self,
        wave: NDArray[Any],
        values: NDArray[Any],
        mel: NDArray[Any],
        heights: NDArray[Any],
        pitches: NDArray[Any],
        scratch: NDArray[Any],
        /,
    ) -> int: ...
    def filter(
        self, samples: int, filters: NDArray[Any], out: NDArray[Any], scratch: NDArray[Any], /
    ) -> None: ...
    def harmonic(self, out: NDArray[Any], scratch: NDArray[Any], /) -> None: ...
    def onsets(self, mel: NDArray[Any], out: NDArray[Any], scratch: NDArray[Any], /) -> None: ...
    def correlate(
        self, values: NDArray[Any], windows: int, out: NDArray[Any], scratch: NDArray[Any], /
    ) -> None: ...
