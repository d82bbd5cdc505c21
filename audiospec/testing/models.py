"""ModelContract: what every model of the zoo must do, as tests to inherit.

A model proves itself with one class::

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
from audiospec.testing.memory_view import SHAPES, MemoryView, shapes_of, spec_of
from audiospec.testing.pickles import Foreign, PickleBomb, in_fresh_process, load_in_fresh_process, pickles_in
from audiospec.zoo.base import Model, Rows, models

_TRAINED: dict[type[ModelContract], Model] = {}


def _trained(contract: type[ModelContract]) -> Model:
    """A model of a contract, trained once."""
    if contract not in _TRAINED:
        made = contract()
        _TRAINED[contract] = made.fitted(made.task())
    return _TRAINED[contract]


class ModelContract:
    """Tests that every model passes, on a CPU.

    Attributes
    ----------
    name : str
        The model's name in the registry.
    settings : mapping
        Parameters that make it quick to train.
    learning : mapping
        Parameters, besides those, that make it learn an easy task.
    shapes : tuple of tuple of int, or None
        Shapes of rows to train on; the last one is that of most tests. None: `SHAPES` of its input, or
        those that its feature has by default. With others of a feature, override `spec_of` as well.
    few, many : int
        Rows of a class that it has to make do with, and rows of a class to learn an easy task from.
    close : float
        Largest difference between probabilities of a row alone and in a batch.
    """

    name: ClassVar[str]
    settings: ClassVar[Mapping[str, Any]] = {}
    learning: ClassVar[Mapping[str, Any]] = {}
    shapes: ClassVar[tuple[tuple[int, ...], ...] | None] = None
    few: ClassVar[int] = 3
    many: ClassVar[int] = 40
    close: ClassVar[float] = 1e-12

    # --- what the tests are made of ------------------------------------------------------------------

    @pytest.fixture(autouse=True)
    def one_thread(self) -> Iterator[None]:
        """Keep torch on one thread: tests that run side by side would crowd each other."""
        with one_thread():
            yield

    def all_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Return the shapes to train on."""
        reads = models[self.name].input
        return self.shapes or (SHAPES[reads] if reads in SHAPES else tuple(shapes_of(reads)))

    def spec_of(self, shape: tuple[int, ...]) -> tuple[FeatureSpec, float]:
        """Return a spec that has rows of a shape, and the seconds of its chunks."""
        reads = models[self.name].input
        if reads in SHAPES:
            return spec_of(shape)
        found = shapes_of(reads)
        assert shape in found, f"no chunk of {reads} has rows of {shape}: give a `spec_of` your shapes"
        return found[shape]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run what asks for a shape with each."""
        if "shape" in metafunc.fixturenames:
            shapes = self.all_shapes()
            metafunc.parametrize("shape", shapes, ids=["x".join(map(str, shape)) for shape in shapes])

    def make(self, shape: tuple[int, ...], classes: Sequence[str], **settings: Any) -> Model:
        """Return a model that has learnt nothing yet."""
        cls = models[self.name]
        return cls(cls.Settings.replace_in({**self.settings, **settings}), shape, classes)

    def task(
        self, classes: int = 3, per_class: int = 20, shape: tuple[int, ...] | None = None, seed: int = 0
    ) -> Rows:
        """Return rows of well-separated classes: each has noise about its own place.

        Parameters
        ----------
        classes : int
            How many.
        per_class : int
            Rows of each.
        shape : tuple of int or None
            Of a row. None: the last of `all_shapes`.
        seed : int
            Of the noise; the places are always the same.
        """
        shape = shape or self.all_shapes()[-1]
        names = [f"class {number}" for number in range(classes)]
        # A class to a stair, in every number of the row, and a pattern of its own where there is room.
        pattern = np.random.default_rng(7).normal(0, 3, (classes, *shape))
        stair = 20.0 * np.arange(classes).reshape(-1, *[1] * len(shape))
        targets = np.tile(np.arange(classes), per_class)
        noise = np.random.default_rng([seed, classes]).normal(0, 1, (len(targets), *shape))
        values = ((pattern + stair)[targets] + noise).astype(np.float32)
        return self.rows(values, [names[target] for target in targets])

    def rows(self, values: NDArray[np.float32], labels: Sequence[str]) -> Rows:
        """Return rows in memory, each of a track of its own, with those labels."""
        view = MemoryView(values, labels, *self.spec_of(values.shape[1:]))
        return Rows(view, np.arange(len(view)), sorted(set(labels)))

    def fitted(self, train: Rows, seed: int = 0, **settings: Any) -> Model:
        """Return a model trained on those rows, and validated on a few of them."""
        model = self.make(train.view.info.row_shape, train.classes, **settings)
        valid = Rows(train.view, train.numbers[: 2 * len(train.classes)], train.classes)
        history = model.fit(train, valid, seed=seed)
        for entry in history:
            assert set(entry) == set(history[0])
            assert np.isfinite(list(entry.values())).all()
        return model

    def check(self, model: Model, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probabilities of rows, which are probabilities."""
        found = model.predict_proba(rows)
        assert found.shape == (len(rows), len(model.classes))
        assert found.dtype == np.float64
        assert np.isfinite(found).all()
        assert ((found >= 0) & (found <= 1)).all()
        assert np.allclose(found.sum(1), 1, rtol=0, atol=1e-6)
        return found

    @pytest.fixture
    def trained(self) -> Model:
        """Return a model trained on an easy task of three classes; tests share it, and leave it as it is."""
        return _trained(type(self))

    @pytest.fixture
    def saved(self, trained: Model, tmp_path: Path) -> Path:
        """Return the folder that `trained` was saved into."""
        folder = tmp_path / "saved"
        folder.mkdir()
        trained.save(folder)
        return folder

    # --- the registry and the settings ---------------------------------------------------------------

    def test_is_registered(self) -> None:
        """The registry knows it, and what it reads."""
        cls = models[self.name]
        assert self.name in models.names()
        assert issubclass(cls, Model)
        assert len(cls.shares) == 3
        assert sum(cls.shares) == pytest.approx(1)
        for shape in self.all_shapes():
            assert cls.reads(self.spec_of(shape)[0])

    def test_has_a_summary(self) -> None:
        """Its module, or its class if it is a plug-in's, begins with one line about it."""
        summary = models.summary(self.name)
        assert summary
        assert len(summary) <= 120

    def test_settings_have_defaults_and_come_back_from_json(self) -> None:
        """A run can write them down and read them."""
        cls = models[self.name].Settings
        settings = cls()
        assert (
            cls.replace_in(json.loads(json.dumps(dataclasses.asdict(settings), allow_nan=False))) == settings
        )
        assert cls.replace_in(self.settings) == cls(**self.settings)

    def test_settings_are_frozen(self) -> None:
        """Nobody changes them after they were written down."""
        settings: Any = models[self.name].Settings()
        for field in dataclasses.fields(settings):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(settings, field.name, getattr(settings, field.name))

    def test_settings_refuse_an_unknown_name(self) -> None:
        """In one line, which lists the names, and the nearest."""
        cls = models[self.name].Settings
        names = [field.name for field in dataclasses.fields(cls)]
        for name in ["xyzzy", *(f"{name}x" for name in names)]:
            with pytest.raises(ModelError, match=f"no parameter {name!r}") as caught:
                cls.replace_in({name: 1}, "the model")
            message = str(caught.value)
            assert message.startswith("the model has no parameter")
            assert "\n" not in message
            assert all(known in message for known in names)
            if name[:-1] in names and len(name) > 3 and name.islower():
                assert f"did you mean {name[:-1]!r}?" in message

    def test_settings_refuse_a_wrong_value(self) -> None:
        """In one line, which names the parameter."""
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
        """Two, three or ten; probabilities are those of all of them."""
        train = self.task(classes, per_class=6)
        self.check(self.fitted(train), self.task(classes, per_class=2, seed=1).read())

    @pytest.mark.parametrize("amount", ["few", "many"])
    def test_any_number_of_rows(self, amount: str) -> None:
        """Few or many."""
        train = self.task(2, per_class=self.few if amount == "few" else self.many)
        self.check(self.fitted(train), train.read())

    def test_any_shape_of_rows(self, shape: tuple[int, ...]) -> None:
        """One column or many; any number of mel bins and frames."""
        train = self.task(3, per_class=6, shape=shape)
        self.check(self.fitted(train), train.read())

    def test_rows_that_tell_nothing(self) -> None:
        """Numbers that never vary are no error."""
        train = self.task(2, per_class=6)
        rows = self.rows(np.ones_like(train.read()), train.view.labels.tolist())
        self.check(self.fitted(rows), rows.read())

    def test_probabilities_of_no_rows(self, trained: Model) -> None:
        """None."""
        self.check(trained, np.zeros((0, *trained.row_shape), np.float32))

    def test_learns_an_easy_task(self) -> None:
        """Held-out rows of well-separated classes are told apart."""
        model = self.fitted(self.task(per_class=self.many), **self.learning)
        unseen = self.task(per_class=20, seed=1)
        right = self.check(model, unseen.read()).argmax(1) == unseen.targets
        assert right.mean() > 0.9

    def test_is_deterministic(self) -> None:
        """One seed, one model, whatever other random numbers were drawn before."""
        train, rows = self.task(per_class=6), self.task(per_class=3, seed=1).read()
        one = self.fitted(train, seed=3).predict_proba(rows)
        np.random.default_rng().random(5)
        np.random.seed(11)  # what a careless library draws from
        two = self.fitted(train, seed=3).predict_proba(rows)
        assert np.array_equal(one, two)

    def test_leaves_the_rows_alone(self, trained: Model) -> None:
        """Neither training nor predicting writes to them."""
        train = self.task(per_class=6)
        before = train.read()
        self.fitted(train)
        assert np.array_equal(train.read(), before)
        rows = before.copy()
        rows.flags.writeable = False
        trained.predict_proba(rows)
        assert np.array_equal(rows, before)

    def test_a_row_does_not_depend_on_its_batch(self, trained: Model) -> None:
        """Alone, among others, in another order: one result."""
        rows = self.task(per_class=5, seed=1).read()
        batch = trained.predict_proba(rows)
        assert np.array_equal(batch, trained.predict_proba(rows))
        alone = np.concatenate([trained.predict_proba(rows[i : i + 1]) for i in range(len(rows))])
        assert np.allclose(alone, batch, rtol=0, atol=self.close)
        assert np.allclose(trained.predict_proba(rows[::-1])[::-1], batch, rtol=0, atol=self.close)

    def test_counts_its_parameters(self, trained: Model) -> None:
        """A whole number; 0 if that has no meaning."""
        assert isinstance(trained.parameters, int)
        assert trained.parameters >= 0

    # --- saving and loading --------------------------------------------------------------------------

    def load(self, folder: Path, like: Model) -> Model:
        """Return a model that takes over what a folder holds."""
        model = self.make(like.row_shape, like.classes)
        model.load(folder)
        return model

    def refused(self, folder: Path, like: Model) -> None:
        """Assert that a folder is refused in one line."""
        with pytest.raises(ModelError) as caught:
            self.load(folder, like)
        assert "\n" not in str(caught.value)

    def test_saves_and_loads(self, trained: Model, saved: Path) -> None:
        """What was saved gives the same probabilities, to the bit, also in a fresh process."""
        rows = self.task(per_class=5, seed=1).read()
        expected = trained.predict_proba(rows)
        again = self.load(saved, trained)
        assert np.array_equal(again.predict_proba(rows), expected)
        assert again.parameters == trained.parameters
        settings = dataclasses.asdict(trained.settings)
        job = in_fresh_process().submit(
            load_in_fresh_process, self.name, settings, trained.classes, saved, rows
        )
        assert np.array_equal(job.result(), expected)

    def test_what_is_saved_is_no_pickle(self, saved: Path) -> None:
        """No file, nor what is packed in one, can be unpickled."""
        assert list(saved.iterdir())
        assert all(file.is_file() and file.name.startswith("model.") for file in saved.iterdir())
        assert pickles_in(saved) == []

    def test_refuses_a_pickle(self, trained: Model, saved: Path) -> None:
        """Without unpickling it."""
        for file in saved.iterdir():
            file.write_bytes(pickle.dumps(PickleBomb()))
        assert pickles_in(saved)
        self.refused(saved, trained)
        assert not PickleBomb.went_off

    def test_refuses_foreign_types(self, trained: Model, saved: Path) -> None:
        """A file may bring along numbers, not types."""
        files = [file for file in saved.iterdir() if file.suffix == ".skops"]
        if not files:
            pytest.skip("its files can hold no types")
        import skops.io

        for file in files:
            skops.io.dump(Foreign(), file)
        self.refused(saved, trained)

    @pytest.mark.parametrize("damage", ["missing", "empty", "cut", "noise"])
    def test_refuses_damaged_files(self, trained: Model, saved: Path, damage: str) -> None:
        """Each file that is not there, or not whole."""
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
        """What was learnt of three classes does not tell four."""
        with pytest.raises(ModelError):
            self.make(trained.row_shape, [*trained.classes, "class 3"]).load(saved)
        if models[self.name].input == "table":
            with pytest.raises(ModelError):
                self.make((trained.row_shape[0] + 1,), trained.classes).load(saved)
