"""The columns while torch traces them are those of the frontend: any batch, any length."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import median_filter
from torch import Tensor, nn

from audiospec.features.kernels.traced_families import traced_median
from audiospec.features.tabular import TabularFrontend, deviation
from audiospec.specs.tabular import FAMILIES, TabularSpec

SMALL = TabularSpec(
    sample_rate=8000,
    families=("all",),
    n_fft=512,
    hop_length=128,
    n_mels=40,
    n_mfcc=5,
    n_bands=3,
    kernel_size=9,
)


class _Columns(nn.Module):
    def __init__(self, spec: TabularSpec) -> None:
        super().__init__()
        self.frontend = TabularFrontend(spec, backend="fft")

    def forward(self, waves: Tensor) -> Tensor:
        return self.frontend.compute(waves)


def music(samples: int, seed: int) -> Tensor:
    random = np.random.default_rng(seed)
    time = np.arange(samples) / 8000
    beat = np.exp(-6 * np.remainder(time, 0.3 + 0.05 * seed))
    notes = sum(np.sin(2 * np.pi * hertz * time) for hertz in (220 + 30 * seed, 331, 440))
    return torch.from_numpy(0.1 * notes * beat + random.normal(0, 0.01, samples)).float()


def test_all_families_for_any_batch_and_length() -> None:
    assert SMALL.families == tuple(FAMILIES)
    example = torch.stack([music(16000, seed) for seed in (0, 1)])
    axes = {0: torch.export.Dim("batch", min=1, max=64), 1: torch.export.Dim.DYNAMIC}
    with torch.no_grad():
        program = torch.export.export(
            *(_Columns(SMALL), (example,)),
            dynamic_shapes=(axes,),
            strict=False,
            prefer_deferred_runtime_asserts_over_guards=True,
        )
    traced, exact = program.module(), TabularFrontend(SMALL, backend="fft")
    for batch, samples in ((1, 16000), (3, 9001), (2, 30000)):
        waves = torch.stack([music(samples, seed) for seed in range(batch)])
        waves[-1] = 0 if batch == 3 else waves[-1]  # silence, too
        columns, expected = traced(waves), exact(waves)
        assert columns.shape == expected.shape
        away = deviation(SMALL, columns.double(), expected.double())
        assert away.max() < 1e-3, SMALL.columns[int(away.amax(0).argmax())]


@pytest.mark.parametrize(("count", "size"), [(40, 31), (5, 31), (1, 3), (31, 31)])
def test_medians_are_scipys(count: int, size: int) -> None:
    values = np.random.default_rng(0).normal(size=(2, count, 3)).astype(np.float32)
    expected = median_filter(values, (1, size, 1))
    assert np.array_equal(traced_median(torch.from_numpy(values), size).numpy(), expected)
