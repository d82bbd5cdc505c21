"""What the spectrogram models share: a network, trained by Lightning, kept as safetensors."""

from __future__ import annotations

import logging
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from audiospec.errors import ModelError
from audiospec.zoo.base import Model, ModelSettings, Progress, Rows

FILE = "model.safetensors"

#: Rows of a view up to so many bytes are read once and kept; more are read batch by batch.
IN_MEMORY = 2 << 30


@dataclass(frozen=True, kw_only=True)
class NetworkSettings(ModelSettings):
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        The most; at least 1.
    patience : int
        Epochs without a lower validation loss after which training stops; the best epoch is kept.
    batch : int
        Rows in a step.
    learning_rate : float
        Of Adam; above 0.
    dropout : float
        Share of values that each block drops while it learns, 0 to below 1.
    device : "auto", "cpu" or "cuda"
        ``"auto"`` takes a GPU if there is one, else the CPU.
    """

    epochs: int = 100
    patience: int = 10
    batch: int = 16
    learning_rate: float = 1e-3
    dropout: float = 0.1
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, fine, expected in (
            ("epochs", self.epochs >= 1, "at least 1"),
            ("patience", self.patience >= 1, "at least 1"),
            ("batch", self.batch >= 1, "at least 1"),
            ("learning_rate", self.learning_rate > 0, "above 0"),
            ("dropout", 0 <= self.dropout < 1, "from 0 to below 1"),
        ):
            if not fine:
                raise ModelError(f"parameter {name} must be {expected}; got {getattr(self, name)!r}")


class NetworkModel(Model):
    """A network on rows of (mel, frame): Adam, cross-entropy, early stopping, the best epoch kept."""

    input = "spectrogram"
    shares = (0.8, 0.1, 0.1)

    Settings = NetworkSettings

    #: The trained network; maps rows (B, mel, frame) to logits (B, classes).
    net: nn.Module

    @abstractmethod
    def network(self) -> nn.Module:
        """Make the network, not yet trained."""

    def fit(
        self, train: Rows, valid: Rows, *, seed: int, progress: Progress | None = None
    ) -> list[dict[str, float]]:
        """Train until the validation loss has not fallen for `patience` epochs."""
        if not len(valid):
            raise ModelError(
                "there are no validation rows to stop by: give them a share, such as 0.8, 0.1, 0.1 (--shares)"
            )
        import lightning.pytorch as lightning
        from lightning.pytorch.callbacks import EarlyStopping

        settings = self.settings
        lightning.seed_everything(seed, workers=False, verbose=False)
        self.net = self.network()
        epochs = _epochs(progress)
        cuda = settings.device == "cuda" or (settings.device == "auto" and torch.cuda.is_available())
        with _quiet():
            trainer = lightning.Trainer(
                accelerator="gpu" if cuda else "cpu",
                devices=1,
                precision="bf16-mixed" if cuda else "32-true",
                max_epochs=settings.epochs,
                callbacks=[epochs, EarlyStopping("valid_loss", patience=settings.patience)],
                deterministic=True,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
            )
            batches = (_Batches(train, settings.batch, seed), _Batches(valid, settings.batch, None))
            trainer.fit(_task(self.net, settings.learning_rate), *batches)
        self.net.cpu().load_state_dict(epochs.best)
        self.net.eval()
        return list(epochs.history)

    def predict_proba(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Softmax of the network's logits."""
        found = [np.zeros((0, len(self.classes)))]
        with torch.inference_mode():
            for first in range(0, len(rows), self.settings.batch):
                logits = self.net(torch.from_numpy(rows[first : first + self.settings.batch].copy()))
                found.append(logits.double().softmax(-1).numpy())
        return np.concatenate(found)

    def save(self, folder: Path) -> None:
        """Write the weights as safetensors."""
        from safetensors.torch import save_file

        weights = {name: value.contiguous() for name, value in self.net.state_dict().items()}
        save_file(weights, folder / FILE)

    def load(self, folder: Path) -> None:
        """Read the weights into a new network."""
        from safetensors.torch import load_file

        try:
            weights = load_file(folder / FILE)
            self.net = self.network()
            self.net.load_state_dict(weights)
        except Exception as error:  # safetensors' own errors, and torch's about names and shapes
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"{folder / FILE} cannot be read ({reason}): train again") from error
        self.net.eval()

    @property
    def parameters(self) -> int:
        """Count of the weights."""
        return sum(weights.numel() for weights in self.net.parameters())


class _Batches:
    """Batches (rows, targets) of some rows of a view; in a new order each epoch if there is a seed."""

    def __init__(self, rows: Rows, batch: int, seed: int | None) -> None:
        self.rows = rows
        self.batch = batch
        self.order = None if seed is None else np.random.default_rng(seed)
        size = len(rows) * rows.view.info.row_bytes
        self.kept = rows.view.read(rows.numbers) if size <= IN_MEMORY else None
        self.targets = torch.from_numpy(rows.targets)

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        count = len(self.rows)
        order = np.arange(count) if self.order is None else self.order.permutation(count)
        for first in range(0, count, self.batch):
            chosen = order[first : first + self.batch]
            kept = self.kept
            rows = kept[chosen] if kept is not None else self.rows.view.read(self.rows.numbers[chosen])
            yield torch.from_numpy(rows).float(), self.targets[torch.from_numpy(chosen)]


def _task(net: nn.Module, learning_rate: float) -> Any:
    """The Lightning module: the steps of training and validation."""
    import lightning.pytorch as lightning

    class Task(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
            return self._step(batch, "train")

        def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
            return self._step(batch, "valid")

        def _step(self, batch: tuple[Tensor, Tensor], side: str) -> Tensor:
            rows, targets = batch
            logits = self.net(rows)
            loss = nn.functional.cross_entropy(logits.float(), targets)
            if not loss.isfinite():
                raise ModelError(
                    f"the {side} loss is not finite in epoch {self.current_epoch}: lower learning_rate, or "
                    "look at the features (`audiospec store verify`)"
                )
            right = (logits.argmax(-1) == targets).float().mean()
            for name, value in (("loss", loss), ("accuracy", right)):
                self.log(f"{side}_{name}", value, on_epoch=True, on_step=False, batch_size=len(targets))
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.net.parameters(), lr=learning_rate)

    return Task()


def _epochs(progress: Progress | None) -> Any:
    """The callback that keeps each epoch's losses and accuracies, and the weights of the best."""
    import lightning.pytorch as lightning

    class Epochs(lightning.Callback):
        def __init__(self) -> None:
            self.history: list[dict[str, float]] = []
            self.least = float("inf")
            self.best: dict[str, Tensor] = {}

        def on_validation_end(self, trainer: Any, module: Any) -> None:
            loss = float(trainer.callback_metrics["valid_loss"])
            if loss < self.least:
                self.least = loss
                weights = module.net.state_dict()
                self.best = {name: value.detach().cpu().clone() for name, value in weights.items()}

        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            found = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
            self.history.append({"epoch": float(trainer.current_epoch), **found})
            if progress is not None:
                progress(self.history[-1])

    return Epochs()


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning without what it says of devices and workers, and without a trace in torch's settings."""
    loggers = [logging.getLogger(f"lightning{part}") for part in ("", ".pytorch", ".fabric")]
    levels = [logger.level for logger in loggers]
    deterministic = torch.are_deterministic_algorithms_enabled()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        torch.use_deterministic_algorithms(deterministic)
