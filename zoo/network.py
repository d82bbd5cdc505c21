"""What the spectrogram models share: a network, how it is trained, its weights as safetensors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from audiospec.errors import ModelError
from audiospec.zoo.base import CHECKPOINT, Layer, Model, Progress, Rows
from audiospec.zoo.fitting.settings import NetworkSettings
from audiospec.zoo.losses.base import losses

FILE = "model.safetensors"


class NetworkModel(Model):
    """A network on rows of (mel, frame): Adam, a loss, early stopping, the best epoch kept."""

    input = "spectrogram"
    shares = (0.8, 0.1, 0.1)

    Settings = NetworkSettings

    #: The trained network; maps rows (B, mel, frame) to logits (B, classes).
    net: nn.Module

    @abstractmethod
    def network(self) -> nn.Module:
        """Make the network, with random weights."""

    def prepare(self, net: nn.Module) -> None:
        """Give a new network what it starts from, such as others' weights; not if it goes on."""

    def fit(
        self,
        train: Rows,
        valid: Rows,
        *,
        seed: int,
        work: Path | None = None,
        progress: Progress | None = None,
    ) -> list[dict[str, float]]:
        """Train until the validation loss has not fallen for `patience` epochs."""
        if not len(valid):
            raise ModelError(
                "there are no validation rows to stop by: give them a share, such as 0.8, 0.1, 0.1 (--shares)"
            )
        self._check_devices()
        from audiospec.zoo.fitting.loop import train_network

        with ExitStack() as stack:
            stack.enter_context(_as_usual())
            folder = work or Path(stack.enter_context(TemporaryDirectory()))
            torch.manual_seed(seed)
            self.net = self.network()
            if not (folder / CHECKPOINT).exists():
                self.prepare(self.net)
            history = train_network(
                self.net, train, valid, self.settings, seed=seed, work=folder, progress=progress
            )
        self._settle()
        return history

    def predict_proba(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probabilities that the network's logits stand for, by its loss."""
        found = [np.zeros((0, len(self.classes)))]
        device = self._device()
        loss = losses[self.settings.loss]()
        with torch.inference_mode():
            for first in range(0, len(rows), self.settings.batch):
                part = torch.from_numpy(rows[first : first + self.settings.batch].copy())
                logits = self.net(part.to(device)).cpu()
                found.append(loss.probabilities(logits.double()).numpy())
        return np.concatenate(found)

    def save(self, folder: Path) -> None:
        """Write the weights as safetensors."""
        from safetensors.torch import save_file

        weights = {name: value.cpu().contiguous() for name, value in self.net.state_dict().items()}
        save_file(weights, folder / FILE)

    def load(self, folder: Path) -> None:
        """Read the weights into a new network."""
        from safetensors.torch import load_file

        try:
            weights = load_file(folder / FILE)
            with _as_usual():
                self.net = self.network()
                self.net.load_state_dict(weights)
        except Exception as error:  # safetensors' own errors, and torch's about names and shapes
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"{folder / FILE} cannot be read ({reason}): train again") from error
        self._settle()

    @property
    def parameters(self) -> int:
        """Count of the weights."""
        return sum(weights.numel() for weights in self.net.parameters())

    def layers(self) -> list[Layer]:
        """Layers of a network that has learnt nothing, as a row goes through them."""
        found: list[Layer] = []

        def note(name: str) -> Callable[..., None]:
            def hook(layer: nn.Module, _: object, out: Tensor | tuple[Tensor, ...]) -> None:
                shape = tuple((out if isinstance(out, Tensor) else out[0]).shape[1:])
                count = sum(weights.numel() for weights in layer.parameters())
                found.append(Layer(name, type(layer).__name__, shape, count))

            return hook

        with _as_usual(), torch.device("meta"), torch.no_grad():  # shapes alone, however long a row
            net = self.network().eval()
            for name, layer in net.named_modules():
                if not list(layer.children()):
                    layer.register_forward_hook(note(name))
            net(torch.zeros(1, *self.row_shape))
        return found

    def _settle(self) -> None:
        """Put the network where it predicts, and let it predict."""
        self.net.to(self._device()).eval()

    def _device(self) -> str:
        return "cuda" if self.settings.cuda() else "cpu"

    def _check_devices(self) -> None:
        settings = self.settings
        there = torch.cuda.device_count()
        if settings.device == "cuda" and not settings.cuda():
            raise ModelError("there is no CUDA device here: leave out device=cuda")
        if settings.cuda() and settings.devices > there:
            raise ModelError(
                f"parameter devices must be at most {there}, the GPUs here; got {settings.devices}"
            )


@contextmanager
def _as_usual() -> Iterator[None]:
    """Torch as networks expect it, and afterwards as the caller had it, random numbers as well."""
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.random.fork_rng(), torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        torch.set_default_dtype(dtype)
