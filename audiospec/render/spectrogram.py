"""Draw the spectrogram of a track from a view, with axes in Hz and seconds."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from audiospec.errors import StoreError
from audiospec.specs.base import FeatureSpec
from audiospec.stores.layout.view import View
from audiospec.text import printable

#: Colours cover this many decibels below the loudest bin.
RANGE = 80.0
#: Axis of numbered coefficients, where others have frequencies.
COEFFICIENT = "coefficient"
#: Maximum width of the image; a longer track is sampled.
MAX_COLUMNS = 6000
#: Frequencies in Hz to label on an axis, octaves from the top.
OCTAVES = tuple(125 * 2.0**octave for octave in reversed(range(-2, 10)))
#: Frequencies in Hz to label if fewer than three octaves are in range.
BETWEEN = (*range(1000, 64000, 1000), *range(100, 64000, 100))

_TEXT, _QUIET = "#222222", "#777777"


def draw(view: View, track: str, chunk: int | None = None) -> Figure:
    """Draw a track's spectrogram: its chunks in sequence, with overlaps drawn once.

    Parameters
    ----------
    view : View
        A view whose rows are spectrograms (see `FeatureSpec.kind`): frequency by frame.
    track : str
        Track id, or the stem of its file name.
    chunk : int or None
        Draw only this chunk, counted from 0. None draws all.

    Returns
    -------
    matplotlib.figure.Figure
        It is not registered with pyplot and need not be closed. `save` writes it.

    Raises
    ------
    StoreError
        No such track or chunk, or the rows of the view are not spectrograms.
    """
    spec = view.spec
    if spec.kind != "spectrogram":
        raise StoreError(
            f"view {view.name} cannot be drawn: expected spectrograms, feature {spec.feature!r} has rows of "
            f"({', '.join(spec.dims)})",
            "choose a view of mel with `view`",
        )
    rows = view.rows_of(track)
    if chunk is not None and not 0 <= chunk < len(rows):
        raise StoreError(f"track {track!r} has chunks 0 to {len(rows) - 1} in view {view.name}; got {chunk}")
    image, start, end = _image(view, rows if chunk is None else rows[chunk : chunk + 1])
    figure = Figure(figsize=(11, 4.2), dpi=150, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    low, top = colour_limits(spec, image)
    drawn = axes.imshow(
        image,
        origin="lower",
        aspect="auto",
        interpolation="antialiased",
        extent=(start, end, -0.5, len(image) - 0.5),
        cmap="magma",
        vmin=low,
        vmax=top if top > low else low + 1,
    )
    _label_first_axis(axes, view)
    axes.set_xlabel("time (s)", color=_QUIET)
    below, above = image.min() < low, image.max() > top
    extend = "both" if below and above else "min" if below else "max" if above else "neither"
    bar = figure.colorbar(drawn, ax=axes, pad=0.015, aspect=30, extend=extend)
    bar.set_label(spec.unit or ("value" if spec.dims[0] == COEFFICIENT else "power"), color=_QUIET)
    bar.outline.set_visible(False)
    for any_axes in (axes, bar.ax):
        any_axes.tick_params(colors=_QUIET, labelsize=9, length=3)
    axes.spines[:].set_visible(False)
    number = int(view.rows["track"][rows[0]])
    track, label = (printable(str(view.store.tracks[column][number])) for column in ("id", "label"))
    part = "" if chunk is None else f", chunk {chunk} of 0 to {len(rows) - 1}"
    # Names and labels come from the data, so a `$` in them must not start a formula.
    axes.set_title(
        _shorten(f"{track} · {label}" if label else track),
        loc="left",
        color=_TEXT,
        fontsize=12,
        parse_math=False,
    )
    axes.set_title(f"{view.name}{part}", loc="right", color=_QUIET, fontsize=9, parse_math=False)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a picture; the suffix of `path` chooses the format.

    Raises
    ------
    StoreError
        Matplotlib does not support the suffix.
    OSError
        `path` cannot be written.
    """
    kinds = sorted(figure.canvas.get_supported_filetypes())
    if path.suffix[1:].lower() not in kinds:
        raise StoreError(
            f"cannot determine the format of picture {str(path)!r}; expected a name that ends in "
            f"{', '.join(f'.{kind}' for kind in kinds)}"
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # missing glyphs are drawn as boxes
        figure.savefig(path)


def _image(view: View, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], float, float]:
    """Return the image of some rows, of shape (bins, columns), and its start and end in seconds.

    A column shows the last frame before its centre, from the last chunk that has started by then.
    """
    frames = np.array(view.info.coordinates()[view.spec.dims[1]][0], np.float64)
    hop = (frames[-1] - frames[0]) / (len(frames) - 1) if len(frames) > 1 else view.chunking.seconds
    starts = view.rows["start"][rows]
    start, end = float(starts[0]), float(starts[-1] + view.rows["seconds"][rows[-1]])
    columns = int(np.clip(round((end - start) / hop), 1, MAX_COLUMNS))
    times = start + (np.arange(columns) + 0.5) * (end - start) / columns
    chunks = np.searchsorted(starts, times, side="right") - 1
    image = np.empty((view.info.row_shape[0], columns), np.float32)
    for number in np.unique(chunks):
        in_chunk = chunks == number
        last = np.floor((times[in_chunk] - starts[number] - frames[0]) / hop).astype(int)
        image[:, in_chunk] = view.read(int(rows[number]))[:, last.clip(0, len(frames) - 1)]
    return image, start, end


