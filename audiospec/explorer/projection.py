"""The map of tracks: each is a point, near to those with similar features."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audiospec.doctor.rows import blocks
from audiospec.explorer.problems import ExplorerError

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View

METHODS = ("pca", "umap")
#: Most bands of a spectrogram, and most numbers of other rows, that a track is described by. More are
#: averaged with their neighbours: 100,000 tracks of 96 bands have 154 MB of sums.
MOST_BANDS, MOST_NUMBERS = 96, 1024
#: Most tracks that directions are fitted to, drawn by a seed; all are projected.
MOST_FITTED = 20_000
#: Numbers of rows that are summed at a time, as float64.
_SUMMED = 1 << 20
#: Tracks that are projected at a time.
_PROJECTED = 4096
#: Most directions of a principal component analysis that UMAP starts from.
_MOST_DIRECTIONS = 50

Tell = Callable[[int, int], None]


def describe_tracks(view: View, tell: Tell) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return each track's mean and standard deviation over its rows, bin by bin.

    Parameters
    ----------
    view : View
        A spectrogram's bins are described over its frames; other rows number by number. If these are too
        many, neighbours are averaged first. Rows that are damaged, or not finite, are left out.
    tell : callable
        Called with the number of rows that are done and that there are.

    Returns
    -------
    ndarray of int64, shape (tracks,)
        Numbers of the tracks that have rows.
    ndarray of float32, shape (tracks, features)
        Means, then standard deviations.
    """
    is_picture = view.spec.kind == "spectrogram"
    width = view.info.row_shape[0] if is_picture else math.prod(view.info.row_shape)
    bands = min(width, MOST_BANDS if is_picture else MOST_NUMBERS)
    firsts = np.linspace(0, width, bands, endpoint=False).astype(int)
    sizes = np.diff([*firsts, width])[:, None]
    numbers, of_row = np.unique(view.rows["track"], return_inverse=True)
    counts = np.zeros(len(numbers))
    sums, squares = np.zeros((2, len(numbers), bands))
    step = max(1, _SUMMED // math.prod(view.info.row_shape))
    for of_shard, all_values in blocks(view):
        for first in range(0, len(of_shard), step):
            rows, values = of_shard[first : first + step], all_values[first : first + step]
            flat = values.reshape(len(values), width, -1).astype(np.float64)
            finite = np.isfinite(flat).all(axis=(1, 2))
            if bands < width:
                flat = np.add.reduceat(flat, firsts, axis=1) / sizes
            flat, rows = flat[finite], rows[finite]
            np.add.at(sums, of_row[rows], flat.mean(axis=2))
            np.add.at(squares, of_row[rows], (flat**2).mean(axis=2))
            np.add.at(counts, of_row[rows], 1)
            tell(int(of_shard[first]) + len(values), len(view))
    known = counts > 0
    means = sums[known] / counts[known, None]
    deviations = np.sqrt(np.maximum(squares[known] / counts[known, None] - means**2, 0))
    return numbers[known], np.hstack([means, deviations]).astype(np.float32)


def project(features: NDArray[np.float32], method: str, seed: int = 0) -> NDArray[np.float64]:
    """Return a place in the plane for each track.

    Parameters
    ----------
    features : ndarray, shape (tracks, features)
    method : "pca" or "umap"
        The first two principal components of the standardised features, or UMAP of their first 50.
    seed : int

    Returns
    -------
    ndarray of float64, shape (tracks, 2)

    Raises
    ------
    ExplorerError
        Another method, or UMAP is not installed.
    """
    require_method(method)
    if method == "umap":
        return _umap(_components(features, _MOST_DIRECTIONS, seed), seed)
    return _components(features, 2, seed)


def require_method(method: str) -> None:
    """Raise an ExplorerError if a method is none of `METHODS`."""
    if method not in METHODS:
        raise ExplorerError(f"expected a method of {' or '.join(METHODS)}; got {method[:50]!r}")


def _components(features: NDArray[np.float32], count: int, seed: int) -> NDArray[np.float64]:
    """Return the first principal components; there are fewer if there are few tracks or features."""
    draw = np.random.default_rng(seed)
    chosen = np.arange(len(features))
    if len(features) > MOST_FITTED:
        chosen = np.sort(draw.choice(len(features), MOST_FITTED, replace=False))
    sample = features[chosen].astype(np.float64)
    centre, scale = sample.mean(axis=0), sample.std(axis=0)
    scale[scale < 1e-9 * max(1.0, float(scale.max(initial=0.0)))] = np.inf  # what never changes says nothing
    sample = (sample - centre) / scale
    values, vectors = np.linalg.eigh(sample.T @ sample)
    directions = vectors[:, np.argsort(-values)[:count]]
    # The sign of a direction is arbitrary: the same picture each time.
    directions *= np.where(
        directions[np.abs(directions).argmax(axis=0), range(directions.shape[1])] < 0, -1, 1
    )
    steps = range(0, len(features), _PROJECTED)
    places = np.concatenate(
        [((features[first : first + _PROJECTED] - centre) / scale) @ directions for first in steps]
    )
    if places.shape[1] < 2:
        places = np.hstack([places, np.zeros((len(places), 2 - places.shape[1]))])
    return np.asarray(places, np.float64)


def _umap(components: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    try:
        import umap
    except ImportError as error:
        raise ExplorerError(
            "UMAP is not installed, so the map shows principal components only", "pip install umap-learn"
        ) from error
    if len(components) < 4:
        return components[:, :2]
    neighbours = min(15, len(components) - 1)
    places = umap.UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(components)
    return np.asarray(places, np.float64)
