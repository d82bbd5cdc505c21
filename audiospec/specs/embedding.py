"""EmbeddingSpec: the output of an ONNX model of yours, pooled over the windows of a chunk."""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from audiospec.errors import SpecError
from audiospec.fields import shown
from audiospec.onnx_files.header import read_header
from audiospec.onnx_files.kept import keep
from audiospec.onnx_files.layout import MOST_COLUMNS, MOST_SAMPLES, layout_of
from audiospec.onnx_files.metadata import stated_rate
from audiospec.specs.base import FeatureSpec, Kind, require, require_samples

#: How the frames of a chunk become one row.
POOLINGS = ("mean", "std", "max")
#: Most windows that a sample is in.
MOST_OVERLAP = 64
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
    packages: ClassVar[tuple[str, ...]] = ("onnxruntime",)

    sample_rate: int = 0
    dtype: Literal["float16", "float32", "uint8"] = "float32"
    model: str = dataclasses.field(default="", compare=False, repr=False)
    sha256: str = ""
    output: str = ""
    size: int = 0
    window: float | None = None
    hop: float | None = None
    pooling: tuple[str, ...] = ("mean",)

    def __post_init__(self) -> None:
        model: object = self.model
        if isinstance(model, os.PathLike):
            object.__setattr__(self, "model", os.fspath(model))
        if not self.model and not self.sha256:
            raise SpecError(f"feature {self.feature!r} needs an ONNX model", 'give `model="FILE.onnx"`')
        if self.model and str(self.sample_rate) == "0":
            self._take_rate()
        super().__post_init__()

    def _take_rate(self) -> None:
        """Take the rate that the model states."""
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
        layout = layout_of(header, self.output, file.name)
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
        if layout.samples is not None:
            fixed = layout.samples / self.sample_rate
            if self.window is not None and round(self.window * self.sample_rate) != layout.samples:
                raise SpecError(
                    f"{file.name} takes windows of {layout.samples} samples ({fixed:g} s at "
                    f"{self.sample_rate} Hz); got window={self.window:g}",
                    "leave out `window`",
                )
            object.__setattr__(self, "window", fixed)
        object.__setattr__(self, "sha256", header.sha256)
        object.__setattr__(self, "output", layout.output)
        object.__setattr__(self, "size", layout.columns or self.size)
        keep(file, header.sha256)
        object.__setattr__(self, "model", "")

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
        """Return ``(number of columns,)`` for a chunk of at least one sample."""
        require_samples(samples, 1)
        return (len(self.pooling) * self.size,)

    def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
        """Return the names of the columns."""
        return {"feature": (list(self.columns), "")}
