"""FrontendContract: what every feature must do, as tests to inherit.

A feature proves itself with one class::

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
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from audiospec.errors import SpecError
from audiospec.features.base import Frontend
from audiospec.specs.base import FeatureSpec, Kind, features, spec_class


class _ForeignSpec(FeatureSpec, feature="contract-of-another-feature"):
    """A spec that no frontend computes."""

    def validate(self) -> None:
        """Accept."""

    @property
    def dims(self) -> tuple[str, ...]:
        """Name no axis."""
        return ()

    @property
    def unit(self) -> str:
        """Have none."""
        return ""

    def row_shape(self, samples: int) -> tuple[int, ...]:
        """Give a single number."""
        return ()

    def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
        """Give none."""
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
        The largest difference between rows of one chunk, computed alone, in a batch, on more threads, or by
        another backend, in the feature's unit. Of the first backend rows are equal to the bit.
    differentiable : bool
        Whether a gradient comes back to the waves.
    """

    name: ClassVar[str]
    samples: ClassVar[int] = 3000
    tolerance: ClassVar[float] = 0.01
    close: ClassVar[float] = 0.01
    differentiable: ClassVar[bool] = True

    @pytest.fixture
    def spec(self) -> FeatureSpec:
        """Return a small spec of the feature."""
        raise NotImplementedError("give a fixture `spec`")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run what asks for a backend with each."""
        if "backend" in metafunc.fixturenames:
            metafunc.parametrize("backend", features[self.name].backends)

    @pytest.fixture
    def frontend(self, spec: FeatureSpec, backend: str) -> Frontend:
        """Return the frontend of `spec` with one of its backends."""
        made: Frontend = features[self.name](spec, backend=backend)
        return made

    @pytest.fixture
    def waves(self) -> Tensor:
        """Return `signals`."""
        return self.signals()

    def signals(self) -> Tensor:
        """Return five chunks: noise, a tone, a click, a quiet one, and silence."""
        time = torch.arange(self.samples)
        noise = torch.randn(self.samples, generator=torch.Generator().manual_seed(0)) / 10
        click = torch.zeros(self.samples)
        click[self.samples // 3] = 1
        tone = 0.5 * torch.sin(time * 0.1)
        return torch.stack([noise, tone, click, noise * 1e-4, torch.zeros(self.samples)])

    def same(self, frontend: Frontend, one: Tensor, other: Tensor) -> bool:
        """Whether two results are equal: to the bit for the first backend, else to `close`."""
        if frontend.backend == frontend.backends[0]:
            return torch.equal(one, other)
        return one.shape == other.shape and self.distance(one, other) <= self.close

    def distance(self, one: Tensor, other: Tensor) -> float:
        """Return the largest difference; a subclass may leave out what drowns in rounding errors."""
        return float((one - other).abs().max()) if one.numel() else 0.0

    # --- the registry and the spec -------------------------------------------------------------------

    def test_is_registered(self, spec: FeatureSpec) -> None:
        """The registry knows it by the name that its specs have."""
        assert self.name in features.names()
        assert spec.feature == self.name
        assert features[self.name].spec_class is type(spec) is spec_class(self.name)

    def test_has_a_summary(self) -> None:
        """Its module begins with one line about it."""
        summary = features.summary(self.name)
        assert summary
        assert len(summary) <= 100

    def test_importing_and_making_it_prints_nothing(self, spec: FeatureSpec) -> None:
        """Neither output nor error output is written to."""
        script = (
            "import json, sys; from audiospec.specs.base import FeatureSpec, features; "
            "spec = FeatureSpec.from_dict(json.loads(sys.argv[1])); "
            "[features[spec.feature](spec, backend=b) for b in features[spec.feature].backends]"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, json.dumps(spec.to_dict())], capture_output=True, check=True
        )
        assert (done.stdout, done.stderr) == (b"", b"")

    def test_spec_comes_back_from_json(self, spec: FeatureSpec) -> None:
        """A store can write it down and read it."""
        again = FeatureSpec.from_dict(json.loads(json.dumps(spec.to_dict(), allow_nan=False)))
        assert again == spec
        assert again.fingerprint == spec.fingerprint

    def test_coordinates_fit_the_rows(self, spec: FeatureSpec) -> None:
        """Each axis has a name, and a value for each place along it."""
        coordinates = spec.coordinates(self.samples)
        assert tuple(coordinates) == spec.dims != ()
        assert tuple(len(values) for values, _ in coordinates.values()) == spec.row_shape(self.samples)
        assert len(set(spec.dims) | {"row"}) == len(spec.dims) + 1

    def test_kind_fits_the_axes(self, spec: FeatureSpec) -> None:
        """A table's one axis has names; a spectrogram's two are frequencies that rise, and times."""
        axes = list(spec.coordinates(self.samples).values())
        assert spec.kind in typing.get_args(Kind)
        assert spec.is_of(spec.kind)
        assert spec.is_of(self.name)
        if spec.kind == "table":
            assert [unit for _, unit in axes] == [""]
            assert all(isinstance(name, str) for name in axes[0][0])
            assert len(set(axes[0][0])) == len(axes[0][0])
        elif spec.kind == "spectrogram":
            assert [unit for _, unit in axes] == ["Hz", "s"]
            assert all(list(values) == sorted(values) for values, _ in axes)
        assert "kind" not in spec.to_dict()  # it follows from the feature, and is no part of a fingerprint

    # --- the module ----------------------------------------------------------------------------------

    @pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3), (2, 1, 3), (0,), (2, 0)])
    def test_any_leading_axes(self, frontend: Frontend, waves: Tensor, shape: tuple[int, ...]) -> None:
        """Rows have the spec's shape, whatever axes come before them, also none."""
        chosen = waves[0].repeat(*shape, 1) if shape else waves[0]
        rows = frontend(chosen)
        assert rows.shape == (*shape, *frontend.spec.row_shape(self.samples))
        assert rows.dtype == torch.float32
        for row in rows.reshape(-1, *frontend.spec.row_shape(self.samples)):
            assert self.same(frontend, row, frontend(waves[0]))

    @pytest.mark.parametrize("more", [0, 1, 17, 500])
    def test_shape_for_any_length(self, frontend: Frontend, more: int) -> None:
        """The spec foretells the shape, and every number is finite."""
        samples = self.samples + more
        rows = frontend(torch.linspace(-1, 1, samples))
        assert rows.shape == frontend.spec.row_shape(samples)
        assert rows.isfinite().all()

    def test_a_row_depends_on_its_chunk_alone(self, frontend: Frontend, waves: Tensor) -> None:
        """Alone, in a batch, in another order, from memory laid out otherwise: one result."""
        batch = frontend(waves)
        for wave, row in zip(waves, batch, strict=True):
            assert self.same(frontend, frontend(wave), row)
        assert self.same(frontend, frontend(waves.flip(0)), batch.flip(0))
        strided = torch.stack([waves, -waves], dim=2).reshape(len(waves), -1)[:, ::2]
        assert not strided.is_contiguous()
        assert self.same(frontend, frontend(strided), batch)

    def test_is_deterministic(self, frontend: Frontend, waves: Tensor) -> None:
        """Another call, and another frontend of the spec, give the same bits."""
        again = features[self.name](frontend.spec, backend=frontend.backend)
        assert torch.equal(frontend(waves), frontend(waves))
        assert torch.equal(frontend(waves), again(waves))

    def test_leaves_the_waves_alone(self, frontend: Frontend, waves: Tensor) -> None:
        """The input is not written to, with a gradient or without."""
        before = waves.clone()
        frontend(waves)
        frontend(waves.requires_grad_())
        assert torch.equal(waves, before)

    def test_finite_whatever_comes(self, frontend: Frontend, waves: Tensor) -> None:
        """Silence, a click, a tone and full scale give finite numbers."""
        assert frontend(waves).isfinite().all()
        assert frontend(torch.ones(self.samples)).isfinite().all()
        assert frontend(waves[0].sign()).isfinite().all()

    def test_inference_and_training_agree(self, frontend: Frontend, waves: Tensor) -> None:
        """With a gradient or without, in train or eval mode, under inference mode: close results."""
        rows = frontend(waves)
        assert self.distance(rows, frontend(waves.clone().requires_grad_()).detach()) <= self.close
        assert torch.equal(frontend.eval()(waves), frontend.train()(waves))
        with torch.inference_mode():
            assert torch.equal(frontend(waves), rows)

    def test_gradient_is_finite(self, frontend: Frontend, waves: Tensor) -> None:
        """A gradient comes back to every chunk, also to silence, without NaN."""
        if not self.differentiable:
            pytest.skip("not differentiable")
        waves.requires_grad_()
        frontend(waves).sum().backward()
        assert waves.grad is not None
        assert waves.grad.isfinite().all()
        assert waves.grad[0].abs().sum() > 0

    def test_has_no_state_of_its_own(self, frontend: Frontend) -> None:
        """A checkpoint holds nothing of it: the spec gives it again."""
        assert frontend.state_dict() == {}
        assert list(frontend.parameters()) == []

    def test_copies_compute_the_same(self, frontend: Frontend, waves: Tensor) -> None:
        """It can be copied and pickled, as data loaders and trainers do."""
        rows = frontend(waves)
        for copied in (copy.deepcopy(frontend), pickle.loads(pickle.dumps(frontend))):  # noqa: S301
            assert copied.spec == frontend.spec
            assert torch.equal(copied(waves), rows)

    def test_works_inside_a_model(self, frontend: Frontend, waves: Tensor) -> None:
        """As the first layer of any model."""
        model = nn.Sequential(frontend, nn.Flatten(), nn.LazyLinear(2))
        model(waves).sum().backward()
        assert torch.equal(model[0](waves), frontend(waves))

    def test_moves(self, frontend: Frontend, waves: Tensor) -> None:
        """To another precision, and back; to a device."""
        rows = frontend(waves)
        exact = frontend.double()(waves.double())
        assert exact.dtype == torch.float64
        assert self.distance(exact, rows) <= self.close
        assert torch.equal(frontend.float().to("cpu")(waves), rows)
        assert frontend.to("meta")(waves.to("meta")).shape == rows.shape

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
    def test_waves_of_any_precision(self, frontend: Frontend, waves: Tensor, dtype: torch.dtype) -> None:
        """They are computed in the module's precision and come back in their own, or in that."""
        rows = frontend(waves.to(dtype))
        expected = dtype if frontend.keeps_half or dtype == torch.float64 else torch.float32
        assert rows.dtype == expected
        assert rows.isfinite().all()
        assert torch.equal(rows, frontend(waves.to(dtype).float()).to(expected))

    @pytest.mark.parametrize("gradient", [False, True])
    def test_autocast_changes_nothing(self, frontend: Frontend, waves: Tensor, gradient: bool) -> None:
        """Mixed precision, as trainers set it, costs no decimals."""
        waves.requires_grad_(gradient)
        rows = frontend(waves)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = frontend(waves)
        assert torch.equal(mixed, rows)

    def test_threads_change_nothing(self, frontend: Frontend, waves: Tensor) -> None:
        """One thread of torch or two: the first backend gives the same bits."""
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
        """It is as close to float64 as it says, for short chunks and long ones."""
        for samples in (self.samples, 10 * self.samples):
            found = frontend.parity(samples)
            assert math.isfinite(found)
            assert 0 <= found <= self.tolerance

    # --- what it refuses -----------------------------------------------------------------------------

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
    def test_refuses_what_is_no_wave(self, frontend: Frontend, wrong: Tensor) -> None:
        """Whole numbers and scalars are told from waves."""
        with pytest.raises(SpecError, match=r"expected waves of shape \(\.\.\., samples\).*got shape"):
            frontend(wrong)

    def test_refuses_no_samples(self, frontend: Frontend) -> None:
        """No samples are too few."""
        with pytest.raises(SpecError, match="0 samples"):
            frontend(torch.zeros(3, 0))

    def test_refuses_another_features_spec(self) -> None:
        """A spec of another feature is named."""
        wrong: Any = _ForeignSpec()
        with pytest.raises(SpecError, match="got _ForeignSpec"):
            features[self.name](wrong)

    def test_refuses_an_unknown_backend(self, spec: FeatureSpec) -> None:
        """The choices are listed, with the nearest."""
        first = features[self.name].backends[0]
        with pytest.raises(SpecError, match=f"no backend '{first}x'; did you mean '{first}'.*it has: "):
            features[self.name](spec, backend=f"{first}x")
