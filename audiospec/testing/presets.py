"""PresetContract: the tests that every preset must pass, as a class to inherit from.

A preset is tested by one subclass::

    class TestMine(PresetContract):
        name = "mine"

        def reference(self, wave):
            return mine.melspectrogram(wave)
"""

from __future__ import annotations

import inspect
import math
from typing import Any, ClassVar, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from audiospec.errors import SpecError
from audiospec.features.base import Frontend, frontend, store_row
from audiospec.specs.base import FeatureSpec, features
from audiospec.specs.mel import MelSpec
from audiospec.specs.presets import base
from audiospec.specs.presets.base import is_share, presets

#: Decibels below a row's largest value within which differences count on a logarithmic scale, as for the
#: parity of mel: further down, float32 has lost its digits in what louder bins leave in a Fourier transform.
RANGE = 80.0
#: Logarithmic scale → a decibel of power in its unit.
_DECIBEL = {"db": 1.0, "ln": math.log(10) / 10, "log10": 0.1}


def largest_difference(
    spec: FeatureSpec, row: NDArray[Any], expected: NDArray[Any], within: float = RANGE
) -> float:
    """Return the largest difference of a row from its reference.

    On a linear scale it is a share of the largest value. On a logarithmic scale only values at most `within`
    below the largest count. Otherwise all count.

    Parameters
    ----------
    spec : FeatureSpec
    row, expected : ndarray, of equal shapes
    within : float
        In decibels of power.

    Raises
    ------
    ValueError
        The shapes differ.
    """
    if row.shape != expected.shape:
        raise ValueError(f"a row has shape {row.shape}, its reference {expected.shape}")
    apart = np.abs(row.astype(np.float64) - expected.astype(np.float64))
    scale = getattr(spec, "scale", "")
    if is_share(spec):
        return float(apart.max() / max(float(np.abs(expected).max()), np.finfo(np.float32).tiny))
    if isinstance(spec, MelSpec) and scale in _DECIBEL:
        unit = _DECIBEL[scale] * spec.power / 2 / spec.std
        apart = apart[expected >= expected.max() - within * unit]
    return float(apart.max())


class PresetContract:
    """Tests that every preset passes, on a CPU.

    Attributes
    ----------
    name : str
        The preset's name in the registry.
    seconds : float
        Length of the test signals.
    """

    name: ClassVar[str]
    seconds: ClassVar[float] = 2.0

    def reference(self, wave: NDArray[np.float32]) -> NDArray[Any] | None:
        """Return the row of a wave (samples,) as the reference computes it; None if the preset has none."""
        return None

    @pytest.fixture
    def spec(self) -> FeatureSpec:
        """Return the preset's spec."""
        return base.spec(self.name)

    def waves(self, rate: int) -> dict[str, NDArray[np.float32]]:
        """Return test signals (samples,) by name: noise, a loud sweep that fades, and a click in silence."""
        samples = round(self.seconds * rate)
        time = np.arange(samples) / rate
        click = np.zeros(samples)
        click[samples // 3] = 0.5
        made = {
            "noise": 0.1 * np.random.default_rng(0).standard_normal(samples),
            "sweep": np.exp(-time) * np.sin(np.pi * rate / 3 * time**2 / self.seconds),
            "click": click,
        }
        return {name: wave.astype(np.float32) for name, wave in made.items()}

    def test_is_listed_with_a_summary_and_a_source(self) -> None:
        """The registry lists it, in one line, and its docstring says where its values are from."""
        assert self.name in presets.names()
        assert len(presets.summary(self.name)) > 10
        assert "Source: " in inspect.cleandoc(presets[self.name].__doc__ or "")

    def test_returns_the_same_spec_each_time(self, spec: FeatureSpec) -> None:
        """Two calls return equal specs, which survive a store's JSON."""
        assert isinstance(spec, FeatureSpec)
        assert presets[self.name]() == spec
        assert FeatureSpec.from_dict(spec.to_dict()) == spec

    def test_fields_can_be_changed(self, spec: FeatureSpec) -> None:
        """A change replaces one field; an unknown field is refused, and the message names the preset."""
        changed = base.spec(self.name, channel="left")
        assert changed.channel == "left"
        assert changed.to_dict() == {**spec.to_dict(), "channel": "left"}
        with pytest.raises(SpecError, match=f"preset '{self.name}'.* has no parameter 'chanel'.*'channel'"):
            base.spec(self.name, chanel="left")

    def test_rows_are_finite_as_stored(self, spec: FeatureSpec) -> None:
        """Rows of noise, of a tone and of silence hold finite numbers in the spec's dtype."""
        module = frontend(spec)
        silence = np.zeros(round(self.seconds * spec.sample_rate), np.float32)
        for wave in (*self.waves(spec.sample_rate).values(), silence):
            row = module(torch.from_numpy(wave))
            stored = np.empty(spec.row_shape(len(wave)), spec.dtype)
            store_row(spec, row, stored)
            assert row.isfinite().all()
            assert np.isfinite(stored).all()

    def test_equals_its_reference(self, spec: FeatureSpec) -> None:
        """Rows differ from those of the reference by no more than the preset says, by every backend."""
        held = base.reference(self.name)
        if held is None:
            pytest.skip(f"preset {self.name} names no reference")
        kind = cast(type[Frontend], features[spec.feature])
        modules = [
            frontend(spec, backend=backend)
            for backend in kind.backends
            if not kind.reason_missing(backend, spec, "cpu")
        ]
        for signal, wave in self.waves(spec.sample_rate).items():
            expected = self.reference(wave)
            assert expected is not None, f"`reference` computes nothing, but the preset names {held.name}"
            for module in modules:
                difference = largest_difference(spec, module(torch.from_numpy(wave)).numpy(), expected)
                assert difference <= held.within, (
                    f"{signal}, backend {module.backend}: differs by {difference:.3g} from {held.name}"
                )
