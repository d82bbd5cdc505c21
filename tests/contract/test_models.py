"""Every registered model keeps the contract."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audiospec.errors import ModelError
from audiospec.testing.models import ModelContract
from audiospec.zoo.base import models


class ExactContract(ModelContract):
    """Models of ours give a row the same bits alone and in any batch, so that `predict` equals `evaluate`."""

    close = 0.0


class TestKnn1(ExactContract):
    name = "knn-1"

    @pytest.mark.parametrize("k", [0, -1, 10])
    def test_k_is_a_number_of_rows(self, k: int) -> None:
        with pytest.raises(ModelError, match=f"k must be from 1 to the 9 training rows; got {k}$"):
            self.fitted(self.task(per_class=3), k=k)


class TestKnn5(ExactContract):
    name = "knn-5"


class TestKnn5ByDistance(ExactContract):
    name = "knn-5"
    settings = {"weights": "distance"}  # noqa: RUF012


class TestLr(ExactContract):
    name = "lr"


class TestRf(ExactContract):
    name = "rf"
    settings = {"trees": 20}  # noqa: RUF012

    def test_another_seed_gives_another_forest(self) -> None:
        train = self.task(per_class=6, shape=(2,))
        rows = np.random.default_rng(0).normal(20, 20, (200, 2)).astype(np.float32)
        one, other = (self.fitted(train, seed).predict_proba(rows) for seed in (0, 1))
        assert not np.array_equal(one, other)

    @pytest.mark.parametrize("damage", ["children_left", "children_right", "feature"])
    def test_refuses_trees_with_indices_outside_their_arrays(self, tmp_path: Path, damage: str) -> None:
        trained = self.fitted(self.task())
        # A manipulated file may have such indices, and scikit-learn does not check them.
        tree = trained.pipeline[-1].estimators_[3].tree_  # type: ignore[attr-defined]
        getattr(tree, damage)[0] = 1_000_000
        trained.save(tmp_path)
        self.refused(tmp_path, trained)


class TestCrnnBase(ExactContract):
    name = "crnn-base"
    settings = {"epochs": 2, "batch": 8, "device": "cpu"}  # noqa: RUF012
    target_learning = {"epochs": 6}  # noqa: RUF012
    shapes = ((64, 45), (16, 20))
    many = 24


class TestCrnnLarge(TestCrnnBase):
    name = "crnn-large"


class TestResnet18Gru(TestCrnnBase):
    name = "resnet18-gru"

    @pytest.mark.long
    def test_learns_an_easy_task(self) -> None:
        super().test_learns_an_easy_task()

    @pytest.mark.long
    def test_learns_an_easy_task_of_each_target(self, target: str) -> None:
        super().test_learns_an_easy_task_of_each_target(target)

    # Its ImageNet weights would have to be downloaded.
    settings = {**TestCrnnBase.settings, "weights": "none"}  # noqa: RUF012
    learning = {"epochs": 8}  # noqa: RUF012


class TestEfficientnetLite0Gru(TestCrnnBase):
    name = "efficientnet-lite0-gru"

    @pytest.mark.long
    def test_learns_an_easy_task(self) -> None:
        super().test_learns_an_easy_task()

    @pytest.mark.long
    def test_learns_an_easy_task_of_each_target(self, target: str) -> None:
        super().test_learns_an_easy_task_of_each_target(target)

    learning = {"epochs": 8}  # noqa: RUF012
    target_learning = {"epochs": 25, "learning_rate": 0.003, "patience": 25}  # noqa: RUF012


class TestMusicnn(TestCrnnBase):
    name = "musicnn"

    @pytest.mark.long
    def test_learns_an_easy_task_of_each_target(self, target: str) -> None:
        super().test_learns_an_easy_task_of_each_target(target)

    # Its pretrained weights are for 96 mel bins: see tests/zoo/test_musicnn.py.
    shapes = ((64, 20), (16, 12))
    settings = {**TestCrnnBase.settings, "weights": "none"}  # noqa: RUF012


class TestSvm(ExactContract):
    name = "svm"


class TestSvmC10(ExactContract):
    name = "svm-c10"


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("svm", {"C": 0}),
        ("svm", {"gamma": -1}),
        ("svm-c10", {"C": -1}),
        ("lr", {"C": -1}),
        ("rf", {"trees": 0}),
        ("rf", {"depth": 0}),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_impossible_parameters_are_refused_in_one_line(name: str, settings: dict[str, float]) -> None:
    contract = TestSvm()
    train = contract.task(2, per_class=3)
    model = models[name](models[name].Settings.replace_in(settings), train.view.info.row_shape, train.classes)
    with pytest.raises(ModelError) as caught:
        model.fit(train, train, seed=0)
    assert "\n" not in str(caught.value)


def test_a_file_of_another_model_is_refused(tmp_path: Path) -> None:
    contract = TestLr()
    trained = contract.fitted(contract.task())
    trained.save(tmp_path)
    TestSvm().refused(tmp_path, trained)
    TestRf().refused(tmp_path, trained)


def test_every_model_has_a_contract() -> None:
    contracts = {name: value for name, value in globals().items() if name.startswith("Test")}
    assert {contract.name for contract in contracts.values()} == set(models.names())
