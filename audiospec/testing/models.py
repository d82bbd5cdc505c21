"""ModelContract: the tests that every model of the zoo must pass, as a class to inherit from.

A model is tested by one subclass::

    class TestMine(ModelContract):
        name = "mine"
"""

from __future__ import annotations

import dataclasses
import json
import pickle
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from audiospec.errors import ModelError
from audiospec.features.base import one_thread
from audiospec.specs.base import FeatureSpec
from audiospec.testing.calibration import assert_can_be_calibrated
from audiospec.testing.memory_view import SHAPES, MemoryView, shapes_of, spec_of
from audiospec.testing.pickles import Foreign, PickleBomb, in_fresh_process, load_in_fresh_process, pickles_in
from audiospec.testing.targets import TargetContract
from audiospec.zoo.base import Model, Rows, models
from audiospec.zoo.targets.base import Target
from audiospec.zoo.targets.single import Single

_TRAINED: dict[type[ModelContract], Model] = {}


def _trained(contract: type[ModelContract]) -> Model:
    """Return a trained model of a contract, which is trained only once."""
    if contract not in _TRAINED:
        tests = contract()
        _TRAINED[contract] = tests.fitted(tests.task())
    return _TRAINED[contract]


class ModelContract(TargetContract):
    """Tests that every model passes, on a CPU.

    Attributes
    ----------
    name : str
        The model's name in the registry.
    settings : mapping
        Parameters that make the model quick to train.
    learning : mapping
        Further parameters with which the model learns an easy task.
    shapes : tuple of tuple of int, or None
        Shapes of rows to train on; most tests use the last one. None: `SHAPES` of the model's input, or the
        default shapes of the feature that it reads. For other shapes of a feature, override `spec_of`, too.
    few, many : int
        Smallest number of rows per class that the model must accept, and the number of rows per class from
        which it must learn an easy task.
    close : float
        Largest difference between the probabilities of a row alone and in a batch. 0: they are equal to the
        bit, so that `predict` equals `evaluate`; `in_fixed_batches` sees to it.
    """

    name: ClassVar[str]
    settings: ClassVar[Mapping[str, Any]] = {}
    learning: ClassVar[Mapping[str, Any]] = {}
    shapes: ClassVar[tuple[tuple[int, ...], ...] | None] = None
    few: ClassVar[int] = 3
    many: ClassVar[int] = 40
    close: ClassVar[float] = 1e-12

    # --- fixtures and helpers ------------------------------------------------------------------------

    @pytest.fixture(autouse=True)
    def one_thread(self) -> Iterator[None]:
        """Keep torch on one thread, because tests that run in parallel would compete for cores."""
        with one_thread():
            yield

    def all_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Return the shapes to train on."""
        reads = models[self.name].input
        return self.shapes or (SHAPES[reads] if reads in SHAPES else tuple(shapes_of(reads)))

    def spec_of(self, shape: tuple[int, ...]) -> tuple[FeatureSpec, float]:
        """Return a spec that has rows of a shape, and the seconds of its chunks."""
        # A contract without a name makes rows for tests of parts of models.
        reads = models[self.name].input if hasattr(self, "name") else ""
        if not reads or reads in SHAPES:
            return spec_of(shape)
        found = shapes_of(reads)
        assert shape in found, f"no chunk of {reads} has rows of {shape}: give a `spec_of` your shapes"
        return found[shape]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test that takes a shape or a target with every shape, or target but single."""
        if "shape" in metafunc.fixturenames:
            shapes = self.all_shapes()
            metafunc.parametrize("shape", shapes, ids=["x".join(map(str, shape)) for shape in shapes])
        if "target" in metafunc.fixturenames:
            metafunc.parametrize("target", [name for name in models[self.name].serves if name != "single"])

    def make(self, shape: tuple[int, ...], target: Target | Sequence[str], **settings: Any) -> Model:
        """Return an untrained model."""
        cls = models[self.name]
        return cls(cls.Settings.replace_in({**self.settings, **settings}), shape, target)

    def task(
        self, classes: int = 3, per_class: int = 20, shape: tuple[int, ...] | None = None, seed: int = 0
    ) -> Rows:
        """Return rows of well-separated classes: each row is the centre of its class plus noise.

        Parameters
        ----------
        classes : int
            Number of classes.
        per_class : int
            Number of rows of each class.
        shape : tuple of int or None
            Shape of a row. None: the last of `all_shapes`.
        seed : int
            Seed of the noise; the centres are always the same.
        """
        shape = shape or self.all_shapes()[-1]
        names = [f"class {number}" for number in range(classes)]
        # Centres differ by a constant in all values (enough for one column), and by a random pattern.
        pattern = np.random.default_rng(7).normal(0, 3, (classes, *shape))
        offset = 20.0 * np.arange(classes).reshape(-1, *[1] * len(shape))
        targets = np.tile(np.arange(classes), per_class)
        noise = np.random.default_rng([seed, classes]).normal(0, 1, (len(targets), *shape))
        values = ((pattern + offset)[targets] + noise).astype(np.float32)
        return self.rows(values, [names[target] for target in targets])

    def rows(self, values: NDArray[np.float32], labels: Sequence[str]) -> Rows:
        """Return rows in memory with these labels; each row is its own track."""
        view = MemoryView(values, labels, *self.spec_of(values.shape[1:]))
        return Rows(view, np.arange(len(view)), Single(sorted(set(labels))))

    def fitted(self, train: Rows, seed: int = 0, **settings: Any) -> Model:
        """Return a model trained on these rows and validated on a few of them."""
        model = self.make(train.view.info.row_shape, train.target, **settings)
        train = Rows(train.view, train.numbers, model.target)
        valid = Rows(train.view, train.numbers[: 2 * len(train.classes)], train.target)
        history = model.fit(train, valid, seed=seed)
        for entry in history:
            assert set(entry) == set(history[0])
            assert np.isfinite(list(entry.values())).all()
        return model

    def check(self, model: Model, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return a model's output for rows, after checking that it is valid probabilities."""
        probabilities = model.predict_proba(rows)
        assert probabilities.shape == (len(rows), len(model.classes))
        assert probabilities.dtype == np.float64
        assert np.isfinite(probabilities).all()
        assert ((probabilities >= 0) & (probabilities <= 1)).all()
        assert np.allclose(probabilities.sum(1), 1, rtol=0, atol=1e-6)
        return probabilities

    @pytest.fixture
    def trained(self) -> Model:
        """Return a model trained on an easy task of three classes; tests share it and must not change it."""
        return _trained(type(self))

    @pytest.fixture
    def saved(self, trained: Model, tmp_path: Path) -> Path:
        """Return a folder to which `trained` was saved."""
        folder = tmp_path / "saved"
        folder.mkdir()
        trained.save(folder)
        return folder

    # --- the registry and the settings ---------------------------------------------------------------

    def test_is_registered(self) -> None:
        """The registry has it, with the kind of input that it reads."""
        cls = models[self.name]
        assert self.name in models.names()
        assert issubclass(cls, Model)
        assert len(cls.shares) == 3
        assert sum(cls.shares) == pytest.approx(1)
        for shape in self.all_shapes():
            assert cls.reads(self.spec_of(shape)[0])

    def test_has_a_summary(self) -> None:
        """Its module's docstring, or its class's in a plug-in, begins with a short summary."""
        summary = models.summary(self.name)
        assert summary
        assert len(summary) <= 120

    def test_settings_have_defaults_and_survive_json(self) -> None:
        """A run can write them as JSON and read them back."""
        cls = models[self.name].Settings
        settings = cls()
        assert (
            cls.replace_in(json.loads(json.dumps(dataclasses.asdict(settings), allow_nan=False))) == settings
        )
        assert cls.replace_in(self.settings) == cls(**self.settings)

    def test_settings_are_frozen(self) -> None:
        """Settings cannot be changed after they were created."""
        settings: Any = models[self.name].Settings()
        for field in dataclasses.fields(settings):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(settings, field.name, getattr(settings, field.name))

    def test_settings_refuse_an_unknown_name(self) -> None:
        """The error is one line that lists the names and suggests the nearest."""
        cls = models[self.name].Settings
        names = [field.name for field in dataclasses.fields(cls)]
        for name in ["xyzzy", *(f"{name}x" for name in names)]:
            with pytest.raises(ModelError, match=f"no parameter {name!r}") as caught:
                cls.replace_in({name: 1}, "the model")
            message = str(caught.value)
            assert message.startswith("the model has no parameter")
            assert "\n" not in message
            assert all(name in message for name in names)
            if name[:-1] in names and len(name) > 3 and name.islower():
                assert f"did you mean {name[:-1]!r}?" in message

    def test_settings_refuse_a_wrong_value(self) -> None:
        """The error is one line that names the parameter."""
        cls = models[self.name].Settings
        hints = typing.get_type_hints(cls)
        for field in dataclasses.fields(cls):
            wrong: list[Any] = [[{}], {"a": 1}, float("nan")]
            if hints[field.name] is not str:
                wrong.append("no such value")
            for value in wrong:
                with pytest.raises(ModelError, match=f"parameter {field.name} must be") as caught:
                    cls.replace_in({field.name: value})
                assert "\n" not in str(caught.value)

    # --- training and probabilities ------------------------------------------------------------------

    @pytest.mark.parametrize("classes", [2, 3, 10])
    def test_any_number_of_classes(self, classes: int) -> None:
        """It trains on two, three and ten classes, and predicts probabilities of all of them."""
        train = self.task(classes, per_class=6)
        self.check(self.fitted(train), self.task(classes, per_class=2, seed=1).read())

    @pytest.mark.parametrize("amount", ["few", "many"])
    def test_any_number_of_rows(self, amount: str) -> None:
        """It trains on few rows and on many."""
        train = self.task(2, per_class=self.few if amount == "few" else self.many)
        self.check(self.fitted(train), train.read())

    def test_any_shape_of_rows(self, shape: tuple[int, ...]) -> None:
        """It trains on one column or many, and on any number of mel bins and frames."""
        train = self.task(3, per_class=6, shape=shape)
        self.check(self.fitted(train), train.read())

    def test_constant_rows(self) -> None:
        """Columns without variance are not an error."""
        train = self.task(2, per_class=6)
        rows = self.rows(np.ones_like(train.read()), train.view.labels.tolist())
        self.check(self.fitted(rows), rows.read())

    def test_probabilities_of_no_rows(self, trained: Model) -> None:
        """The result is an empty array of the right shape."""
        self.check(trained, np.zeros((0, *trained.row_shape), np.float32))

    def test_learns_an_easy_task(self) -> None:
        """Held-out rows of well-separated classes are classified correctly."""
        model = self.fitted(self.task(per_class=self.many), **self.learning)
        unseen = self.task(per_class=20, seed=1)
        right = self.check(model, unseen.read()).argmax(1) == unseen.targets
        assert right.mean() > 0.9

    def test_is_deterministic(self) -> None:
        """A seed determines the model, independent of random numbers drawn before."""
        train, rows = self.task(per_class=6), self.task(per_class=3, seed=1).read()
        one = self.fitted(train, seed=3).predict_proba(rows)
        np.random.default_rng().random(5)
        np.random.seed(11)  # the global generator, which a library may use
        two = self.fitted(train, seed=3).predict_proba(rows)
        assert np.array_equal(one, two)

    def test_leaves_the_rows_alone(self, trained: Model) -> None:
        """Neither training nor prediction modifies them."""
        train = self.task(per_class=6)
        before = train.read()
        self.fitted(train)
        assert np.array_equal(train.read(), before)
        rows = before.copy()
        rows.flags.writeable = False
        trained.predict_proba(rows)
        assert np.array_equal(rows, before)

    def test_a_row_does_not_depend_on_its_batch(self, trained: Model) -> None:
        """The result is the same alone, in a batch, and in another order."""
        rows = self.task(per_class=5, seed=1).read()
        batch = trained.predict_proba(rows)
        assert np.array_equal(batch, trained.predict_proba(rows))
        alone = np.concatenate([trained.predict_proba(rows[i : i + 1]) for i in range(len(rows))])
        assert np.allclose(alone, batch, rtol=0, atol=self.close)
        assert np.allclose(trained.predict_proba(rows[::-1])[::-1], batch, rtol=0, atol=self.close)

    def test_can_be_calibrated(self, trained: Model) -> None:
        """Calibrated on validation rows, or by folds if it has none, it predicts the same classes."""
        train, unseen = self.task(), self.task(per_class=5, seed=1).read()
        valid = self.task(per_class=4, seed=2)
        if not models[self.name].shares[1]:
            valid = Rows(valid.view, valid.numbers[:0], valid.target)
        assert_can_be_calibrated(trained, train, valid, unseen)

    def test_counts_its_parameters(self, trained: Model) -> None:
        """The count is an integer, 0 for models without one."""
        assert isinstance(trained.parameters, int)
        assert trained.parameters >= 0

    # --- saving and loading --------------------------------------------------------------------------

    def load(self, folder: Path, like: Model) -> Model:
        """Return a model loaded from a folder, with the shape and classes of another."""
        model = self.make(like.row_shape, like.classes)
        model.load(folder)
        return model

    def refused(self, folder: Path, like: Model) -> None:
        """Assert that a folder is refused with a one-line error."""
        with pytest.raises(ModelError) as caught:
            self.load(folder, like)
        assert "\n" not in str(caught.value)

    def test_saves_and_loads(self, trained: Model, saved: Path) -> None:
        """A loaded model gives the same probabilities to the bit, also in a new process."""
        rows = self.task(per_class=5, seed=1).read()
        expected = trained.predict_proba(rows)
        loaded = self.load(saved, trained)
        assert np.array_equal(loaded.predict_proba(rows), expected)
        assert loaded.parameters == trained.parameters
        settings = dataclasses.asdict(trained.settings)
        job = in_fresh_process().submit(
            load_in_fresh_process, self.name, settings, trained.classes, saved, rows
        )
        assert np.array_equal(job.result(), expected)

    def test_saves_no_pickle(self, saved: Path) -> None:
        """No file, and no member of an archive, can be unpickled."""
        assert list(saved.iterdir())
        assert all(file.is_file() and file.name.startswith("model.") for file in saved.iterdir())
        assert pickles_in(saved) == []

    def test_refuses_a_pickle(self, trained: Model, saved: Path) -> None:
        """A pickle is refused without being unpickled."""
        for file in saved.iterdir():
            file.write_bytes(pickle.dumps(PickleBomb()))
        assert pickles_in(saved)
        self.refused(saved, trained)
        assert not PickleBomb.went_off

    def test_refuses_foreign_types(self, trained: Model, saved: Path) -> None:
        """A file may contain numbers, but no foreign types."""
        files = [file for file in saved.iterdir() if file.suffix == ".skops"]
        if not files:
            pytest.skip("its files cannot contain types")
        import skops.io

        for file in files:
            skops.io.dump(Foreign(), file)
        self.refused(saved, trained)

    @pytest.mark.parametrize("damage", ["missing", "empty", "cut", "noise"])
    def test_refuses_damaged_files(self, trained: Model, saved: Path, damage: str) -> None:
        """Each file that is missing or incomplete is refused."""
        for file in saved.iterdir():
            before = file.read_bytes()
            if damage == "missing":
                file.unlink()
            else:
                noise = np.random.default_rng(0).bytes(1000)
                file.write_bytes({"empty": b"", "cut": before[: len(before) // 2], "noise": noise}[damage])
            self.refused(saved, trained)
            file.write_bytes(before)
        self.load(saved, trained)

    def test_refuses_files_of_other_rows_or_classes(self, trained: Model, saved: Path) -> None:
        """Files of three classes do not load into a model of four, nor of other rows."""
        with pytest.raises(ModelError):
            self.make(trained.row_shape, [*trained.classes, "class 3"]).load(saved)
        if models[self.name].input == "table":
            with pytest.raises(ModelError):
                self.make((trained.row_shape[0] + 1,), trained.classes).load(saved)
