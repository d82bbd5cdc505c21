"""Prediction: from audio files to classes, with the same features that a run was trained on."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from audiospec.audio.fetched import AudioFile, open_source
from audiospec.audio.reading import STRICT, Reading
from audiospec.corrections.applied import apply
from audiospec.datasets.own.search import expand, left_out
from audiospec.errors import ModelError
from audiospec.manifest import Manifest, Track
from audiospec.storage.location import Location, location
from audiospec.storage.opening import exists
from audiospec.stores.layout.schema import TrackRecord
from audiospec.stores.layout.tracks import Tracks
from audiospec.zoo.calibration.conformal import in_sets
from audiospec.zoo.runs.corrected import decisions_of
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.measuring.chunks import score_chunks
from audiospec.zoo.scores.measuring.tables import ScoreTable
from audiospec.zoo.splits.leaks import Known, Leaks, find_leaks
from audiospec.zoo.windows.means import FileMean
from audiospec.zoo.windows.outputs import Predictor, WindowBlock

_log = logging.getLogger("audiospec")


@dataclass(frozen=True)
class Prediction:
    """A model's prediction of one audio file.

    Attributes
    ----------
    file : Location
    classes : list of str
        Most likely first; empty if there is a problem.
    probabilities : list of float
        Of these classes. For one label a row, from the mean log-probability of the chunks, and they add up to
        1; for several labels, the means over the chunks; for a number, its mean in place of a probability.
    chunks : int
        Number of chunks.
    problem : str
        Why there is no prediction; ``""`` if there is one.
    note : str
        What is odd about a file that was used nevertheless: truncated, damaged or silent.
    set : list of str or None
        The classes that cannot be ruled out at the coverage that was asked for, most likely first; it may be
        empty. None: no coverage was asked for.
    """

    file: Location
    classes: list[str]
    probabilities: list[float]
    chunks: int
    problem: str = ""
    note: str = ""
    set: list[str] | None = None

    @property
    def abstains(self) -> bool:
        """Whether a coverage was asked for, and not exactly one class is left."""
        return self.set is not None and len(self.set) != 1


def predict(
    run: Run,
    files: Sequence[Location | str],
    *,
    coverage: float | None = None,
    device: str | None = None,
    reading: Reading = STRICT,
) -> Iterator[Prediction]:
    """Predict the classes of audio files.

    Files are cut like the tracks of the run's view, and features are computed as by `featurize`: equal to the
    bit on one device. A file is decoded block by block, so that memory does not grow with its length.

    Parameters
    ----------
    run : Run
    files : sequence of path or URL
        A folder stands for all sound files in it, at any depth; the log says how many others it has.
    coverage : float or None
        Probability, above 0 and below 1, with which the `set` of a file contains its class, if the file is
        of a new unit (artist, speaker, track) like those that the run was trained on. None: no sets.
    device : str or None
        Where features and the model are computed; see `Predictor`.
    reading : Reading
        What to do with truncated, damaged and silent files. By default they are not used.

    Yields
    ------
    Prediction
        One per file, in order. A file that cannot be decoded has a `problem`; the others are still predicted.

    Raises
    ------
    RunError
        The run was trained on an imported table, whose columns cannot be computed from audio; or it has no
        scores of held-out tracks, or too few for this coverage.
    DatasetError
        A folder cannot be read.
    """
    threshold = None if coverage is None else run.conformal().threshold(coverage)
    found, others = expand([location(file) for file in files])
    if others:
        _log.warning("%s", left_out(list(map(str, others))))
    predictor = Predictor(run, device=device, reading=reading)
    mean = FileMean(run.target)
    for item in predictor.outputs(found):
        if isinstance(item, WindowBlock):
            mean.add(item.outputs)
            continue
        if item.problem:
            yield Prediction(item.file, [], [], 0, item.problem)
        else:
            yield replace(_prediction(item.file, mean, threshold), note=item.note)
        mean = FileMean(run.target)


def check_truth(run: Run, truth: Manifest) -> None:
    """Raise an error unless the files of a table have one label each, and the run predicts one.

    Raises
    ------
    ModelError
        The run, or the table, has another target.
    """
    hint = "featurize the table with its target, and give `evaluate` that store"
    if run.target.name != "single":
        raise ModelError(
            f"run {run.path} predicts the target {run.target.name!r}; the truth of files is one label each",
            hint,
        )
    timed = [track.id for track in truth if track.annotations]
    if timed:
        raise ModelError(
            f"run {run.path} predicts one label a file; {len(timed)} of {len(truth)} files of the truth have "
            f"segments or several labels, such as {timed[0]!r}",
            hint,
        )


def score_predictions(
    predictions: Sequence[Prediction], labels: Mapping[Location, str], classes: list[str]
) -> ScoreTable:
    """Score predictions against the truth, by file.

    Parameters
    ----------
    predictions : sequence of Prediction
        Those with a problem, without a label, or with a label that is not in `classes` are left out.
    labels : mapping
        Place, as `resolved` returns it → label.
    classes : list of str
        The run's classes, in its order.

    Returns
    -------
    ScoreTable
        Scores by file.

    Raises
    ------
    ModelError
        No prediction is left.
    """
    counted = _with_labels(predictions, labels, classes)
    probabilities = np.zeros((len(counted), len(classes)))
    for row, (prediction, _) in zip(probabilities, counted, strict=True):
        row[[classes.index(name) for name in prediction.classes]] = prediction.probabilities
    targets = [classes.index(label) for _, label in counted]
    return score_chunks(probabilities, targets, np.arange(len(counted)), classes).track


@dataclass(frozen=True)
class SetScores:
    """How well sets of classes did.

    Attributes
    ----------
    count : int
        Number of files with a label.
    covered : int
        Files whose set has their label.
    abstained : int
        Files whose set has not exactly one class.
    right : int
        Files whose set is their label alone.
    """

    count: int
    covered: int
    abstained: int
    right: int

    def to_dict(self) -> dict[str, float]:
        """Return the counts and the shares of covered and abstained files as plain JSON values."""
        shares = {"coverage": self.covered / self.count, "abstention": self.abstained / self.count}
        return {**asdict(self), **shares}


def score_sets(
    predictions: Sequence[Prediction], labels: Mapping[Location, str], classes: list[str]
) -> SetScores:
    """Compare the sets of predictions with the truth, by file; for the parameters see `score_predictions`.

    Raises
    ------
    ModelError
        No prediction is left.
    """
    counted = _with_labels(predictions, labels, classes)
    sets = [(prediction.set or [], label) for prediction, label in counted]
    return SetScores(
        len(sets),
        sum(label in names for names, label in sets),
        sum(len(names) != 1 for names, _ in sets),
        sum(names == [label] for names, label in sets),
    )


def _with_labels(
    predictions: Sequence[Prediction], labels: Mapping[Location, str], classes: list[str]
) -> list[tuple[Prediction, str]]:
    """Return the predictions that can be scored, and their labels; there is at least one."""
    truth = [labels.get(resolved(prediction.file), "") for prediction in predictions]
    counted = [
        (prediction, label)
        for prediction, label in zip(predictions, truth, strict=True)
        if label in classes and not prediction.problem
    ]
    if not counted:
        raise ModelError(
            f"no file that was predicted has a label of the run ({', '.join(classes)})",
            "list the files by path and label",
        )
    return counted


def learnt_files(run: Run, tracks: Mapping[Location, Track]) -> Leaks | None:
    """Find the files that a run learnt from, by their content, and by their cluster or group if it is given.

    Parameters
    ----------
    run : Run
    tracks : mapping
        Place → what is known of the file, such as its group.

    Returns
    -------
    Leaks or None
        Of files, instead of rows. None: the run is of an older version, which did not keep what it learnt
        from.
    """
    if run.lacks:
        return None
    known = [
        Known(place.name, _content_hash(place), track.cluster, track.group) for place, track in tracks.items()
    ]
    return find_leaks(run.learnt(), known, "")  # ids are file names here, so they are not compared


def corrected_truth(run: Run, tracks: Mapping[Location, Track]) -> dict[Location, Track]:
    """Return the truth of files with the corrections of labels that a run was trained with.

    A file is known by its content. Files that were excluded are not in what is returned.

    Parameters
    ----------
    run : Run
    tracks : mapping
        Place → what is known of the file.
    """
    decisions = decisions_of(run.info)
    if not decisions:
        return dict(tracks)
    records = [
        TrackRecord(str(number), label=track.label, hash=_content_hash(place) if exists(place) else "")
        for number, (place, track) in enumerate(tracks.items())
    ]
    applied = apply(decisions, Tracks.from_records(records))
    return {
        place: replace(track, label=applied.labels.get(number, track.label))
        for number, (place, track) in enumerate(tracks.items())
        if number not in applied.excluded
    }


def resolved(place: Location) -> Location:
    """Return a place by which a file is known however it was written: links of a disk are resolved."""
    return place.resolve() if isinstance(place, Path) else place


def _content_hash(place: Location) -> str:
    with open_source(AudioFile(place)) as source:
        return source.content_hash()


def _prediction(file: Location, mean: FileMean, threshold: float | None) -> Prediction:
    values = mean.values()
    order = np.argsort(-values, kind="stable")
    names = [mean.target.classes[i] for i in order]
    left = None if threshold is None else in_sets(values[order], threshold)
    return Prediction(
        file,
        names,
        values[order].tolist(),
        mean.count,
        set=None if left is None else [name for name, is_left in zip(names, left, strict=True) if is_left],
    )
