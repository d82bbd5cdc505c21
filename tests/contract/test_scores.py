"""Every registered score keeps the contract; so do two scores of another package that use probabilities."""

from __future__ import annotations

import importlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
    top_k_accuracy_score,
)

from audiospec.annotations.annotation import TARGETS
from audiospec.errors import ModelError, RegistryError
from audiospec.testing.scores import ScoreContract, items_of, made_items
from audiospec.testing.target_scores import EventScoreContract, LabelScoreContract, NumberScoreContract
from audiospec.zoo.scores.base import (
    EPOCH_SCORES,
    MAIN,
    MAIN_SCORES,
    ConfusionScore,
    Sample,
    all_scores,
    main_key,
    scores,
)
from audiospec.zoo.scores.measuring import resamples
from audiospec.zoo.scores.measuring.chunks import score_chunks
from audiospec.zoo.scores.measuring.stored import (
    describe,
    main_first,
    main_score,
    show_stored,
    stored_scores,
)

Python = Callable[..., "subprocess.CompletedProcess[str]"]

PLUG_IN = '''
import numpy as np

from audiospec.zoo.scores.base import Score, scores


class LogLoss(Score):
    """log-loss: the mean of -log p of the true class."""

    title, percent, higher_is_better, best = "log loss", False, False, 0.0

    def compute(self, sample):
        right = sample.probabilities[np.arange(len(sample.truth)), sample.truth]
        return sample.mean(-np.log(np.maximum(right, 1e-12)))


class Top2(Score):
    """top-2: the share whose class is among the two most likely ones."""

    title = "top 2"

    def compute(self, sample):
        right = sample.probabilities[np.arange(len(sample.truth)), sample.truth]
        higher = (sample.probabilities > right[:, None]).sum(1)
        return sample.weights @ (higher < 2) / sample.weights.sum(1)


class NeverFinite(Score):
    """never-finite: always NaN."""

    title = "never finite"

    def compute(self, sample):
        return np.full(len(sample), np.nan)
'''


def install(folder: Path, name: str, *points: str) -> None:
    """Install a fake distribution of scores."""
    (folder / f"{name}.py").write_text(PLUG_IN)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[audiospec.scores]\n" + "\n".join(points) + "\n")
    importlib.invalidate_caches()


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path with a package of two scores."""
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "more_scores", "log-loss = more_scores:LogLoss", "top-2 = more_scores:Top2")
    return tmp_path


class TestAccuracy(ScoreContract):
    name = "accuracy"

    def reference(self, truth, probabilities) -> float:
        return float(accuracy_score(truth, probabilities.argmax(1)))


class TestMacroF1(ScoreContract):
    name = "macro-f1"

    def reference(self, truth, probabilities) -> float:
        return float(f1_score(truth, probabilities.argmax(1), average="macro", zero_division=0))


class TestNll(ScoreContract):
    name = "nll"

    def reference(self, truth, probabilities) -> float:
        return float(log_loss(truth, probabilities, labels=range(probabilities.shape[1])))


class TestRocAuc(ScoreContract):
    name = "roc-auc"

    def reference(self, truth, probabilities) -> float:
        return float(roc_auc_score(truth, probabilities, multi_class="ovr", average="macro"))


class TestPrAuc(ScoreContract):
    name = "pr-auc"

    def reference(self, truth, probabilities) -> float:
        return float(average_precision_score(truth, probabilities, average="macro"))

    @pytest.mark.parametrize("classes", [3, 10])
    def test_perfect_predictions_are_the_best(self, classes: int) -> None:
        super().test_perfect_predictions_are_the_best(classes)  # of two classes, all wrong are all tied


class TestEce(ScoreContract):
    name = "ece"

    def reference(self, truth, probabilities) -> float:
        """The definition, bin by bin."""
        confidence, right = probabilities.max(1), probabilities.argmax(1) == truth
        sums = 0.0
        for number in range(15):
            inside = (confidence >= number / 15) & (confidence < (number + 1) / 15)
            if inside.any():
                sums += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
        return float(sums)

    @pytest.mark.parametrize("classes", [2, 3, 10])
    def test_perfect_predictions_are_the_best(self, classes: int) -> None:
        """The more sure wrong predictions are, the larger is the error; fewer of them need not be better."""
        truth = np.arange(60) % classes
        assert self.value(items_of(truth, np.eye(classes)[truth])) == 0
        errors = []
        for confidence in (0.55, 0.7, 0.9, 1.0):
            shares = np.full((60, classes), (1 - confidence) / (classes - 1))
            shares[np.arange(60), (truth + 1) % classes] = confidence
            errors.append(self.value(items_of(truth, shares)))
        assert errors == pytest.approx([0.55, 0.7, 0.9, 1.0])


class TestRocAucOfLabels(LabelScoreContract):
    name = "roc-auc"

    def expected(self, items) -> float:
        return float(roc_auc_score(items.truth, items.probabilities, average="macro"))


class TestMapMacro(LabelScoreContract):
    name = "map-macro"

    def expected(self, items) -> float:
        return float(average_precision_score(items.truth, items.probabilities, average="macro"))


class TestMapMicro(LabelScoreContract):
    name = "map-micro"

    def expected(self, items) -> float:
        return float(average_precision_score(items.truth, items.probabilities, average="micro"))


class TestLabelF1(LabelScoreContract):
    name = "label-f1"

    def expected(self, items) -> float:
        return float(f1_score(items.truth, items.probabilities >= 0.5, average="macro"))


class TestLabelF1Micro(LabelScoreContract):
    name = "label-f1-micro"

    def expected(self, items) -> float:
        return float(f1_score(items.truth, items.probabilities >= 0.5, average="micro"))


class TestMae(NumberScoreContract):
    name = "mae"

    def expected(self, items) -> float:
        return float(mean_absolute_error(items.truth, items.predicted))


class TestRmse(NumberScoreContract):
    name = "rmse"

    def expected(self, items) -> float:
        return float(root_mean_squared_error(items.truth, items.predicted))


class TestR2(NumberScoreContract):
    name = "r2"

    def expected(self, items) -> float:
        return float(r2_score(items.truth, items.predicted))


class TestCcc(NumberScoreContract):
    name = "ccc"

    def expected(self, items) -> float:
        """Lin's formula."""
        covariance = np.cov(items.truth, items.predicted, ddof=0)
        bias = items.truth.mean() - items.predicted.mean()
        return float(2 * covariance[0, 1] / (np.trace(covariance) + bias**2))


