"""LossContract: what every loss must do, as tests to inherit.

A loss proves itself with one class::

    class TestMine(LossContract):
        name = "mine"
"""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from audiospec.errors import ModelError, RegistryError
from audiospec.zoo.fitting.settings import NetworkSettings
from audiospec.zoo.losses.base import Loss, losses


class LossContract:
    """Tests that every loss passes, on a CPU.

    Attributes
    ----------
    name : str
        The loss's name in the registry.
    """

    name: ClassVar[str]

    def reference(self, logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor | None:
        """Return the mean loss as somebody else computes it; None if nobody does."""
        return None

    def make(self) -> Loss:
        """Return the loss."""
        return losses[self.name]()

    def batch(self, rows: int = 12, classes: int = 4, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, targets of one class each, and class weights."""
        random = torch.Generator().manual_seed(seed)
        logits = torch.randn(rows, classes, generator=random)
        targets = torch.eye(classes)[torch.randint(0, classes, (rows,), generator=random)]
        return logits, targets, torch.rand(classes, generator=random) + 0.5

    def mean(self, logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Return the mean loss of a batch, which is a finite number."""
        found, weight = self.make().sums(logits, targets, weights)
        assert found.shape == weight.shape == ()
        assert torch.isfinite(found)
        assert weight > 0
        return found / weight

    # --- the registry and the settings ---------------------------------------------------------------

    def test_is_registered(self) -> None:
        """The registry knows it, and it has a line about itself."""
        assert issubclass(losses[self.name], Loss)
        assert self.name in losses.names()
        assert 0 < len(losses.summary(self.name)) <= 120
        with pytest.raises(RegistryError, match="no loss is called"):
            losses[f"{self.name}x"]

    def test_a_network_can_be_told_to_learn_by_it(self) -> None:
        """By its name; a wrong one names the nearest."""
        assert NetworkSettings(loss=self.name).loss == self.name
        with pytest.raises(ModelError, match=f"did you mean {self.name!r}") as caught:
            NetworkSettings(loss=f"{self.name}x")
        assert "\n" not in str(caught.value)

    # --- values --------------------------------------------------------------------------------------

    @pytest.mark.parametrize("seed", range(3))
    def test_is_the_reference(self, seed: int) -> None:
        """Where somebody else computes it, too; of mixed targets as well."""
        logits, targets, weights = self.batch(seed=seed)
        for shares in (targets, 0.7 * targets + 0.3 * targets.flip(0)):
            expected = self.reference(logits, shares, weights)
            if expected is not None:
                assert torch.allclose(self.mean(logits, shares, weights), expected, atol=1e-6)

    def test_a_row_without_a_target_does_not_count(self) -> None:
        """It adds nothing to either sum, and has no gradient."""
        logits, targets, weights = self.batch()
        whole = self.make().sums(logits, targets, weights)
        more = torch.cat([logits, 5 * torch.ones(2, 4)]).requires_grad_()
        found = self.make().sums(more, torch.cat([targets, torch.zeros(2, 4)]), weights)
        assert torch.allclose(torch.stack(found), torch.stack(whole))
        found[0].backward()  # type: ignore[no-untyped-call]
        assert more.grad is not None
        assert torch.equal(more.grad[-2:], torch.zeros(2, 4))
        assert (more.grad[:-2].abs().sum(1) > 0).all()

    def test_the_order_of_rows_does_not_matter(self) -> None:
        """Nor does a factor of all weights."""
        logits, targets, weights = self.batch()
        expected = self.mean(logits, targets, weights)
        assert torch.allclose(self.mean(logits.flip(0), targets.flip(0), weights), expected)
        assert torch.allclose(self.mean(logits, targets, 3 * weights), expected)

    def test_right_logits_lose_less_than_wrong_ones(self) -> None:
        """And steps along the gradient make them right."""
        logits, targets, weights = self.batch()
        right, wrong = 4 * targets - 2, 4 * targets.roll(1, 1) - 2
        assert self.mean(right, targets, weights) < self.mean(wrong, targets, weights)
        learnt = logits.clone().requires_grad_()
        optimizer = torch.optim.Adam([learnt], lr=0.1)
        for _ in range(100):
            optimizer.zero_grad()
            self.mean(learnt, targets, weights).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        assert torch.equal(learnt.argmax(1), targets.argmax(1))
        assert self.mean(learnt.detach(), targets, weights) < self.mean(logits, targets, weights)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
    def test_large_logits_and_low_precision_are_finite(self, dtype: torch.dtype) -> None:
        """As on a GPU; the gradient is finite, too."""
        logits, targets, weights = self.batch()
        for factor in (1.0, 1e4):
            large = (factor * logits).to(dtype).requires_grad_()
            self.mean(large, targets, weights).backward()  # type: ignore[no-untyped-call]
            assert large.grad is not None
            assert torch.isfinite(large.grad).all()

    def test_probabilities_are_probabilities(self) -> None:
        """Of the logits' own shape and precision, higher for a higher logit."""
        logits, *_ = self.batch()
        for values in (logits, 1e4 * logits, logits.double()):
            found = self.make().probabilities(values)
            assert found.shape == values.shape
            assert found.dtype == values.dtype
            assert ((found >= 0) & (found <= 1)).all()
            if self.make().exclusive:
                assert torch.allclose(found.sum(1), torch.ones_like(found[:, 0]))
        found = self.make().probabilities(logits.double())
        assert torch.equal(found.argmax(1), logits.argmax(1))
        assert self.make().probabilities(logits[:0]).shape == (0, 4)
