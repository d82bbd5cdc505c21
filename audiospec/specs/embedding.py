"""EmbeddingSpec: the output of an ONNX model of yours, pooled over the windows of a chunk."""

from __future__ import annotations

import dataclasses
import os
import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from audiospec.errors import SpecError
from audiospec.fields import shown
from audiospec.onnx_files.header import read_header
from audiospec.onnx_files.kept import find, keep
from audiospec.onnx_files.layout import MOST_COLUMNS, MOST_SAMPLES, layout_of
from audiospec.onnx_files.metadata import stated_rate
from audiospec.specs.base import FeatureSpec, Kind, require, require_samples
from audiospec.specs.mel import MelSpec
from audiospec.specs.presets.base import spec

#: How the frames of a chunk become one row.
POOLINGS = ("mean", "std", "max")
#: Most windows that a sample is in.
MOST_OVERLAP = 64
#: Largest `peak`: full scale of 16 bits.
MOST_PEAK = 1 << 15
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class EmbeddingSpec(FeatureSpec, feature="embedding"):
    """The output of an ONNX model on waves, pooled over the windows of a chunk.

    The model is given once, as a file. The spec then holds the file's SHA-256 and the length of the output,
    and no path: a copy of the file is kept in ``models`` of the data folder, where it is found when a store
    or a run is opened again; ``AUDIOSPEC_MODELS`` names a folder that is searched first.

    The last window of a chunk ends where the chunk ends. A chunk at the end of a track is not padded, unless
    it is shorter than a window: then zeros follow it.

    Parameters
    ----------
    sample_rate : int
        Rate in Hz of the waves that the model takes. 0: as the model's metadata state it.
    model : str
        The ONNX file; read when the spec is made, and not a part of it.
    sha256 : str
        SHA-256 of the file. If `model` is given, too, the file must have it.
    output : str
        Name of the output that is the embedding; ``""`` if the model has one output only.
    size : int
        Length of the embedding. 0: as the model states it.
    window : float or None
        Seconds of audio that the model is fed with at once. None: the length of the model's input if that is
        fixed, else the whole chunk.
    hop : float or None
        Seconds from the start of one window to the next, from 1/64 of the window. None: the window.
    peak : float or None
        If given, the mean of each window is removed, and the window is scaled so that its largest magnitude
        is this, unless it is silent. Perch's own library does so, with 0.25.
    frontend : MelSpec or None
        The log-mel spectrogram of a window that the model takes in place of waves; also the name of a preset,
        such as ``"ast"``. None: the model takes waves.
    pooling : tuple of str
        How the frames of all windows become one row: some of ``"mean"``, ``"std"`` (divided by the number of
        frames) and ``"max"``. Text is split at commas. Columns are in this order.

    Raises
    ------
    SpecError
        See `FeatureSpec`. Also without a model, and if a value contradicts what the model states.
    ModelError
        The file is not an ONNX model, or is refused; see `audiospec.onnx_files`.
    """

    kind: ClassVar[Kind] = "table"
    pads: ClassVar[bool] = False
    arguments: ClassVar[frozenset[str]] = frozenset({"model"})
    exact: ClassVar[str] = "the model as it is in its file"
    later: ClassVar[frozenset[str]] = frozenset({"channel", "frontend"})
    packages: ClassVar[tuple[str, ...]] = ("onnxruntime",)

    sample_rate: int = 0
    dtype: Literal["float16", "float32", "uint8"] = "float32"
    model: str = dataclasses.field(default="", compare=False, repr=False)
    sha256: str = ""
    output: str = ""
    size: int = 0
    window: float | None = None
    hop: float | None = None
    peak: float | None = None
    frontend: MelSpec | None = None
    pooling: tuple[str, ...] = ("mean",)

    def __post_init__(self) -> None:
        model: object = self.model
        if isinstance(model, os.PathLike):
            object.__setattr__(self, "model", os.fspath(model))
        self._read_frontend()
        if not self.model and not self.sha256:
            raise SpecError(f"feature {self.feature!r} needs an ONNX model", 'give `model="FILE.onnx"`')
        if self.model and str(self.sample_rate) == "0":
            self._take_rate()
        super().__post_init__()

    def _read_frontend(self) -> None:
        """Make a spec of a preset's name, or of what `to_dict` returned; leave out what is not computed."""
        frontend: object = self.frontend
        if isinstance(frontend, str) and frontend not in ("", "none"):
            frontend = spec(frontend)
        elif isinstance(frontend, Mapping):
            frontend = FeatureSpec.from_dict(frontend)
        if isinstance(frontend, FeatureSpec):
            if not isinstance(frontend, MelSpec):
                raise SpecError(
                    f"parameter frontend must be of feature 'mel'; got one of {frontend.feature!r}",
                    "name the preset of a log-mel spectrogram",
                )
            frontend = dataclasses.replace(frontend, dtype="float32", channel="mix")
        object.__setattr__(self, "frontend", frontend or None)

    def _take_rate(self) -> None:
        """Take the rate of the spectrogram, or that which the model states."""
        if isinstance(self.frontend, MelSpec):
            object.__setattr__(self, "sample_rate", self.frontend.sample_rate)
            return
        file = Path(self.model).expanduser()
        rate = stated_rate(read_header(file).metadata)
        if rate is None:
            raise SpecError(
                f"{file.name} does not state the rate of the waves that it takes", "give `sample_rate=16000`"
            )
        object.__setattr__(self, "sample_rate", rate)

    def validate(self) -> None:
        """Raise `SpecError` if the values are inconsistent."""
        if self.model:
            self._read_model()
        require(_SHA256.fullmatch(self.sha256) is not None, "sha256", "64 hexadecimal digits", self.sha256)
        require(bool(self.output), "output", "the name of an output", self.output)
        require(1 <= self.size <= MOST_COLUMNS, "size", f"from 1 to {MOST_COLUMNS} columns", self.size)
        self._validate_windows()
        rate = self.sample_rate if self.frontend is None else self.frontend.sample_rate
        require(self.sample_rate == rate, "sample_rate", f"that of frontend, {rate} Hz", self.sample_rate)
        allowed = self.peak is None or 0 < self.peak <= MOST_PEAK
        require(allowed, "peak", f"above 0 and up to {MOST_PEAK}, or none", self.peak)
        known = all(name in POOLINGS for name in self.pooling)
        require(
            known and 1 <= len(set(self.pooling)) == len(self.pooling),
            "pooling",
            f"some of {', '.join(POOLINGS)}, each once",
            self.pooling,
        )

    def _validate_windows(self) -> None:
        """Check window and hop; a hop that is the window is the default."""
        if self.window is None:
            require(self.hop is None, "hop", "none without `window`", self.hop)
            return
        most = MOST_SAMPLES / self.sample_rate
        require(2 / self.sample_rate <= self.window <= most, "window", f"up to {most:g} s", self.window)
        if self.hop is None:
            object.__setattr__(self, "hop", self.window)
        assert self.hop is not None
        least = max(self.window / MOST_OVERLAP, 1 / self.sample_rate)
        require(least <= self.hop <= self.window, "hop", f"from {least:g} to {self.window:g} s", self.hop)
        _ = self.window_length  # raises if a window is too short for the spectrogram

    def _read_model(self) -> None:
        """Fill in what the model's file states, keep a copy of it, and forget its path."""
        file = Path(self.model).expanduser()
        header = read_header(file)
        if self.sha256 and self.sha256 != header.sha256:
            raise SpecError(
                f"expected a model with SHA-256 {shown(self.sha256)}; {file} has {header.sha256}",
                "give the file that the spec is of, or leave out `sha256`",
            )
        rate = stated_rate(header.metadata)
        if rate not in (None, self.sample_rate):
            raise SpecError(
                f"{file.name} states that it takes waves at {rate} Hz; got sample_rate={self.sample_rate}",
                f"give `sample_rate={rate}`",
            )
        bins = None if self.frontend is None else self.frontend.n_mels
        layout = layout_of(header, self.output, file.name, bins)
        if self.size == 0 and layout.columns is None:
            raise SpecError(
                f"{file.name} does not state the length of output {layout.output!r}",
                "give its number of columns, such as `size=1024`",
            )
        if self.size and layout.columns not in (None, self.size):
            raise SpecError(
                f"output {layout.output!r} of {file.name} has {layout.columns} columns; got size={self.size}",
                "leave out `size`",
            )
        if layout.length is not None:
            self._take_window(layout.length, file)
        object.__setattr__(self, "sha256", header.sha256)
        object.__setattr__(self, "output", layout.output)
        object.__setattr__(self, "size", layout.columns or self.size)
        keep(file, header.sha256)
        object.__setattr__(self, "model", "")

    def _take_window(self, length: int, file: Path) -> None:
        """Set the window to the only length that the model takes, in samples or frames; check one given."""
        samples = length if self.frontend is None else _fewest_samples(self.frontend, length)
        if self.window is None:
            object.__setattr__(self, "window", samples / self.sample_rate)
        if self.window_length != length:
            what = "samples" if self.frontend is None else "frames"
            raise SpecError(
                f"{file.name} takes windows of {length} {what} ({samples / self.sample_rate:g} s at "
                f"{self.sample_rate} Hz); got window={self.window:g}",
                "leave out `window`",
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as plain JSON values; the path of the model is not a part of it."""
        values = super().to_dict()
        return values if self.frontend is None else {**values, "frontend": self.frontend.to_dict()}

    @property
    def least_samples(self) -> int:
        """Fewest samples of a chunk: 1, unless the spectrogram of the whole chunk needs more."""
        return 1 if self.frontend is None or self.window is not None else _fewest_samples(self.frontend, 1)

    @property
    def trial(self) -> tuple[str, Path]:
        """The model is run once on noise: it may ask for all time and memory."""
        return "audiospec.features.native.embedding:measured", find(self.sha256)

    @property
    def window_length(self) -> int | None:
        """Length of a window as the model takes it, in samples or frames; None if it is the whole chunk."""
        if self.frontend is None or self.window_samples is None:
            return self.window_samples
        return self.frontend.row_shape(self.window_samples)[-1]

    @property
    def window_samples(self) -> int | None:
        """Length of a window in samples; None if it is the whole chunk."""
        return None if self.window is None else round(self.window * self.sample_rate)

    def window_starts(self, samples: int) -> list[int]:
        """Return the first sample of each window of a chunk; the last window ends where the chunk ends.

        Parameters
        ----------
        samples : int
            Length of the chunk. If that is less than a window, zeros have to follow.
        """
        if self.window_samples is None or samples <= self.window_samples:
            return [0]
        assert self.hop is not None
        last = samples - self.window_samples
        step = max(1, round(self.hop * self.sample_rate))
        return [*range(0, last, step), last]

    @property
    def dims(self) -> tuple[str, ...]:
        """``("feature",)``."""
        return ("feature",)

    @property
    def unit(self) -> str:
        """``""``: an embedding has no unit."""
        return ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, such as ``"embedding1_mean"``."""
        return tuple(f"embedding{i}_{pooling}" for pooling in self.pooling for i in range(1, self.size + 1))

    def row_shape(self, samples: int) -> tuple[int, ...]:
        """Return ``(number of columns,)`` for a chunk of at least `least_samples`."""
        require_samples(samples, self.least_samples)
        return (len(self.pooling) * self.size,)

    def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
        """Return the names of the columns."""
        return {"feature": (list(self.columns), "")}


def _fewest_samples(mel: MelSpec, frames: int) -> int:
    """Return the fewest samples from which a spectrogram has that many frames."""

    def count(samples: int) -> int:
        try:
            return mel.row_shape(samples)[-1]
        except SpecError:  # too few for a frame
            return 0

    return bisect_left(range(mel.n_fft + (frames + 2) * mel.hop_length), frames, lo=1, key=count)