class TestPearson(NumberScoreContract):
    name = "pearson"

    def expected(self, items) -> float:
        return float(np.corrcoef(items.truth, items.predicted)[0, 1])


class TestEventF1(EventScoreContract):
    name = "event-f1"


class TestEventF1Micro(EventScoreContract):
    name = "event-f1-micro"


class TestSegmentF1(EventScoreContract):
    name = "segment-f1"


class TestSegmentF1Micro(EventScoreContract):
    name = "segment-f1-micro"


class TestSegmentErrorRate(EventScoreContract):
    name = "segment-error-rate"


class TestPsds1(EventScoreContract):
    name = "psds1"


class TestPsds2(EventScoreContract):
    name = "psds2"


@pytest.mark.usefixtures("plug_in")
class TestLogLoss(ScoreContract):
    name = "log-loss"

    def reference(self, truth, probabilities) -> float:
        return float(log_loss(truth, probabilities, labels=range(probabilities.shape[1])))


@pytest.mark.usefixtures("plug_in")
class TestTop2(ScoreContract):
    name = "top-2"

    def reference(self, truth, probabilities) -> float:
        return float(top_k_accuracy_score(truth, probabilities, k=2, labels=range(probabilities.shape[1])))

    @pytest.mark.parametrize("classes", [3, 10])
    def test_perfect_predictions_are_the_best(self, classes: int) -> None:
        super().test_perfect_predictions_are_the_best(classes)  # of two classes, both would be right


def test_every_score_has_a_contract() -> None:
    tested = {(value.name, value.target) for name, value in globals().items() if name.startswith("Test")}
    assert tested >= {(name, target) for name in scores.names() for target in scores[name].targets}


def test_the_registry_lists_without_importing(python: Python) -> None:
    output = python(
        "import sys\nfrom audiospec.zoo.scores.base import scores\n"
        "print(*[f'{name}: {scores.summary(name)}' for name in scores], sep='\\n')\n"
        "loaded = [name for name in sys.modules if name in ('torch', 'sklearn', 'matplotlib')"
        " or name.startswith('audiospec.zoo.scores.') and not name.endswith('.base')"
        " and 'measuring' not in name]\n"
        "assert not loaded, loaded"
    ).stdout
    assert output.splitlines() == [
        "accuracy: the share of correct predictions.",
        "ccc: the concordance correlation of numbers, which noise, bias and a wrong scale lower.",
        "ece: expected calibration error, by how much confidence and accuracy differ.",
        "event-f1: the mean over classes of the F1 of events, matched by start and end.",
        "event-f1-micro: the F1 of the events of all classes together, matched by start and end.",
        "label-f1: the mean of the labels' F1, each at its threshold.",
        "label-f1-micro: the F1 of all pairs of an item and a label, each at the label's threshold.",
        "macro-f1: the mean of the classes’ F1.",
        "mae: the mean absolute error of numbers, in their unit.",
        "map-macro: the mean of the labels' average precision (mAP).",
        "map-micro: the average precision of all pairs of an item and a label, ranked together.",
        "nll: the mean negative log-likelihood of the true class (log loss), in nats.",
        "pearson: Pearson's correlation of true and predicted numbers; neither bias nor scale matters.",
        "pr-auc: the mean of the classes' average precision (area under the precision-recall curve).",
        "psds1: the area under detected events over false ones an hour, if 70 % of them overlap.",
        "psds2: as psds1, if 10 % of them overlap, and confused classes count half.",
        "r2: the share of the variance of numbers that predictions explain (R²).",
        "rmse: the root of the mean squared error of numbers, in their unit.",
        "roc-auc: the mean area under the classes' ROC curves, each class against the others.",
        "segment-error-rate: errors in segments of 1 s, for each true label of a segment.",
        "segment-f1: the mean over classes of the F1 of segments of 1 s.",
        "segment-f1-micro: the F1 of all pairs of a segment of 1 s and a class.",
    ]


