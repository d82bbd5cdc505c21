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


def frontend_spec(choice: str | Mapping[str, Any]) -> FeatureSpec:
    """Return the spec that the parameter `frontend` of a network chooses.

    Parameters
    ----------
    choice : str or mapping
        The name of a feature; or fields of its spec besides ``feature``; or a whole spec (`to_dict`).

    Raises
    ------
    SpecError, RegistryError
        No such feature, or its fields are not valid.
    """
    if isinstance(choice, str):
        return spec_class(choice)()
    if "version" in choice:
        return FeatureSpec.from_dict(choice)
    fields = dict(choice)
    return spec_class(str(fields.pop("feature"))).replace_in(fields)


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
    named: dict[str, Any] = {"feature": choice} if isinstance(choice, str) else dict(choice)
    if "version" not in named:
        named.setdefault("sample_rate", rate)
    spec = frontend_spec(named)
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
