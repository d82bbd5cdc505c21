"""Running medians, compared with scipy's and with their definition."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import torch
from hypothesis import given
from hypothesis import strategies as st

from audiospec.features.kernels import median as median_module
from audiospec.features.kernels.median import running_median
from audiospec.features.kernels.network import median_network


@given(
    st.integers(0, 3),
    st.integers(1, 70),
    st.integers(1, 5),
    st.integers(1, 20).map(lambda half: 2 * half + 1),
    st.sampled_from([torch.float32, torch.float64]),
    st.integers(0, 2**32 - 1),
)
def test_medians_follow_the_definition(
    rows: int, count: int, width: int, size: int, dtype: torch.dtype, seed: int
) -> None:
    # Few different values, so that there are ties.
    values = torch.randint(0, 9, (rows, count, width), generator=torch.Generator().manual_seed(seed)).to(
        dtype
    )
    half = size // 2
    padded = np.pad(values.numpy(), ((0, 0), (half, half), (0, 0)), mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=1)
    medians = running_median(values, size)
    assert medians.dtype == dtype
    assert (medians.numpy() == np.median(windows, axis=-1)).all()


@pytest.mark.parametrize("size", [3, 15, 31, 33, 101])
def test_medians_equal_scipys_for_any_block_size(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.randn(2, 150, 37, generator=torch.Generator().manual_seed(0))
    expected = scipy.ndimage.median_filter(values.numpy(), (1, size, 1), mode="reflect")
    for block in (1, 100, 1 << 20):
        monkeypatch.setattr(median_module, "BLOCK", block)
        assert (running_median(values, size).numpy() == expected).all()


def test_all_tiles_at_once_give_the_same_medians() -> None:
    # Devices other than CPUs compute all tiles of all rows at once.
    values = torch.randn(3, 40, 5, generator=torch.Generator().manual_seed(0))
    network = median_network(31)
    tiles = -(-40 // network.tile)
    padded = torch.nn.functional.pad(values, (0, 0, 15, 15 + tiles * network.tile - 40))
    medians = torch.empty(3, tiles * network.tile, 5)
    median_module.run(network, padded, medians, 0, torch.empty(network.between, 3, tiles, 5))
    inner = scipy.ndimage.median_filter(values.numpy(), (1, 31, 1))[:, 15:25]
    assert (medians[:, 15:25].numpy() == inner).all()


def test_a_median_takes_few_steps() -> None:
    network = median_network(31)
    assert (network.tile, len(network.steps)) == (16, 550)
