"""Settings of a network's training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import torch

from audiospec.errors import ModelError, RegistryError, nearest
from audiospec.fields import shown
from audiospec.specs.base import FeatureSpec
from audiospec.zoo.base import ModelSettings
from audiospec.zoo.fitting.wave_network import frontend_of_waves, require_frontend_name
from audiospec.zoo.losses.base import losses
from audiospec.zoo.targets.base import Target

#: The loss that belongs to the target.
AUTO = "auto"
#: Augmentations of waves, in the order in which they are applied.
AUGMENTATIONS = ("pitch", "shift", "room", "noise", "gain")


@dataclass(frozen=True, kw_only=True)
class NetworkSettings(ModelSettings):
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        Largest number of epochs; at least 1.
    patience : int
        Epochs without a lower validation loss after which training stops; the best epoch is kept.
    batch : int
        Rows in a step, over all devices.
    learning_rate : float
        Learning rate of Adam; above 0.
    loss : str
        Name in the registry of losses; `audiospec losses` lists them. ``"auto"``: that of the target, such as
        cross-entropy for one label a row.
    class_weights : bool
        Whether to weight the loss so that all classes count alike, however many rows they have; of several
        labels, the positives of each.
    balance : bool
        Whether training shows rare labels as often as others, or numbers of a rare size. An epoch has as many
        rows; a row may be in it several times, or not at all.
    mask_mel, mask_time : float
        Largest share of a row's mel bins, and of its frames, that SpecAugment hides in training, 0 to 1.
        Where each frame has labels, those of hidden frames do not count.
    mixup : float
        Alpha of the Beta distribution of mixup's shares in training; 0 for no mixup, 0.2 is usual.
    frontend : str, mapping or none
        For a view of waves: the name of the feature that the network computes, such as ``"mel"``, at the rate
        of the waves, or of a preset, such as ``"whisper"``. ``frontend.FIELD`` sets a field of its spec.
    augment : tuple of str
        Augmentations of waves in training, separated by commas: pitch, shift, room, noise, gain.
    augment_share : float
        Probability with which each of them is applied to a row, above 0, at most 1.
    pitch : (float, float)
        Lowest and highest shift of the pitch in semitones; the library shifts by simple ratios between them.
    shift : (float, float)
        Largest shift of a row to the left (negative) and to the right, as a share of the row, -1 to 1. What
        is shifted out comes in at the other end.
    room : (float, float)
        Shortest and longest reverberation time of made-up rooms in seconds, above 0, at most 10.
    noise : (float, float)
        Lowest and highest level of a row above the noise that is added, in dB.
    noise_decay : (float, float)
        Smallest and largest exponent by which noise falls with frequency: 0 is white, 1 pink, -1 blue.
    gain : (float, float)
        Lowest and highest gain in dB.
    device : "auto", "cpu" or "cuda"
        ``"auto"``: a GPU if there is one, else the CPU. Training on a GPU is in bfloat16.
    devices : int
        Number of processes that share each step; each has its own GPU, or its part of the CPU.
    tensorboard : bool
        Whether to write the history for TensorBoard as well.
    """

    epochs: int = 100
    patience: int = 10
    batch: int = 16
    learning_rate: float = 1e-3
    loss: str = AUTO
    class_weights: bool = False
    balance: bool = False
    mask_mel: float = 0.0
    mask_time: float = 0.0
    mixup: float = 0.0
    frontend: str | dict[str, Any] | None = None
    augment: tuple[str, ...] = ()
    augment_share: float = 0.5
    pitch: tuple[float, float] = (-4.0, 4.0)
    shift: tuple[float, float] = (-0.5, 0.5)
    room: tuple[float, float] = (0.1, 0.6)
    noise: tuple[float, float] = (3.0, 30.0)
    noise_decay: tuple[float, float] = (-2.0, 2.0)
    gain: tuple[float, float] = (-6.0, 6.0)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    devices: int = 1
    tensorboard: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "frontend", _frontend(self.frontend))
        super().__post_init__()
        self._check_augmentation()
        for name, valid, expected in (
            ("epochs", self.epochs >= 1, "at least 1"),
            ("patience", self.patience >= 1, "at least 1"),
            ("batch", self.batch >= 1, "at least 1"),
            ("learning_rate", self.learning_rate > 0, "above 0"),
            ("mask_mel", 0 <= self.mask_mel <= 1, "from 0 to 1"),
            ("mask_time", 0 <= self.mask_time <= 1, "from 0 to 1"),
            ("mixup", self.mixup == 0 or self.mixup >= 0.001, "0, or at least 0.001"),
            ("devices", self.devices >= 1, "at least 1"),
        ):
            if not valid:
                raise ModelError(f"parameter {name} must be {expected}; got {getattr(self, name)!r}")

        names = [AUTO, *losses.names()]
        if self.loss not in names:
            raise ModelError(
                f"parameter loss must be the name of a loss; got {self.loss!r}{nearest(self.loss, names)} "
                f"(there are: {', '.join(names)})"
            )

    def _check_augmentation(self) -> None:
        chosen = () if self.augment in (("none",), ("",)) else tuple(dict.fromkeys(self.augment))
        object.__setattr__(self, "augment", chosen)
        for name in chosen:
            if name not in AUGMENTATIONS:
                raise ModelError(
                    f"parameter augment must be names of augmentations; got {name!r}"
                    f"{nearest(name, AUGMENTATIONS)} (there are: {', '.join(AUGMENTATIONS)})"
                )
        if not 0 < self.augment_share <= 1:
            raise ModelError(
                f"parameter augment_share must be above 0, at most 1; got {self.augment_share!r}"
            )
        for name, least, most in (
            ("pitch", -24, 24),
            ("shift", -1, 1),
            ("room", 0.01, 10),
            ("noise", -60, 120),
            ("noise_decay", -4, 4),
            ("gain", -60, 60),
        ):
            low, high = getattr(self, name)
            if not least <= low < high <= most:
                raise ModelError(
                    f"parameter {name} must be two numbers from {least} to {most}, the lower one first; got "
                    f"{low:g}, {high:g}"
                )

    @classmethod
    def replace_in(cls, values: Mapping[str, Any], whose: str = "") -> Self:
        """Make an instance with the given parameters; ``frontend.FIELD`` is a field of the frontend's spec.

        See `Fields.replace_in`.
        """
        prefix = "frontend."
        fields = {key.removeprefix(prefix): one for key, one in values.items() if key.startswith(prefix)}
        if not fields:
            return super().replace_in(values, whose)
        named = values.get("frontend")
        if not isinstance(named, str):
            raise ModelError(
                f"parameter {prefix}{next(iter(fields))} is of a frontend that has a name; got {named!r}",
                'name one, such as `frontend="mel"`',
            )
        rest = {key: one for key, one in values.items() if not key.startswith(prefix)}
        return super().replace_in({**rest, "frontend": {**fields, "feature": named}}, whose)

    def for_spec(self, spec: FeatureSpec) -> Self:
        """Return the parameters with the frontend's whole spec, for the rows of a view.

        Raises
        ------
        ModelError
            The rows are not waves, which a frontend and augmentation of waves need.
        SpecError
            The frontend's fields are not valid at the rate of the waves.
        """
        if spec.kind == "wave":
            if self.frontend is None:
                return self
            return replace(self, frontend=frontend_of_waves(self.frontend, spec).to_dict())
        for name, value in (("frontend", self.frontend), ("augment", self.augment)):
            if value:
                raise ModelError(
                    f"parameter {name} is for a view of waves; got {spec.kind!r} rows of feature "
                    f"{spec.feature!r}",
                    f"leave out `{name}`, or make a view with `audiospec featurize --features wave`",
                )
        return self

    def for_target(self, target: type[Target] | Target) -> Self:
        """Return the parameters with the loss that is minimised for a target.

        Raises
        ------
        ModelError
            The chosen loss does not serve the target; or rows are shifted, and their labels have a time.
        """
        if target.name == "frames" and "shift" in self.augment:
            raise ModelError(
                "augmentation 'shift' would move sounds away from labels in time",
                "leave shift out of `augment`",
            )
        return replace(self, loss=self.loss_of(target))

    def loss_of(self, target: type[Target] | Target) -> str:
        """Return the name of the loss that is minimised for a target.

        Raises
        ------
        ModelError
            The chosen loss does not serve the target.
        """
        if self.loss == AUTO:
            return target.loss
        served = losses[self.loss].targets
        if target.name not in served:
            raise ModelError(
                f"loss {self.loss!r} is for the target {' or '.join(served)}; these rows have the target "
                f"{target.name!r}",
                f"leave out `loss`, which then is {target.loss!r}",
            )
        return self.loss

    def cuda(self) -> bool:
        """Return whether to use a GPU."""
        return self.device != "cpu" and torch.cuda.is_available()


def _frontend(value: object) -> str | dict[str, Any] | None:
    """Return a choice of a frontend as the parameter holds it: a name, or a spec as plain values."""
    if value is None or value == "none":
        return None
    if isinstance(value, FeatureSpec):
        return value.to_dict()
    name = value.get("feature") if isinstance(value, Mapping) else value
    try:
        if isinstance(name, str):
            require_frontend_name(name)
            return name if isinstance(value, str) else {**value}  # type: ignore[dict-item]
        problem = f"got {shown(value)}"
    except RegistryError as error:
        problem = str(error)
    raise ModelError(
        f"parameter frontend must be the name of a feature or preset, a spec, or none: {problem}"
    )
