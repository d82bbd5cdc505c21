"""Sturm's catalogue of repetitions in GTZAN, and whether two sounds are cut from one, by their samples."""

from __future__ import annotations

import csv
import itertools
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Least share of the shorter sound that has to overlap.
LEAST_OVERLAP = 0.25


def repetitions() -> dict[tuple[str, str], str]:
    """Return the repetitions of GTZAN: pair of ids, in order → ``"exact"`` or ``"title"``.

    ``"exact"`` is the same excerpt; ``"title"`` the same artist and title, in whatever version and part. The
    source is in ``zoo/data/gtzan-repetitions``.
    """
    table = files("audiospec.zoo") / "data" / "gtzan-repetitions" / "repetitions.csv"
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    pairs = {}
    for kind in ("title", "exact"):
        groups: dict[str, list[str]] = {}
        for row in rows:
            if row[kind]:
                groups.setdefault(row[kind], []).append(row["track"])
        for group in groups.values():
            pairs.update(dict.fromkeys(itertools.combinations(sorted(group), 2), kind))
    return pairs


class Overlap(NamedTuple):
    """How two sounds agree best.

    Attributes
    ----------
    correlation : float
        Normalised correlation of the samples that overlap, -1 to 1.
    start : int
        Sample of the second sound that the first begins at; negative: before it.
    samples : int
        Length of what overlaps.
    """

    correlation: float
    start: int
    samples: int


def overlap(first: NDArray[np.float64], second: NDArray[np.float64]) -> Overlap:
    """Return where two sounds agree best, by the correlation of their samples at all lags.

    It does not look at features, so it is a reference for what does. A copy that was re-encoded or resampled
    need not agree by its samples.

    Parameters
    ----------
    first, second : ndarray of float, shape (samples,)
        Mono, of one rate.

    Returns
    -------
    Overlap
        At least `LEAST_OVERLAP` of the shorter sound overlaps.
    """
    count, length = len(first), len(second)
    size = 1 << (count + length - 1).bit_length()
    product = np.fft.rfft(second, size) * np.conj(np.fft.rfft(first, size))
    sums = np.roll(np.fft.irfft(product, size), count - 1)[: count + length - 1]
    starts = np.arange(1 - count, length)
    begin, end = np.maximum(starts, 0), np.minimum(starts + count, length)
    energies = [np.concatenate([[0.0], np.square(wave).cumsum()]) for wave in (first, second)]
    energy = (energies[0][end - starts] - energies[0][begin - starts]) * (
        energies[1][end] - energies[1][begin]
    )
    enough = (end - begin >= LEAST_OVERLAP * min(count, length)) & (energy > 1e-12)
    values = np.where(enough, sums / np.sqrt(np.maximum(energy, 1e-12)), 0.0)
    best = int(values.argmax())
    return Overlap(float(values[best]), int(starts[best]), int(end[best] - begin[best]))
