"""LossContract: the tests that every loss must pass, as a class to inherit from.

A loss is tested by one subclass::

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
        """Return the mean loss as another library computes it; None if there is no reference."""
        return None

    def make(self) -> Loss:
        """Return the loss."""
        return losses[self.name]()

    def batch(self, rows: int = 12, classes: int = 4, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Return random logits (rows, classes), targets (rows, classes) and weights (classes,).

        Targets are as the loss's first target has them: one-hot, any number of ones, or numbers.
        """
        random = torch.Generator().manual_seed(seed)
        logits = torch.randn(rows, classes, generator=random)
        if self.target == "number":
            targets = torch.randn(rows, classes, generator=random)
        elif self.target == "single":
            targets = torch.eye(classes)[torch.randint(0, classes, (rows,), generator=random)]
        else:
            targets = (torch.rand(rows, classes, generator=random) < 0.4).float()
        return logits, targets, torch.rand(classes, generator=random) + 0.5

    @property
    def target(self) -> str:
        """The first of the targets that the loss serves."""
        return self.make().targets[0]

    def mean(self, logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Return the mean loss of a batch, after a check that it is finite."""
        loss, weight = self.make().sums(logits, targets, weights)
        assert loss.shape == weight.shape == ()
        assert torch.isfinite(loss)
        assert weight > 0
        return loss / weight

    # --- the registry and the settings ---------------------------------------------------------------

    def test_is_registered(self) -> None:
        """The registry has the loss, with a summary in one line."""
        assert issubclass(losses[self.name], Loss)
        assert self.name in losses.names()
        assert 0 < len(losses.summary(self.name)) <= 120
        with pytest.raises(RegistryError, match="no loss is called"):
            losses[f"{self.name}x"]

    def test_a_network_can_be_trained_with_it(self) -> None:
        """The parameter `loss` of a network takes its name; the error for a similar name suggests it."""
        assert NetworkSettings(loss=self.name).loss == self.name
        with pytest.raises(ModelError, match=f"did you mean {self.name!r}") as caught:
            NetworkSettings(loss=f"{self.name}x")
        assert "\n" not in str(caught.value)

    # --- values --------------------------------------------------------------------------------------

    @pytest.mark.parametrize("seed", range(3))
    def test_is_the_reference(self, seed: int) -> None:
        """The mean loss equals `reference`, if there is one, also for mixed targets."""
        logits, targets, weights = self.batch(seed=seed)
        for shares in (targets, 0.7 * targets + 0.3 * targets.flip(0)):
            expected = self.reference(logits, shares, weights)
            if expected is not None:
                assert torch.allclose(self.mean(logits, shares, weights), expected, atol=1e-6)

    def test_a_row_without_a_target_does_not_count(self) -> None:
        """A row whose targets are all the loss's padding adds nothing to either sum, and has no gradient."""
        logits, targets, weights = self.batch()
        expected = self.make().sums(logits, targets, weights)
        padded = torch.cat([logits, 5 * torch.ones(2, 4)]).requires_grad_()
        padding = torch.full((2, 4), self.make().padding)
        sums = self.make().sums(padded, torch.cat([targets, padding]), weights)
        assert torch.allclose(torch.stack(sums), torch.stack(expected))
        sums[0].backward()  # type: ignore[no-untyped-call]
        assert padded.grad is not None
        assert torch.equal(padded.grad[-2:], torch.zeros(2, 4))
        assert (padded.grad[:-2].abs().sum(1) > 0).all()

    def test_the_order_of_rows_does_not_matter(self) -> None:
        """The order of rows does not change the mean loss; nor, where each row has a class, does a factor."""
        logits, targets, weights = self.batch()
        expected = self.mean(logits, targets, weights)
        assert torch.allclose(self.mean(logits.flip(0), targets.flip(0), weights), expected)
        if self.target == "single":
            assert torch.allclose(self.mean(logits, targets, 3 * weights), expected)

    def test_right_logits_lose_less_than_wrong_ones(self) -> None:
        """Right logits have a lower loss, and steps against the gradient lead to right logits."""
        logits, targets, weights = self.batch()
        right, wrong = (4 * values - 2 for values in (targets, targets.roll(1, 1)))
        if self.target == "number":
            right, wrong = targets, targets.roll(1, 1)
        assert self.mean(right, targets, weights) < self.mean(wrong, targets, weights)
        trained = logits.clone().requires_grad_()
        optimizer = torch.optim.Adam([trained], lr=0.1)
        for _ in range(100):
            optimizer.zero_grad()
            self.mean(trained, targets, weights).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        if self.target == "single":
            assert torch.equal(trained.argmax(1), targets.argmax(1))
        else:
            found = self.make().probabilities(trained.detach())
            assert (found - targets).abs().max() < 0.3
        assert self.mean(trained.detach(), targets, weights) < self.mean(logits, targets, weights)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
    def test_large_logits_and_low_precision_are_finite(self, dtype: torch.dtype) -> None:
        """The loss and its gradient are finite for large logits, also in the precision of a GPU."""
        logits, targets, weights = self.batch()
        for factor in (1.0, 1e4):
            large = (factor * logits).to(dtype).requires_grad_()
            self.mean(large, targets, weights).backward()  # type: ignore[no-untyped-call]
            assert large.grad is not None
            assert torch.isfinite(large.grad).all()

    def test_probabilities_are_probabilities(self) -> None:
        """Probabilities have the shape and precision of the logits; the highest logit has the highest one."""
        logits, *_ = self.batch()
        for values in (logits, 1e4 * logits, logits.double()):
            shares = self.make().probabilities(values)
            assert shares.shape == values.shape
            assert shares.dtype == values.dtype
            if self.target == "number":
                assert torch.equal(shares, values)
                continue
            assert ((shares >= 0) & (shares <= 1)).all()
            if self.make().exclusive:
                assert torch.allclose(shares.sum(1), torch.ones_like(shares[:, 0]))
        shares = self.make().probabilities(logits.double())
        assert torch.equal(shares.argmax(1), logits.argmax(1))
        assert self.make().probabilities(logits[:0]).shape == (0, 4)
