"""Networks that read waves: which frontend computes their rows, and the frontend in front of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from audiospec.errors import ModelError
from audiospec.features.base import frontend
from audiospec.specs.base import FeatureSpec, spec_class
from audiospec.specs.presets.base import presets
from audiospec.specs.presets.base import spec as preset_spec


class WaveNetwork(nn.Module):
    """Maps waves (B, samples) to the logits of a network of features, which a frontend computes.

    The frontend computes on the device of the waves, in float32, and is not in a checkpoint: it has no
    weights. A gradient flows back to the waves if they require one.

    Parameters
    ----------
    spec : FeatureSpec
        What the frontend computes.
    net : Module
        Maps rows (B, *row_shape) of the spec to logits.
    """

    def __init__(self, spec: FeatureSpec, net: nn.Module) -> None:
        super().__init__()
        with torch.device("cpu"):  # also where shapes alone are computed: its constants are made from numbers
            self.frontend = frontend(spec)
        self.net = net

    def forward(self, waves: Tensor) -> Tensor:
        """Return logits of waves (B, samples)."""
        logits: Tensor = self.net(self.frontend(waves))
        return logits


def trained_part(net: nn.Module) -> nn.Module:
    """Return the part of a network that has weights: what is behind the frontend, if there is one."""
    return net.net if isinstance(net, WaveNetwork) else net


def require_frontend_name(name: str) -> None:
    """Raise `RegistryError` unless a feature or a preset has this name."""
    if name not in presets.names():
        spec_class(name)


def frontend_spec(choice: str | Mapping[str, Any], sample_rate: int | None = None) -> FeatureSpec:
    """Return the spec that the parameter `frontend` of a network chooses.

    Parameters
    ----------
    choice : str or mapping
        The name of a preset or a feature; or such a name as ``feature``, with fields of its spec; or a whole
        spec (`to_dict`). Of a preset and a feature of one name, the preset is meant.
    sample_rate : int or None
        Rate in Hz at which a feature is computed. A preset and a whole spec have their own. None: the
        feature's default.

    Raises
    ------
    SpecError, RegistryError
        No such preset or feature, or its fields are not valid.
    """
    fields: dict[str, Any] = {"feature": choice} if isinstance(choice, str) else dict(choice)
    if "version" in fields:
        return FeatureSpec.from_dict(fields)
    name = str(fields.pop("feature"))
    if name in presets.names():
        return preset_spec(name, **fields)
    if sample_rate is not None:
        fields.setdefault("sample_rate", sample_rate)
    return spec_class(name).replace_in(fields)


def frontend_of_waves(choice: str | Mapping[str, Any], waves: FeatureSpec) -> FeatureSpec:
    """Return the spec of a frontend that reads the rows of a view of waves.

    Parameters
    ----------
    choice : str or mapping
        See `frontend_spec`. A feature is computed at the rate of the waves.
    waves : FeatureSpec
        Of the view.

    Returns
    -------
    FeatureSpec
        In float32: a network does not round its features to the dtype of a store.

    Raises
    ------
    ModelError
        The spec is of another rate, or of a channel: the waves are of one channel already.
    SpecError, RegistryError
        As `frontend_spec`.
    """
    rate = waves.sample_rate
    spec = frontend_spec(choice, rate)
    if spec.sample_rate != rate:
        raise ModelError(
            f"frontend {spec.feature} is at {spec.sample_rate} Hz; the waves are at {rate} Hz",
            f"featurize waves with `sample_rate={spec.sample_rate}`, or choose another `frontend`",
        )
    if spec.channel != "mix":
        raise ModelError(
            f"frontend {spec.feature} reads waves of one channel; got channel {spec.channel!r}",
            "choose the channel of the waves when they are featurized",
        )
    return replace(spec, dtype="float32")
