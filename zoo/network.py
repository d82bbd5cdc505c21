"""The base class of the networks: a network, its frontend, its training, its weights as safetensors."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from audiospec.errors import ModelError
from audiospec.features.base import Frontend
from audiospec.files import open_plain
from audiospec.zoo.base import CHECKPOINT, Layer, Model, Progress, Rows, TrainingMemory
from audiospec.zoo.fitting.fixed import in_fixed_batches
from audiospec.zoo.fitting.settings import NetworkSettings
from audiospec.zoo.fitting.wave_network import WaveNetwork, frontend_spec, trained_part
from audiospec.zoo.losses.base import losses
from audiospec.zoo.targets.base import Target
from audiospec.zoo.targets.frames import Frames

if TYPE_CHECKING:
    from audiospec.specs.base import FeatureSpec

FILE = "model.safetensors"
#: Most rows that are predicted together: a batch is always filled up, which costs most for a short file.
MOST_TOGETHER = 32


class NetworkModel(Model):
    """A network on rows of (mel, frame), trained by Adam with early stopping; the best epoch is kept.

    With the parameter `frontend` it reads waves: the rows that `network` reads are computed inside of it.
    """

    input = "spectrogram"
    shares = (0.7, 0.1, 0.2)  # the test share of every model is the same
    serves: ClassVar[tuple[str, ...]] = ("single", "multi-label", "number")

    Settings = NetworkSettings

    #: Whether an export may read rows of any length, and not only those of the chunk's length.
    any_length: ClassVar[bool] = True

    #: The trained network; maps rows (B, *row_shape) to logits (B, *target.output_shape).
    net: nn.Module

    @abstractmethod
    def network(self) -> nn.Module:
        """Return a new network with random weights, from rows of `row_shape` to outputs of `target`.

        It reads features: the frontend of a model that reads waves is not in it, see `whole_network`.
        """

    @classmethod
    def reads(cls, spec: FeatureSpec) -> bool:
        """Return whether the model reads the rows of a spec; waves it reads through a frontend."""
        return super().reads(spec) or spec.kind == "wave"

    @classmethod
    def input_with(cls, settings: Mapping[str, Any]) -> str:
        """Return what it reads with these parameters: waves, if a frontend is chosen."""
        return "wave" if settings.get("frontend") not in (None, "none") else cls.input

    @classmethod
    def settings_for(cls, settings: Any, spec: FeatureSpec) -> Any:
        """Return the parameters for the rows of a view; see `Model.settings_for`.

        Raises
        ------
        ModelError
            Also if the rows are waves, of which the model reads features, and there is no frontend.
        """
        if spec.kind == "wave" and settings.frontend is None and not super().reads(spec):
            raise ModelError(
                "a network reads waves through a frontend; got none", 'choose one with `frontend="mel"`'
            )
        return super().settings_for(settings, spec)

    @property
    def frontend(self) -> FeatureSpec | None:
        """The spec of what a frontend inside the network computes from waves; None: it reads features."""
        choice = self.settings.frontend
        return None if choice is None else frontend_spec(choice)

    def whole_network(self) -> nn.Module:
        """Return a new network from the view's rows to logits: `network`, behind the frontend if any."""
        spec = self.frontend
        return self.network() if spec is None else WaveNetwork(spec, self._of_features(spec).network())

    def _of_features(self, spec: FeatureSpec, target: Target | None = None) -> Self:
        """Return the same model of the features that the frontend computes."""
        if spec.kind == "wave" or not self.reads(spec) or len(self.row_shape) != 1:
            raise ModelError(
                f"a frontend of this network computes {self.input!r} rows from waves; feature "
                f"{spec.feature!r} has {spec.kind!r} rows, from rows of {self.row_shape}",
                'choose another `frontend`, such as `frontend="mel"`',
            )
        settings = dataclasses.replace(self.settings, frontend=None, augment=())
        return type(self)(settings, spec.row_shape(*self.row_shape), target or self.target)

    def bound(self, target: Target) -> Target:
        """Return the target; that of frames with the number of frames of the network's output.

        Raises
        ------
        ModelError
            The target is of another number of frames, or the frontend cannot be that of this network.
        """
        if self.frontend is not None:
            return self._of_features(self.frontend, target).target
        if not isinstance(target, Frames):
            return target
        self.target = target
        with _shapes_only():
            frames = self.network().eval()(torch.zeros(1, *self.row_shape)).shape[1]
        if target.frames not in (0, frames):
            raise ModelError(
                f"this network has {frames} output frames a row of {self.row_shape}; the target has "
                f"{target.frames}",
                "train again",
            )
        return target.with_frames(frames)

    def prepare(self, net: nn.Module) -> None:
        """Set the initial weights of a new `network`, such as pretrained ones.

        It is not called if a training is resumed. The default leaves the weights random.
        """

    def fit(
        self,
        train: Rows,
        valid: Rows,
        *,
        seed: int,
        work: Path | None = None,
        progress: Progress | None = None,
    ) -> list[dict[str, float]]:
        """Train until the validation loss has not fallen for `patience` epochs.

        See `Model.fit` for the parameters.

        Raises
        ------
        ModelError
            There are no validation rows, the devices do not exist, memory is too small, or the loss is not
            finite.
        """
        if not len(valid):
            raise ModelError(
                "a network needs validation rows to decide when to stop; got none",
                "give validation a share, such as 0.8, 0.1, 0.1, with `shares`",
            )
        self._check_devices()
        from audiospec.zoo.fitting.loop import train_network
        from audiospec.zoo.fitting.memory import warn_of_memory

        with ExitStack() as stack:
            stack.enter_context(_torch_defaults())
            folder = work or Path(stack.enter_context(TemporaryDirectory()))
            torch.manual_seed(seed)
            self.net = self.whole_network()
            if not (folder / CHECKPOINT).exists():
                self.prepare(trained_part(self.net))
            warn_of_memory(self.training_memory, self.net, train, valid, self.settings)
            history = train_network(
                self.net,
                train,
                valid,
                self.settings,
                seed=seed,
                work=folder,
                progress=progress,
                watch=self.watch,
            )
        self._set_to_predict()
        return history

    def predict_proba(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the outputs (n, *target.output_shape) of rows (n, *row_shape), by the loss of logits."""
        device = self._device()
        loss = losses[self.settings.loss_of(self.target)]()

        def compute(batch: NDArray[np.float32]) -> NDArray[np.float64]:
            logits = self.net(torch.from_numpy(batch.copy()).to(device)).cpu()
            outputs: NDArray[np.float64] = loss.probabilities(logits.double()).numpy()
            return outputs

        with torch.inference_mode():
            batches = in_fixed_batches(compute, rows, min(self.settings.batch, MOST_TOGETHER))
            outputs = np.concatenate([np.zeros((0, *self.target.output_shape)), *batches])
        return self.target.undo(outputs)

    def save(self, folder: Path) -> None:
        """Write the weights as safetensors."""
        from safetensors.torch import save

        state = trained_part(self.net).state_dict()  # the same names, whether it reads waves or features
        weights = {name: value.cpu().contiguous() for name, value in state.items()}
        (folder / FILE).write_bytes(save(weights))  # `save_file` would not raise OSError if the disk is full

    def load(self, folder: Path) -> None:
        """Read the weights into a new network.

        Raises
        ------
        ModelError
            The file cannot be read, or its weights do not fit the network.
        """
        from safetensors.torch import load

        try:
            with open_plain(folder / FILE) as file:
                weights = load(file.read())
            with _torch_defaults():
                self._check_shapes(weights)
                self.net = self.whole_network()
                trained_part(self.net).load_state_dict(weights)
        except Exception as error:  # safetensors' own errors, and torch's about names and shapes
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"{folder / FILE} cannot be read ({reason})", "train again") from error
        self._set_to_predict()

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(weights.numel() for weights in self.net.parameters())

    def layers(self) -> list[Layer]:
        """Return the layers of a new network in the order of computation."""
        layers: list[Layer] = []

        def recorder(name: str) -> Callable[..., None]:
            def hook(layer: nn.Module, _: object, out: Tensor | tuple[Tensor, ...]) -> None:
                shape = tuple((out if isinstance(out, Tensor) else out[0]).shape[1:])
                count = sum(weights.numel() for weights in layer.parameters())
                layers.append(Layer(name, type(layer).__name__, shape, count))

            return hook

        with _shapes_only():
            net = self.whole_network().eval()
            for name, layer in net.named_modules():
                if not list(layer.children()) or isinstance(layer, Frontend):  # of which the parts do not run
                    layer.register_forward_hook(recorder(name))
            net(torch.zeros(1, *self.row_shape))
        return layers

    def training_memory(self) -> TrainingMemory | None:
        """Return an estimate of the memory that training takes, in float32.

        It is computed from shapes: see `estimate_memory`. The memory that a process takes
        before it trains, about 0.5 GB for torch, is not in it.
        """
        from audiospec.zoo.fitting.memory import estimate_memory

        with _torch_defaults():
            return estimate_memory(
                self.whole_network,
                self.row_shape,
                self.target.output_shape,
                self.settings.loss_of(self.target),
            )

    def _check_shapes(self, weights: Mapping[str, Tensor]) -> None:
        """Raise an error if weights do not fit the network, before the network takes memory."""
        with torch.device("meta"):
            trained_part(self.whole_network()).load_state_dict(
                {name: torch.empty_like(value, device="meta") for name, value in weights.items()}
            )

    def _set_to_predict(self) -> None:
        """Move the network to the device that predicts, and switch it to evaluation."""
        self.net.to(self._device()).eval()

    def _device(self) -> str:
        return "cuda" if self.settings.cuda() else "cpu"

    def _check_devices(self) -> None:
        settings = self.settings
        gpus = torch.cuda.device_count()
        if settings.device == "cuda" and not settings.cuda():
            raise ModelError("this machine has no CUDA device", 'leave out `device="cuda"`')
        if settings.cuda() and settings.devices > gpus:
            raise ModelError(
                f"parameter devices must be at most {gpus}, the GPUs of this machine; got {settings.devices}"
            )


@contextmanager
def _shapes_only() -> Iterator[None]:
    """Use the device "meta", which computes shapes only, so that long rows take no memory."""
    with _torch_defaults(), torch.device("meta"), torch.no_grad():
        yield


@contextmanager
def _torch_defaults() -> Iterator[None]:
    """Set torch's defaults, then restore the caller's; the caller's random state does not change."""
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.random.fork_rng(), torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        torch.set_default_dtype(dtype)
