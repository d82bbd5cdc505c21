"""The published figures of the study that audiospec grew out of. `audiospec.zoo.study.reproduce` runs it.

Ghaemi, Capobianco and Leclercq classified GTZAN's genres by classical machine learning on tables of
features, and by networks on log-mel spectrograms. All figures are F1 in %, by row of the table or by chunk;
the study used one split of each kind. It split chunks at random, so a recording may be on both sides of the
split, which is *leaky*.
"""

from __future__ import annotations

from dataclasses import dataclass

from audiospec.errors import RegistryError, nearest

#: Studies that `audiospec reproduce` can run.
STUDIES = ("gtzan",)

SOURCE = "Ghaemi, Capobianco and Leclercq, music genre classification on GTZAN (a student study)"

#: Key of the score that the study's tables are of.
STUDY_SCORE = "macro_f1"

#: Rows of the published tables.
TABLE_ROWS = {30: 1000, 3: 9990}

#: All chunk lengths of the study's deep models in seconds, and all its deep models.
CHUNKS = (30.0, 10.0, 3.0, 1.0)
DEEP_MODELS = ("crnn-base", "crnn-large", "resnet18-gru")


@dataclass(frozen=True)
class Measured:
    """Means over some splits, and the standard deviation of the test F1, in %; the study used one split."""

    train: float
    test: float
    deviation: float
    splits: int = 10


@dataclass(frozen=True)
class Baseline:
    """A baseline model on the published tables.

    Attributes
    ----------
    model : str
        Name in the registry of models.
    settings : dict
        Parameters that differ from their defaults.
    study : dict
        Seconds of the table's rows → the study's F1 in % on the training and on the test rows.
    measured : Measured
        Macro F1 on the 30 s table over ten stratified 80/20 splits, measured before this project began. All
        columns except the file name and the label were features, including ``length``.
    random : bool
        Whether the seed changes the model, and not only the split.
    """

    model: str
    settings: dict[str, float]
    study: dict[int, tuple[float, float]]
    measured: Measured
    random: bool = False

    @property
    def name(self) -> str:
        """The model, with the parameters that differ from their defaults."""
        return " ".join([self.model, *(f"{name}={value:g}" for name, value in self.settings.items())])


_LR = {30: (100.0, 67.0), 3: (100.0, 72.89)}

BASELINES = (
    Baseline("svm", {}, {30: (88.89, 69.63), 3: (92.23, 85.98)}, Measured(88.7, 74.0, 2.1)),
    Baseline("svm-c10", {}, {30: (99.87, 78.03), 3: (99.65, 91.61)}, Measured(99.9, 75.0, 2.7)),
    Baseline("knn-1", {}, {30: (100.0, 66.67), 3: (99.89, 91.47)}, Measured(99.9, 68.2, 2.5)),
    Baseline("knn-5", {}, {30: (78.75, 69.41), 3: (93.44, 89.67)}, Measured(79.7, 67.2, 1.9)),
    Baseline("rf", {}, {30: (100.0, 68.04), 3: (100.0, 87.65)}, Measured(99.9, 78.0, 3.3), random=True),
    # The study's model must have been nearly unregularised, since it fits its training rows perfectly.
    Baseline("lr", {}, _LR, Measured(89.3, 73.5, 2.3)),
    Baseline("lr", {"C": 1e6}, _LR, Measured(99.9, 64.2, 2.9)),
)

#: (Seconds of a chunk, model) → the study's F1 in % on training, validation and test chunks.
DEEP = {
    (30.0, "crnn-base"): (99.38, 57.0, 69.0),
    (30.0, "crnn-large"): (54.43, 55.37, 55.08),
    (30.0, "resnet18-gru"): (99.88, 71.0, 88.0),
    (10.0, "crnn-base"): (99.71, 77.52, 76.72),
    (10.0, "crnn-large"): (99.8, 78.83, 80.33),
    (10.0, "resnet18-gru"): (99.92, 89.25, 89.18),
    (3.0, "crnn-base"): (99.26, 89.25, 89.18),
    (3.0, "crnn-large"): (99.84, 90.7, 90.6),
    (3.0, "resnet18-gru"): (99.92, 90.93, 91.7),
    (1.0, "crnn-base"): (99.34, 90.93, 91.7),
    (1.0, "crnn-large"): (99.76, 90.17, 89.74),
    (1.0, "resnet18-gru"): (99.92, 93.5, 93.5),
}

#: All that the study reports about its external songs.
SONGS = "far lower"

MODELS = (*dict.fromkeys(baseline.model for baseline in BASELINES), *DEEP_MODELS)


def require_study(name: str) -> None:
    """Raise `RegistryError`, which lists the studies, if `name` is not one."""
    if name not in STUDIES:
        raise RegistryError(
            f"no study is called {name!r}{nearest(name, STUDIES)} (there are: {', '.join(STUDIES)})"
        )