def test_the_scores_of_an_epoch_are_registered() -> None:
    assert all_scores()[MAIN].percent
    for name in EPOCH_SCORES.values():
        assert issubclass(scores[name], ConfusionScore)


def test_every_target_has_a_main_score() -> None:
    assert set(MAIN_SCORES) == set(TARGETS)
    assert MAIN_SCORES["single"] == MAIN
    for target in TARGETS:
        assert all_scores(target)[main_key(target)].higher_is_better
        assert main_score(target).title == main_first({}, target)[main_key(target)].title
    with pytest.raises(RegistryError, match=r"no target is called 'words' \(there are: single, multi-label"):
        all_scores("words")


def test_scores_are_those_of_the_target() -> None:
    assert list(all_scores()) == ["accuracy", "ece", "macro_f1", "nll", "pr_auc", "roc_auc"]
    assert list(all_scores("number")) == ["ccc", "mae", "pearson", "r2", "rmse"]
    labels = ["label_f1", "label_f1_micro", "map_macro", "map_micro", "roc_auc"]
    assert list(all_scores("multi-label")) == labels


@pytest.mark.usefixtures("plug_in")
def test_every_registered_score_is_in_the_table() -> None:
    items = made_items(tracks=20)
    evaluation = score_chunks(items.probabilities, items.truth, items.unit_of, ["a", "b", "c", "d"])
    stored = evaluation.to_dict()["track"]
    keys = ["accuracy", "ece", "log_loss", "macro_f1", "nll", "pr_auc", "roc_auc", "top_2"]
    assert list(stored) == ["count", *keys, *(f"{key}_interval" for key in keys), "per_class", "confusion"]
    chunk = evaluation.chunk
    assert chunk.log_loss == pytest.approx(log_loss(items.truth, items.probabilities, labels=range(4)))
    low, high = chunk.log_loss_interval
    assert low < chunk.log_loss < high
    # A track's probabilities are in proportion to the exponentials of its mean log-probabilities.
    means = np.array([np.log(items.probabilities[items.unit_of == track]).mean(0) for track in range(20)])
    shares = np.exp(means) / np.exp(means).sum(1, keepdims=True)
    assert evaluation.track.log_loss == pytest.approx(log_loss(items.truth[::3], shares, labels=range(4)))
    with pytest.raises(AttributeError, match="there is no score 'recall'"):
        _ = evaluation.track.recall


def test_blocks_of_resamples_give_the_same_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    items = made_items(tracks=20)
    arguments = items.probabilities, items.truth, items.unit_of, ["a", "b", "c", "d"]
    in_one_block = score_chunks(*arguments)
    monkeypatch.setattr(resamples, "MEMORY", 8 * 60 * 7)  # blocks of 7
    assert score_chunks(*arguments) == in_one_block


def test_a_score_that_is_not_finite_is_refused(plug_in: Path) -> None:
    install(plug_in, "never_finite", "never-finite = never_finite:NeverFinite")
    items = made_items()
    with pytest.raises(
        ModelError, match=r"score never_finite must be a finite number .*: fix or uninstall the package"
    ):
        score_chunks(items.probabilities, items.truth, items.unit_of, ["a", "b", "c", "d"])


@pytest.mark.parametrize("name", ["count", "per-class", "confusion", "my-interval"])
def test_a_reserved_key_is_refused(plug_in: Path, name: str) -> None:
    install(plug_in, "taken", f"{name} = taken:Top2")
    with pytest.raises(RegistryError, match=f"score '{name}' has a name that is reserved .*: rename it$"):
        all_scores()


def test_two_scores_of_one_key_are_refused(plug_in: Path) -> None:
    install(plug_in, "twin", "log_loss = twin:LogLoss")
    with pytest.raises(
        RegistryError, match=r"two scores have one key .*: uninstall one of the two packages$"
    ):
        all_scores()


def test_a_stored_score_is_displayed_by_its_title_or_its_key() -> None:
    old = {"count": 3, "accuracy": 0.5, "accuracy_interval": [0.25, 0.75], "confusion": []}
    new = {**old, "elsewhere": 2.5, "elsewhere_interval": [1, 4.0]}
    by_key = stored_scores([old, new])
    assert {key: score.title for key, score in by_key.items()} == {
        "accuracy": "accuracy",
        "elsewhere": "elsewhere",
    }
    assert list(main_first(by_key)) == ["macro_f1", "accuracy", "elsewhere"]
    assert [show_stored(old, key, score) for key, score in by_key.items()] == ["50.0 (25.0 to 75.0)", "–"]
    assert show_stored(new, "elsewhere", by_key["elsewhere"]) == "2.500 (1.000 to 4.000)"
    assert describe("elsewhere") == "a score of a package that is not installed"
    assert describe("macro_f1") == "the mean of the classes’ F1."
    with pytest.raises(NotImplementedError, match="'elsewhere' is not installed"):
        by_key["elsewhere"].compute(Sample(made_items()))