def colour_limits(spec: FeatureSpec, image: NDArray[np.float32]) -> tuple[float, float]:
    """Return the values of the first and the last colour.

    Parameters
    ----------
    spec : FeatureSpec
        A spec of spectrograms.
    image : ndarray, shape (bins, frames)

    Returns
    -------
    tuple of float
        Decibels span `RANGE` below the loudest; other values all that there are, and 0. The zeroth of
        numbered coefficients, which is the loudness and larger than all others, is left out.
    """
    shown = image[1:] if spec.dims[0] == COEFFICIENT and len(image) > 1 else image
    top = float(shown.max(initial=-np.inf))
    return (top - RANGE if spec.unit == "dB" else float(shown.min(initial=0))), top


def first_axis(view: View) -> tuple[str, dict[str, float]]:
    """Return the label of the axis of bins, and round values to mark on it, where there is space.

    Parameters
    ----------
    view : View
        A view whose rows are spectrograms.

    Returns
    -------
    label : str
    ticks : dict
        Text → position, where the centre of bin b is at b. Frequencies in Hz, or numbers of coefficients.
    """
    values, unit = view.info.coordinates()[view.spec.dims[0]]
    if unit != "Hz":
        step = max(1, math.ceil(len(values) / 8))
        return view.spec.dims[0], {str(number): float(number) for number in range(0, len(values), step)}
    ticks = _frequency_ticks(np.array(values, np.float64))
    return "frequency (Hz)", {f"{hertz:g}": position for hertz, position in ticks.items()}


def _frequency_ticks(centres: NDArray[np.float64]) -> dict[float, float]:
    """Return frequency in Hz → position, of octaves or of round frequencies."""
    if len(centres) == 1:
        return {round(float(centres[0])): 0.0}
    bins = np.arange(-1, len(centres) + 1)
    # One bin more at each end, the extent of the outermost filters.
    reach = np.concatenate([[2 * centres[0] - centres[1]], centres, [2 * centres[-1] - centres[-2]]])
    ticks: dict[float, float] = {}
    for frequencies, most in ((OCTAVES, 20), (BETWEEN, 8)):
        if len(ticks) >= 3:
            break
        for hertz in frequencies:
            position = float(np.interp(hertz, reach, bins))
            fits = all(abs(position - other) > len(centres) / most for other in ticks.values())
            if position >= -0.5 and hertz <= reach[-1] * 1.005 and fits:
                ticks[hertz] = position
    return ticks


def _label_first_axis(axes: Axes, view: View) -> None:
    """Label frequencies, or numbers of coefficients, on the axis of bins."""
    label, ticks = first_axis(view)
    axes.set_yticks(list(ticks.values()), list(ticks))
    axes.set_ylabel(label, color=_QUIET)


def _shorten(text: str, length: int = 70) -> str:
    """Replace the middle of a text longer than `length` by an ellipsis."""
    return text if len(text) <= length else f"{text[: length // 2]}…{text[-length // 2 :]}"
