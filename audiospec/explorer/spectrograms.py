"""Pictures of single rows, one pixel for each bin and frame: the page draws the axes."""

from __future__ import annotations

import struct
import zlib
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audiospec.doctor.rows import whole_rows
from audiospec.explorer.problems import DamagedRowError, NotFoundError

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View

_COLOURS = 256


def picture_of(view: View, row: int) -> bytes:
    """Return the spectrogram of a row as PNG, low frequencies at the bottom.

    Parameters
    ----------
    view : View
    row : int

    Returns
    -------
    bytes
        A PNG of as many pixels as the row has bins and frames, in 256 colours. Of a feature in decibels, they
        span 80 dB below the loudest; see `colour_limits`.

    Raises
    ------
    NotFoundError
        There is no such row, or the rows are not spectrograms.
    DamagedRowError
        The row cannot be read, or does not match its checksum.
    """
    from audiospec.render.spectrogram import colour_limits

    if view.spec.kind != "spectrogram":
        raise NotFoundError(
            f"view {view.name} has no spectrograms: feature {view.spec.feature!r} has rows of "
            f"({', '.join(view.spec.dims)})",
            "choose a view of mel, or make one with `audiospec featurize --features mel`",
        )
    if not 0 <= row < len(view):
        raise NotFoundError(f"view {view.name} has rows 0 to {len(view) - 1}; got {row}")
    whole, rows = whole_rows(view, np.array([row]))
    if not len(whole):
        raise DamagedRowError(
            f"row {row} of view {view.name} cannot be read, or does not match its checksum",
            "run `audiospec store verify STORE --repair`",
        )
    values = rows[0].astype(np.float32)
    low, top = colour_limits(view.spec, values)
    scaled = (values - low) * ((_COLOURS - 1) / ((top - low) or 1.0))
    pixels = np.nan_to_num(scaled).clip(0, _COLOURS - 1).astype(np.uint8)
    return _png(pixels[::-1])


def damaged_among(view: View, rows: NDArray[np.int64]) -> set[int]:
    """Return those rows that cannot be read, or do not match their checksums."""
    whole, _ = whole_rows(view, rows)
    return {*rows.tolist()} - {*whole.tolist()}


@cache
def _palette() -> bytes:
    """Return the colours of `audiospec show`, three bytes each."""
    from matplotlib import colormaps

    colours = colormaps["magma"](np.arange(_COLOURS), bytes=True)
    return bytes(colours[:, :3].tobytes())


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """Return an image of palette indices as PNG.

    Source: W3C, Portable Network Graphics (third edition), 10 and 11: chunks, and the filter byte of rows.
    """
    height, width = pixels.shape
    lines = np.zeros((height, width + 1), np.uint8)
    lines[:, 1:] = pixels
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", header), (b"PLTE", _palette()), (b"IDAT", zlib.compress(lines.tobytes(), 4)))
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (*parts, (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
