"""Every registered loss keeps the contract; so does a loss of another package that is not exclusive."""

from __future__ import annotations

import importlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from audiospec.testing.losses import LossContract
from audiospec.zoo.losses.base import losses

PLUG_IN = '''
from torch.nn.functional import binary_cross_entropy_with_logits

from audiospec.zoo.losses.base import Loss


class Binary(Loss):
    """binary: cross-entropy of each class separately."""

    exclusive = False

    def sums(self, logits, targets, weights):
        weights = (targets.sum(-1, keepdim=True) > 0) * weights
        losses = binary_cross_entropy_with_logits(logits.float(), targets, reduction="none")
        return (weights * losses).sum(), weights.sum()

    def probabilities(self, logits):
        return logits.sigmoid()
'''


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path with a package of one loss."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "more_losses.py").write_text(PLUG_IN)
    info = tmp_path / "more_losses-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: more_losses\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[audiospec.losses]\nbinary = more_losses:Binary\n")
    importlib.invalidate_caches()
    return tmp_path


class TestCrossEntropy(LossContract):
    name = "cross-entropy"

    def reference(self, logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        # The mean of torch divides by the number of rows, not by their weights, if targets are shares.
        by_row = torch.nn.functional.cross_entropy(logits, targets, weight=weights, reduction="none")
        return by_row.sum() / (weights * targets).sum()


class TestBinaryCrossEntropy(LossContract):
    name = "binary-cross-entropy"

    def reference(self, logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, pos_weight=weights)


class TestMse(LossContract):
    name = "mse"

    def reference(self, logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        errors = torch.nn.functional.mse_loss(logits, targets, reduction="none")
        return (weights * errors).sum() / (weights.sum() * len(logits))


@pytest.mark.usefixtures("plug_in")
class TestBinary(LossContract):
    name = "binary"


def test_every_loss_has_a_contract() -> None:
    tested = {value.name for name, value in globals().items() if name.startswith("Test")}
    assert tested >= set(losses.names())


def test_the_registry_lists_without_torch(python: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    output = python(
        "import sys\nfrom audiospec.zoo.losses.base import losses\n"
        "print(*[f'{name}: {losses.summary(name)}' for name in losses], sep='\\n')\n"
        "losses['cross-entropy']\n"
        "assert not {'torch', 'lightning'} & sys.modules.keys()"
    ).stdout
    assert output.splitlines() == [
        "binary-cross-entropy: cross-entropy of each class by itself; a row may have any number of classes.",
        "cross-entropy: cross-entropy of targets and softmax; each row has one class.",
        "mse: mean squared error of numbers.",
    ]


def test_a_probability_does_not_depend_on_its_place() -> None:
    logits = torch.randn(1001, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loss = losses["binary-cross-entropy"]()
    together = loss.probabilities(logits)
    alone = torch.cat([loss.probabilities(one[None]) for one in logits])
    assert torch.equal(together, alone)
    assert torch.allclose(together, logits.sigmoid(), rtol=0, atol=1e-15)
