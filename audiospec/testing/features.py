"""FrontendContract: the tests that every feature must pass, as a class to inherit from.

A feature is tested by one subclass::

    class TestMine(FrontendContract):
        name = "mine"

        @pytest.fixture
        def spec(self):
            return MineSpec(...)  # small, so that the tests are quick
"""

from __future__ import annotations

import copy
import json
import math
import pickle
import subprocess
import sys
import typing
from typing import Any, ClassVar, cast

import pytest
import torch
from torch import Tensor, nn

from audiospec.errors import SpecError
from audiospec.features.base import Frontend
from audiospec.specs.base import FeatureSpec, Kind, features, spec_class


class _ForeignSpec(FeatureSpec, feature="contract-of-another-feature"):
    """A spec that no frontend computes."""

    def validate(self) -> None:
        """Accept every spec."""

    @property
    def dims(self) -> tuple[str, ...]:
        """Return no axes."""
        return ()

    @property
    def unit(self) -> str:
        """Return no unit."""
        return ""

    def row_shape(self, samples: int) -> tuple[int, ...]:
        """Return the shape of a single number."""
        return ()

    def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
        """Return no coordinates."""
        return {}


class FrontendContract:
    """Tests that every feature's frontend passes, on a CPU, with each of its backends.

    Attributes
    ----------
    name : str
        The feature's name in the registry.
    samples : int
        Length of the chunks that the tests use, at the spec's rate; enough for the spec.
    tolerance : float
        The largest difference from float64, as `Frontend.parity` measures it.
    close : float
        The largest difference, in the feature's unit, between rows of one chunk computed alone, in a batch,
        on more threads, or by another backend. See `exact`.
    exact : tuple of str
        Backends, besides the first, whose rows must then be equal to the bit.
    differentiable : bool
        Whether a gradient flows back to the waves.
    """

    name: ClassVar[str]
    samples: ClassVar[int] = 3000
    tolerance: ClassVar[float] = 0.01
    close: ClassVar[float] = 0.01
    exact: ClassVar[tuple[str, ...]] = ()
    differentiable: ClassVar[bool] = True

    @pytest.fixture
    def spec(self) -> FeatureSpec:
        """Return a small spec of the feature."""
        raise NotImplementedError("expected a fixture `spec` in the subclass")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test that takes a backend with every backend."""
        if "backend" in metafunc.fixturenames:
            metafunc.parametrize("backend", features[self.name].backends)

    @pytest.fixture
    def frontend(self, spec: FeatureSpec, backend: str) -> Frontend:
        """Return the frontend of `spec` with one of its backends; skip one that this machine lacks."""
        kind = cast(type[Frontend], features[self.name])
        reason = kind.reason_missing(backend, spec)
        if reason:
            pytest.skip(f"backend {backend!r}: {reason}")
        return kind(spec, backend=backend)

    @pytest.fixture
    def waves(self) -> Tensor:
        """Return `signals`."""
        return self.signals()

    def signals(self) -> Tensor:
        """Return five chunks: noise, a tone, a click, quiet noise, and silence."""
        time = torch.arange(self.samples)
        noise = torch.randn(self.samples, generator=torch.Generator().manual_seed(0)) / 10
        click = torch.zeros(self.samples)
        click[self.samples // 3] = 1
        tone = 0.5 * torch.sin(time * 0.1)
        return torch.stack([noise, tone, click, noise * 1e-4, torch.zeros(self.samples)])

    def same(self, frontend: Frontend, one: Tensor, other: Tensor) -> bool:
        """Return whether two results are equal: to the bit for `exact` backends, else within `close`."""
        if frontend.backend in (frontend.backends[0], *self.exact):
            return torch.equal(one, other)
        return one.shape == other.shape and self.distance(one, other) <= self.close

    def distance(self, one: Tensor, other: Tensor) -> float:
        """Return the largest difference; a subclass may leave out values dominated by rounding errors."""
        return float((one - other).abs().max()) if one.numel() else 0.0

    # --- the registry and the spec -------------------------------------------------------------------

    def test_is_registered(self, spec: FeatureSpec) -> None:
        """The registry has it under the name that its specs have."""
        assert self.name in features.names()
        assert spec.feature == self.name
        assert features[self.name].spec_class is type(spec) is spec_class(self.name)

    def test_has_a_summary(self) -> None:
        """The first line of its module's docstring is a short summary."""
        summary = features.summary(self.name)
        assert summary
        assert len(summary) <= 100

    def test_importing_and_making_it_prints_nothing(self, spec: FeatureSpec) -> None:
        """Nothing is written to standard output or standard error."""
        script = (
            "import json, sys; from audiospec.specs.base import FeatureSpec, features; "
            "spec = FeatureSpec.from_dict(json.loads(sys.argv[1])); "
            "kind = features[spec.feature]; "
            "[kind(spec, backend=b) for b in kind.backends if not kind.reason_missing(b, spec)]"
        )
        process = subprocess.run(
            [sys.executable, "-c", script, json.dumps(spec.to_dict())], capture_output=True, check=True
        )
        assert (process.stdout, process.stderr) == (b"", b"")

    def test_spec_survives_json(self, spec: FeatureSpec) -> None:
        """A store can write it as JSON and read it back."""
        again = FeatureSpec.from_dict(json.loads(json.dumps(spec.to_dict(), allow_nan=False)))
        assert again == spec
        assert again.fingerprint == spec.fingerprint

    def test_coordinates_fit_the_rows(self, spec: FeatureSpec) -> None:
        """Each axis has a name, and one value per position."""
        coordinates = spec.coordinates(self.samples)
        assert tuple(coordinates) == spec.dims != ()
        assert tuple(len(values) for values, _ in coordinates.values()) == spec.row_shape(self.samples)
        assert len(set(spec.dims) | {"row"}) == len(spec.dims) + 1

    def test_kind_fits_the_axes(self, spec: FeatureSpec) -> None:
        """A table's axis has names, a spectrogram's two rise (times last), and a wave's is times."""
        axes = list(spec.coordinates(self.samples).values())
        assert spec.kind in typing.get_args(Kind)
        assert spec.is_of(spec.kind)
        assert spec.is_of(self.name)
        if spec.kind == "table":
            assert [unit for _, unit in axes] == [""]
            assert all(isinstance(name, str) for name in axes[0][0])
            assert len(set(axes[0][0])) == len(axes[0][0])
        elif spec.kind == "spectrogram":
            assert [unit for _, unit in axes] in (["Hz", "s"], ["", "s"])
            assert all(list(values) == sorted(values) for values, _ in axes)
        elif spec.kind == "wave":
            assert [unit for _, unit in axes] == ["s"]
            assert list(axes[0][0]) == [number / spec.sample_rate for number in range(self.samples)]
        assert "kind" not in spec.to_dict()  # it follows from the feature, and is no part of a fingerprint

    # --- the module ----------------------------------------------------------------------------------

    @pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3), (2, 1, 3), (0,), (2, 0)])
    def test_any_leading_axes(self, frontend: Frontend, waves: Tensor, shape: tuple[int, ...]) -> None:
        """Rows have the spec's shape behind any number of leading axes, including none."""
        batch = waves[0].repeat(*shape, 1) if shape else waves[0]
        rows = frontend(batch)
        assert rows.shape == (*shape, *frontend.spec.row_shape(self.samples))
        assert rows.dtype == torch.float32
        for row in rows.reshape(-1, *frontend.spec.row_shape(self.samples)):
            assert self.same(frontend, row, frontend(waves[0]))

    @pytest.mark.parametrize("extra", [0, 1, 17, 500])
    def test_shape_for_any_length(self, frontend: Frontend, extra: int) -> None:
        """The spec predicts the shape, and every number is finite."""
        samples = self.samples + extra
        rows = frontend(torch.linspace(-1, 1, samples))
        assert rows.shape == frontend.spec.row_shape(samples)
        assert rows.isfinite().all()

    def test_a_row_depends_on_its_chunk_alone(self, frontend: Frontend, waves: Tensor) -> None:
        """The result is the same alone, in a batch, in another order, and with another memory layout."""
        batch = frontend(waves)
        for wave, row in zip(waves, batch, strict=True):
            assert self.same(frontend, frontend(wave), row)
        assert self.same(frontend, frontend(waves.flip(0)), batch.flip(0))
        strided = torch.stack([waves, -waves], dim=2).reshape(len(waves), -1)[:, ::2]
        assert not strided.is_contiguous()
        assert self.same(frontend, frontend(strided), batch)

    def test_is_deterministic(self, frontend: Frontend, waves: Tensor) -> None:
        """A second call, and another frontend of the spec, give the same bits."""
        again = features[self.name](frontend.spec, backend=frontend.backend)
        assert torch.equal(frontend(waves), frontend(waves))
        assert torch.equal(frontend(waves), again(waves))

    def test_leaves_the_waves_alone(self, frontend: Frontend, waves: Tensor) -> None:
        """The input is not modified, with a gradient or without."""
        before = waves.clone()
        frontend(waves)
        frontend(waves.requires_grad_())
        assert torch.equal(waves, before)

    def test_rows_are_finite(self, frontend: Frontend, waves: Tensor) -> None:
        """Silence, a click, a tone and full scale give finite numbers."""
        assert frontend(waves).isfinite().all()
        assert frontend(torch.ones(self.samples)).isfinite().all()
        assert frontend(waves[0].sign()).isfinite().all()

    def test_inference_and_training_agree(self, frontend: Frontend, waves: Tensor) -> None:
        """Results agree with a gradient or without, in train or eval mode, and in inference mode."""
        rows = frontend(waves)
        assert self.distance(rows, frontend(waves.clone().requires_grad_()).detach()) <= self.close
        assert torch.equal(frontend.eval()(waves), frontend.train()(waves))
        with torch.inference_mode():
            assert torch.equal(frontend(waves), rows)

    def test_gradient_is_finite(self, frontend: Frontend, waves: Tensor) -> None:
        """Every chunk, including silence, gets a gradient without NaN."""
        if not self.differentiable:
            pytest.skip("not differentiable")
        waves.requires_grad_()
        frontend(waves).sum().backward()
        assert waves.grad is not None
        assert waves.grad.isfinite().all()
        assert waves.grad[0].abs().sum() > 0

    def test_has_no_state(self, frontend: Frontend) -> None:
        """A checkpoint contains nothing of it, because it is computed from the spec."""
        assert frontend.state_dict() == {}
        assert list(frontend.parameters()) == []

    def test_copies_compute_the_same(self, frontend: Frontend, waves: Tensor) -> None:
        """It can be copied and pickled, as data loaders and trainers do."""
        rows = frontend(waves)
        for copied in (copy.deepcopy(frontend), pickle.loads(pickle.dumps(frontend))):  # noqa: S301
            assert copied.spec == frontend.spec
            assert torch.equal(copied(waves), rows)

    def test_works_inside_a_model(self, frontend: Frontend, waves: Tensor) -> None:
        """It works as the first layer of a model."""
        model = nn.Sequential(frontend, nn.Flatten(), nn.LazyLinear(2))
        model(waves).sum().backward()
        assert torch.equal(model[0](waves), frontend(waves))

    def test_moves(self, frontend: Frontend, waves: Tensor) -> None:
        """It can be moved to another precision and back, and to a device."""
        rows = frontend(waves)
        exact = frontend.double()(waves.double())
        assert exact.dtype == torch.float64
        assert self.distance(exact, rows) <= self.close
        assert torch.equal(frontend.float().to("cpu")(waves), rows)
        assert frontend.to("meta")(waves.to("meta")).shape == rows.shape

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
    def test_waves_of_any_precision(self, frontend: Frontend, waves: Tensor, dtype: torch.dtype) -> None:
        """Rows are computed in the module's precision, and returned in the waves' dtype or in float32."""
        rows = frontend(waves.to(dtype))
        expected = dtype if frontend.keeps_half or dtype == torch.float64 else torch.float32
        assert rows.dtype == expected
        assert rows.isfinite().all()
        assert torch.equal(rows, frontend(waves.to(dtype).float()).to(expected))

    @pytest.mark.parametrize("gradient", [False, True])
    def test_autocast_changes_nothing(self, frontend: Frontend, waves: Tensor, gradient: bool) -> None:
        """Mixed precision, as set by trainers, does not change rows."""
        waves.requires_grad_(gradient)
        rows = frontend(waves)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = frontend(waves)
        assert torch.equal(mixed, rows)

    def test_threads_change_nothing(self, frontend: Frontend, waves: Tensor) -> None:
        """Rows are the `same` on one thread of torch and on two."""
        before = torch.get_num_threads()
        try:
            torch.set_num_threads(1)
            one = frontend(waves)
            torch.set_num_threads(2)
            two = frontend(waves)
        finally:
            torch.set_num_threads(before)
        assert self.same(frontend, one, two)

    def test_backends_agree(self, frontend: Frontend, waves: Tensor) -> None:
        """Backends differ in speed, not in results."""
        other = features[self.name](frontend.spec)
        assert self.distance(other(waves), frontend(waves)) <= self.close

    def test_parity_is_small(self, frontend: Frontend) -> None:
        """`parity` is within `tolerance`, for short chunks and long ones."""
        for samples in (self.samples, 10 * self.samples):
            parity = frontend.parity(samples)
            assert math.isfinite(parity)
            assert 0 <= parity <= self.tolerance

    # --- refused input -------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "wrong",
        [
            torch.zeros(4000, dtype=torch.int16),
            torch.zeros(4000, dtype=torch.complex64),
            torch.zeros(4000, dtype=torch.bool),
            torch.tensor(0.5),
        ],
        ids=["int16", "complex", "bool", "scalar"],
    )
    def test_refuses_what_is_not_a_wave(self, frontend: Frontend, wrong: Tensor) -> None:
        """Integers, complex numbers and scalars are refused."""
        with pytest.raises(SpecError, match=r"expected waves of shape \(\.\.\., samples\).*got shape"):
            frontend(wrong)

    def test_refuses_no_samples(self, frontend: Frontend) -> None:
        """Waves without samples are refused."""
        with pytest.raises(SpecError, match="0 samples"):
            frontend(torch.zeros(3, 0))

    def test_refuses_another_features_spec(self) -> None:
        """The error names the type of the other feature's spec."""
        wrong: Any = _ForeignSpec()
        with pytest.raises(SpecError, match="got _ForeignSpec"):
            features[self.name](wrong)

    def test_refuses_an_unknown_backend(self, spec: FeatureSpec) -> None:
        """The error lists the choices and suggests the nearest."""
        first = features[self.name].backends[0]
        with pytest.raises(SpecError, match=f"no backend '{first}x'; did you mean '{first}'.*it has: "):
            features[self.name](spec, backend=f"{first}x")
