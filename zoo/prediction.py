"""Prediction: from audio files to classes, with the same features that a run was trained on."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiospec.audio.fetched import AudioFile, open_source
from audiospec.audio.isolated import decode_files
from audiospec.audio.reading import STRICT, Reading
from audiospec.audio.waves import Wave, pad_or_trim
from audiospec.datasets.own.search import expand, left_out
from audiospec.errors import AudioError, ModelError, RunError, SpecError
from audiospec.features.rows.base import RowWriter
from audiospec.features.rows.writing import row_writer
from audiospec.manifest import Track
from audiospec.specs.table import TableSpec
from audiospec.storage.location import Location, location
from audiospec.zoo.base import Model
from audiospec.zoo.calibration.conformal import in_sets
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.measuring.chunks import score_chunks, shares_of, track_log_probabilities
from audiospec.zoo.scores.measuring.tables import ScoreTable
from audiospec.zoo.splits.leaks import Known, Leaks, find_leaks

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
        Of these classes, from the mean log-probability of the chunks; they add up to 1.
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
    device: str = "cpu",
    reading: Reading = STRICT,
) -> Iterator[Prediction]:
    """Predict the classes of audio files.

    Files are cut like the tracks of the run's view, and features are computed as by `featurize`: equal to the
    bit on one device.

    Parameters
    ----------
    run : Run
    files : sequence of path or URL
        A folder stands for all sound files in it, at any depth; the log says how many others it has.
    coverage : float or None
        Probability, above 0 and below 1, with which the `set` of a file contains its class, if the file is
        of a new unit (artist, speaker, track) like those that the run was trained on. None: no sets.
    device : str
        Where features are computed.
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
    if isinstance(run.spec, TableSpec):
        raise RunError(
            f"run {run.path} was trained on an imported table, whose columns cannot be computed from audio",
            "train on a view of `audiospec featurize --features tabular`",
        )
    threshold = None if coverage is None else run.conformal().threshold(coverage)
    found, others = expand([location(file) for file in files])
    if others:
        _log.warning("%s", left_out(list(map(str, others))))
    model = run.model()
    # Decoded in other processes, which a file may kill.
    sounds = decode_files(found, run.spec.sample_rate, run.spec.channel, reading)
    for file, sound in zip(found, sounds, strict=True):
        try:
            wave = np.concatenate([np.zeros(0, np.float32), *sound])
            rows = features_of(run, wave, device)
        except AudioError as error:
            yield Prediction(file, [], [], 0, str(error))
        else:
            yield replace(_prediction(file, model, rows, threshold), note=sound.note)


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


def resolved(place: Location) -> Location:
    """Return a place by which a file is known however it was written: links of a disk are resolved."""
    return place.resolve() if isinstance(place, Path) else place


def _content_hash(place: Location) -> str:
    with open_source(AudioFile(place)) as source:
        return source.content_hash()


def features_of(run: Run, wave: Wave, device: str = "cpu") -> NDArray[np.float32]:
    """Compute the rows of a file as the run's view would have them.

    Parameters
    ----------
    run : Run
    wave : ndarray, shape (samples,), float32
        The file's sound, of the spec's channel and at its rate.
    device : str

    Returns
    -------
    ndarray, shape (chunks, *row_shape), float32

    Raises
    ------
    AudioError
        The file is too short for a chunk, or too loud for the spec's dtype.
    """
    spec, chunking = run.spec, run.chunking
    chunks = chunking.chunks(len(wave), spec.sample_rate, spec.least_samples)
    if not chunks:
        raise AudioError(chunking.reason_to_skip(len(wave), spec.sample_rate, spec.least_samples))
    writer, length = _writer(run, device), chunking.samples(spec.sample_rate)
    # In the store's dtype: otherwise the numbers would differ from those in training.
    rows = np.empty((len(chunks), *run.info.row_shape), spec.dtype)
    for row, (start, samples) in zip(rows, chunks, strict=True):
        part = wave[start : start + samples]
        part = pad_or_trim(part, length) if spec.pads else part
        writer.write([part], [row])
    return rows.astype(np.float32) if spec.code is None else spec.code.decode(rows)


def _writer(run: Run, device: str) -> RowWriter:
    """Return what computes rows by the backend of the run's view, or another where this machine lacks it."""
    try:
        return row_writer(run.spec, run.info.backend or None, device)
    except SpecError:
        return row_writer(run.spec, None, device)


def _prediction(
    file: Location, model: Model, rows: NDArray[np.float32], threshold: float | None
) -> Prediction:
    means = track_log_probabilities(model.predict_proba(rows), np.zeros(len(rows), np.int64), 1)
    shares = shares_of(means)[0]
    order = np.argsort(-shares, kind="stable")
    names = [model.classes[i] for i in order]
    left = None if threshold is None else in_sets(shares[order], threshold)
    return Prediction(
        file,
        names,
        shares[order].tolist(),
        len(rows),
        set=None if left is None else [name for name, is_left in zip(names, left, strict=True) if is_left],
    )
