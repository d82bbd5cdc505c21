"""Running medians by a network of minima and maxima: exact, batched, on any device.

`network` says how.
"""

from __future__ import annotations

import torch
from torch import Tensor

from audiospec.features.kernels.network import Network, median_network

#: Number of values in one operation on a CPU: small enough for caches, large enough to outweigh the cost of a
#: call, and below the size at which torch uses several threads.
BLOCK = 1 << 15


def running_median(values: Tensor, size: int) -> Tensor:
    """Return the median of the `size` values around each value, along the second axis.

    Parameters
    ----------
    values : Tensor, shape (B, n, width), floating
        No NaN. Fast if the last axis is contiguous.
    size : int
        Odd. Beyond the ends, values are mirrored with the outermost repeated (scipy's ``mode="reflect"``),
        as many times as the window needs.

    Returns
    -------
    Tensor, shape (B, n, width)
        Equal to ``scipy.ndimage.median_filter(values, (1, size, 1))``.
    """
    count, width = values.shape[1:]
    network = median_network(size)
    tiles = -(-count // network.tile)
    places = torch.arange(-(size // 2), tiles * network.tile + size // 2, device=values.device)
    places = places.remainder(2 * count)
    padded = values.index_select(1, torch.where(places < count, places, 2 * count - 1 - places))
    medians = values.new_empty(len(values), tiles * network.tile, width)
    if values.device.type == "cpu":
        block = min(tiles, max(1, BLOCK // max(1, width)))
        registers = values.new_empty(network.between, 1, block, width)
        for row in range(len(values)):
            for first in range(0, tiles, block):
                room = registers[:, :, : min(block, tiles - first)]
                run(network, padded[row : row + 1], medians[row : row + 1], first, room)
    else:
        run(network, padded, medians, 0, values.new_empty(network.between, len(values), tiles, width))
    return medians[:, :count]


def run(network: Network, values: Tensor, medians: Tensor, first: int, between: Tensor) -> None:
    """Compute the medians of consecutive tiles, as many as `between` has room for.

    Parameters
    ----------
    network : Network
    values : Tensor, shape (B, n, width)
        The input values of all tiles.
    medians : Tensor, shape (B, n, width)
        Receives the result; has room for all tiles.
    first : int
        Number of the first tile.
    between : Tensor, shape (network.between, B, tiles, width)
        Memory for intermediate values; overwritten.
    """
    tiles = slice(first, first + between.shape[2])
    views = [values[:, number :: network.tile][:, tiles] for number in range(network.size + network.tile - 1)]
    views += [medians[:, number :: network.tile][:, tiles] for number in range(network.tile)]
    views += between.unbind()
    for is_minimum, one, other, result in network.steps:
        operation = torch.minimum if is_minimum else torch.maximum
        operation(views[one], views[other], out=views[result])
