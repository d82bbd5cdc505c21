"""Reproduction: the study run again, cell by cell, each beside the study's figure.

    tables → store → baselines × splits × seeds → cells
    audio → store → networks × chunks × splits → cells → songs

Stores and runs stay in one folder, so what was stopped goes on, and what is finished is not done again. Data
that is not there leaves cells that say so; the others are run.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from statistics import mean, pstdev
from typing import Any, Literal

from audiospec import pipeline
from audiospec.audio import content_hash
from audiospec.chunking import Chunking
from audiospec.datasets.base import AUDIO_SUFFIXES, datasets, files_under, not_found, shown, suffix
from audiospec.datasets.gtzan import GENRES
from audiospec.errors import DatasetError, ModelError, SplitError, nearest
from audiospec.spec import MelSpec, TabularSpec, digest
from audiospec.split import SHARES, is_leaky, shown_strategy
from audiospec.stores._files import writing
from audiospec.stores.base import View
from audiospec.table import import_table, read_table
from audiospec.zoo.base import models as registry
from audiospec.zoo.prediction import Prediction, predict
from audiospec.zoo.runs import RUN, Run
from audiospec.zoo.study import BASELINES, CHUNKS, DEEP, DEEP_MODELS, MODELS, TABLE_ROWS, require_study
from audiospec.zoo.training import epoch_in_words, run_name, train

Section = Literal["30 s table", "3 s table", "deep", "songs"]

#: Shares of the tabular models' splits, as the study had them; the networks' are those of `split`.
TABLE_SHARES = (0.8, 0.0, 0.2)

#: Ours and the measured figure agree if they are no more than so many of our standard deviations apart.
DEVIATIONS = 2

#: Told of what goes on: what is worked on, how much of it is done, how much there is, the same in words.
Told = Callable[[str, float, float, str], None]

NO_TABLES = (
    "give --tables FOLDER with features_30_sec.csv and features_3_sec.csv, which are published with GTZAN "
    "(on Kaggle: andradaolteanu/gtzan-dataset-music-genre-classification)"
)
NO_AUDIO = "give --data FOLDER with GTZAN's audio; `audiospec datasets gtzan` says where to get it"
NO_SONGS = (
    "give --songs FOLDER with songs that are not in GTZAN, in a folder a genre or with a genre in the file's "
    "name; the study had ten, one a genre, and did not publish them"
)


@dataclass(frozen=True)
class F1:
    """A macro F1 in %.

    Attributes
    ----------
    mean : float
        Over runs; a single run's own.
    deviation : float or None
        Standard deviation over runs; None of a single one.
    interval : list of 2 floats, or None
        95 % bootstrap interval over tracks, of a single run.
    """

    mean: float
    deviation: float | None = None
    interval: list[float] | None = None


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of the study's tables, run again.

    Attributes
    ----------
    section : str
    model : str
        Name in the registry, and the parameters that the study set.
    features : str
        What the model reads.
    chunk : float
        Seconds that a row stands for.
    protocol : str
        How rows are split; see `audiospec.split`.
    leaky : bool
        Whether a recording may be on two sides of that split.
    study : dict
        Side → the study's F1 in %. The study's splits are of random rows, so they are leaky wherever a track
        has several rows.
    measured : dict
        ``train``, ``test`` and ``deviation`` in %, where REFERENCE has them.
    found : dict
        Side → ``"chunk"`` or ``"track"`` → `F1`; empty if the cell was not run.
    agrees : bool or None
        Whether the mean test F1 is within `DEVIATIONS` of its own standard deviations of the measured one.
    right, songs : int or None
        External songs that are predicted right, and how many there are.
    heard : dict
        External song → the genre that it is predicted to be.
    notes : list of str
        How this is not the study's own cell.
    missing : str
        Why it was not run; ``""`` if it was.
    runs : list of str
        Folders of its runs, relative to the result's.
    """

    section: Section
    model: str
    features: str
    chunk: float
    protocol: str
    leaky: bool
    study: dict[str, float] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)
    found: dict[str, dict[str, F1]] = field(default_factory=dict)
    agrees: bool | None = None
    right: int | None = None
    songs: int | None = None
    heard: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    missing: str = ""
    runs: list[str] = field(default_factory=list)

    @property
    def split(self) -> str:
        """The protocol as it is to be shown: nothing leaky goes without the word."""
        return shown_strategy(self.protocol)

    def to_dict(self) -> dict[str, Any]:
        """The cell as plain JSON values."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What `reproduce` was asked for, checked."""

    tables: Path | None
    data: Path | None
    songs: _Songs | None
    out: Path
    seeds: int
    chunks: tuple[float, ...]
    models: tuple[str, ...]
    classes: tuple[str, ...]
    settings: dict[str, Any]
    weights: str | None
    spec: MelSpec
    workers: int | None
    told: Told


def reproduce(
    study: str = "gtzan",
    *,
    tables: Path | str | None = None,
    data: Path | str | None = None,
    songs: Path | str | None = None,
    out: Path | str = "reproduce-gtzan",
    seeds: int = 10,
    chunks: Sequence[float] = CHUNKS,
    models: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    weights: str | None = None,
    spec: MelSpec | None = None,
    workers: int | None = None,
    told: Told | None = None,
) -> Iterator[Cell]:
    """Run a study again, on the data that there is.

    The same call goes on where it was stopped; finished runs are taken as they are.

    Parameters
    ----------
    study : str
        One of `audiospec.zoo.study.STUDIES`.
    tables : path or None
        Folder of ``features_30_sec.csv`` and ``features_3_sec.csv``, or parts of them whose names begin so.
    data : path or None
        GTZAN's audio, as the dataset ``gtzan`` takes it.
    songs : path or None
        Folder of other songs; a song's genre is that of a folder, or the one in its file's name.
    out : path
        Folder for stores and runs; made if it is not there.
    seeds : int
        Splits of each table, from seed 0 on; at least 1. Networks are trained once, with seed 0.
    chunks : sequence of float
        Seconds of the networks' chunks.
    models : sequence of str or None
        Which of `audiospec.zoo.study.MODELS`. None: all.
    classes : sequence of str or None
        Which of GTZAN's genres. None: all.
    settings : mapping or None
        Parameters of the networks' training that are not the study's.
    weights : str or None
        Weights that a pretrained network begins with, instead of those that it would download.
    spec : MelSpec or None
        The networks' features. None: the study's.
    workers : int or None
        Processes that compute features. None: one for each usable core. 0: none but this one.
    told : callable or None
        Told of what goes on.

    Returns
    -------
    iterator of Cell
        Each when it is finished; a cell that could not be run says why in `missing`.

    Raises
    ------
    RegistryError
        An unknown study.
    AudiospecError
        Data that is there and is not what it should be; an option that cannot be. What is finished is kept.
    """
    require_study(study)
    asked = _Asked(
        tables=None if tables is None else _folder(tables, "tables"),
        data=None if data is None else _folder(data, "audio"),
        songs=None if songs is None else _songs(_folder(songs, "songs")),
        out=Path(out),
        seeds=seeds,
        chunks=tuple(dict.fromkeys(map(float, chunks))),
        models=_chosen(models, MODELS, "model of the study"),
        classes=_chosen(classes, GENRES, "genre of GTZAN"),
        settings=dict(settings or {}),
        weights=weights,
        spec=spec or MelSpec(),
        workers=workers,
        told=told or (lambda *_: None),
    )
    if seeds < 1:
        raise ModelError(f"expected at least 1 seed; got {seeds}")
    for chunk in asked.chunks:
        asked.spec.row_shape(Chunking(seconds=chunk).samples(asked.spec.sample_rate))  # raises if too short
    if asked.data is not None:
        for model in _deep_models(asked):  # before hours of work, not after them
            registry[model].Settings.replace_in(_settings(asked, model), f"model {model!r}")
    return _cells(asked)


def _folder(path: Path | str, what: str) -> Path:
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise DatasetError(f"expected a folder of {what}: {not_found(folder)}")
    return folder


def _chosen(names: Sequence[str] | None, known: Sequence[str], what: str) -> tuple[str, ...]:
    """Those of the known names that were asked for, in their own order."""
    for name in names or ():
        if name not in known:
            raise ModelError(
                f"no {what} is called {name!r}{nearest(name, known)} (there are: {', '.join(known)})"
            )
    return tuple(name for name in known if names is None or name in names)


def _cells(asked: _Asked) -> Iterator[Cell]:
    yield from _table_30s(asked)
    yield from _table_3s(asked)
    yield from _deep(asked)


# Tables


@dataclass(frozen=True)
class _Table:
    """A table's view, what of it is used, and what is to be said of that."""

    view: View
    classes: list[str]
    notes: list[str]


def _table_30s(asked: _Asked) -> Iterator[Cell]:
    """Each baseline with the published features, and with ``length`` as well.

    A track has one row, so no split can leak.
    """
    published = TabularSpec().columns
    for features, columns in (
        (f"{len(published)} columns", published),
        (f"{len(published)} and length", (*published, "length")),
    ):
        table, missing = _table(asked, 30, columns)
        notes = [
            "the measured figures are of all columns, the table's length among them, so only the rows with "
            "it are the same experiment; lengths differ by genre, which says how the data was cut, and "
            "nothing of music"
        ]
        yield from _baselines(asked, "30 s table", 30, "track", features, table, missing, notes)


def _table_3s(asked: _Asked) -> Iterator[Cell]:
    """Each baseline on random pieces, as the study has it, and on whole tracks."""
    columns = TabularSpec().columns
    table, missing = _table(asked, 3, columns)
    for protocol in ("random", "track"):
        features = f"{len(columns)} columns"
        yield from _baselines(asked, "3 s table", 3, protocol, features, table, missing, [])


def _baselines(
    asked: _Asked,
    section: Section,
    seconds: int,
    protocol: str,
    features: str,
    table: _Table | None,
    missing: str,
    notes: list[str],
) -> Iterator[Cell]:
    chosen = [baseline for baseline in BASELINES if baseline.model in asked.models]
    for number, baseline in enumerate(chosen):
        train_f1, test_f1 = baseline.study[seconds]
        cell = Cell(
            section=section,
            model=baseline.name,
            features=features,
            chunk=float(seconds),
            protocol=protocol,
            leaky=is_leaky(protocol),
            study={"train": train_f1, "test": test_f1},
            measured=dataclasses.asdict(baseline.measured) if seconds == 30 else {},
            notes=notes,
            missing=missing,
        )
        if table is None:
            yield cell
            continue
        runs: list[Run] = []
        try:
            for seed in range(asked.seeds):
                what, done = f"{section}, {features}, {cell.split}", number + seed / asked.seeds
                asked.told(what, done, len(chosen), f"{baseline.name}, seed {seed}")
                settings = dict(baseline.settings)
                runs.append(
                    _train(asked, baseline.model, table.view, protocol, seed, settings, table.classes)
                )
        except (ModelError, SplitError) as error:
            yield dataclasses.replace(cell, missing=str(error))
            continue
        found = _scores(runs)
        yield dataclasses.replace(
            cell,
            found=found,
            agrees=_agrees(found["test"]["chunk"], baseline.measured.test) if cell.measured else None,
            notes=[*notes, *table.notes],
            runs=[_relative(asked, run) for run in runs],
        )


def _agrees(ours: F1, measured: float) -> bool | None:
    """Whether ours is near the measured figure; None if one run cannot tell."""
    if ours.deviation is None:
        return None
    return abs(ours.mean - measured) <= DEVIATIONS * ours.deviation


def _table(asked: _Asked, seconds: int, columns: Sequence[str]) -> tuple[_Table | None, str]:
    """A published table as a view of the result's store; or why there is none."""
    name = f"features_{seconds}_sec"
    if asked.tables is None:
        return None, NO_TABLES
    # A whole table before a part of one, which has more in its name.
    files = sorted(asked.tables.glob(f"{name}*.csv"), key=lambda file: (file.stem != name, file.name))
    if not files:
        return None, f"{asked.tables} has no {name}.csv: {NO_TABLES}"
    read = read_table(files[0], columns)
    view = import_table(read, _made(asked) / "tables.zarr", dataset="gtzan", chunk=float(seconds))
    classes, notes = _usable(view, asked.classes, TABLE_SHARES)
    if len(view) < TABLE_ROWS[seconds]:
        notes.insert(
            0,
            f"{files[0].name} is a part of the published table: {len(view)} of {TABLE_ROWS[seconds]} rows, "
            f"{len(view.classes)} of {len(GENRES)} genres",
        )
    if len(classes) < 2:
        return None, "; ".join([f"{files[0].name} leaves fewer than two genres to tell apart", *notes])
    return _Table(view, classes, notes), ""


def _usable(view: View, wanted: Sequence[str], shares: Sequence[float]) -> tuple[list[str], list[str]]:
    """The genres that have tracks for all sides of a split, and what to say of the others."""
    least = round(1 / min(share for share in shares if share))
    labels = dict(zip(view.ids.tolist(), view.labels.tolist(), strict=True))  # of each track once
    counts = Counter(map(str, labels.values()))
    notes = []
    if len(wanted) < len(GENRES):
        notes.append(f"{len(wanted)} of {len(GENRES)} genres were asked for: {', '.join(wanted)}")
    few = [f"{name} {counts[name]}" for name in wanted if 0 < counts[name] < least]
    if few:
        notes.append(
            f"genres with fewer than {least} tracks cannot be on all sides and are left out: {', '.join(few)}"
        )
    used = [name for name in wanted if counts[name] >= least]
    if len(used) < len(GENRES):
        notes.append(
            f"{len(used)} genres to tell apart ({', '.join(used)}), where the study has {len(GENRES)}: not "
            "the same task, and an easier one"
        )
    return used, notes


# Networks


def _deep_models(asked: _Asked) -> list[str]:
    return [model for model in DEEP_MODELS if model in asked.models]


def _deep(asked: _Asked) -> Iterator[Cell]:
    """Each network on each chunk length, on random chunks, as the study has it, and on whole tracks."""
    if not _deep_models(asked):
        return
    views: list[View] = []
    about: list[str] = []
    if asked.data is not None:
        views, about = _views(asked, asked.data)
    for number, chunk in enumerate(asked.chunks):
        for model in _deep_models(asked):
            for protocol in ("random", "track"):
                cell, run = _deep_cell(asked, views[number] if views else None, about, model, chunk, protocol)
                yield cell
                yield _songs_cell(asked, cell, run)


def _deep_cell(
    asked: _Asked, view: View | None, about: list[str], model: str, chunk: float, protocol: str
) -> tuple[Cell, Run | None]:
    figures = DEEP.get((chunk, model))
    cell = Cell(
        section="deep",
        model=model,
        features="mel",
        chunk=chunk,
        protocol=protocol,
        leaky=is_leaky(protocol),
        study=dict(zip(("train", "valid", "test"), figures, strict=True)) if figures else {},
        missing=NO_AUDIO if view is None else "",
    )
    if view is None:
        return cell, None
    classes, notes = _usable(view, asked.classes, SHARES)
    settings = _settings(asked, model)
    notes = [*_differences(asked, model, settings), *about, *notes]
    if figures is None:
        notes.insert(0, f"the study has no chunks of {chunk:g} s")
    if len(set(view.ids.tolist())) == len(view):
        notes.append("a track is one chunk here, so random chunks are random tracks, and leak no recording")
    cell = dataclasses.replace(cell, notes=notes)
    if len(classes) < 2:
        return dataclasses.replace(cell, missing="the audio leaves fewer than two genres to tell apart"), None
    most = getattr(registry[model].Settings.replace_in(settings, f"model {model!r}"), "epochs", 0)

    def progress(epoch: dict[str, float]) -> None:
        what = f"{model}, {chunk:g} s, {cell.split}"
        asked.told(what, epoch["epoch"], most, epoch_in_words(epoch, most))

    try:
        run = _train(asked, model, view, protocol, 0, settings, classes, progress)
    except (ModelError, SplitError) as error:
        return dataclasses.replace(cell, missing=str(error)), None
    return dataclasses.replace(cell, found=_scores([run]), runs=[_relative(asked, run)]), run


def _views(asked: _Asked, data: Path) -> tuple[list[View], list[str]]:
    """A view of GTZAN's audio for each chunk length, and what is not there of the audio."""
    dataset = datasets["gtzan"](data)
    manifest = dataset.manifest()

    def progress(now: pipeline.Progress) -> None:
        done, total = now.audio_seconds, now.audio_seconds_total
        asked.told("features", done, total, f"{now.tracks}/{now.tracks_total} tracks")

    report = pipeline.run(
        manifest,
        views=[(asked.spec, Chunking(seconds=chunk)) for chunk in asked.chunks],
        store=_made(asked) / "gtzan.zarr",
        workers=asked.workers,
        progress=progress,
    )
    notes = []
    if dataset.validate(manifest):
        counts = Counter(track.label for track in manifest)
        there = ", ".join(f"{name} {counts[name]}" for name in GENRES)
        notes.append(f"{len(manifest)} of GTZAN's {sum(dataset.expected.values())} tracks: {there}")
    notes += [f"{id} cannot be used: {problem}" for id, problem in report.problems.items()]
    return report.views, notes


def _settings(asked: _Asked, model: str) -> dict[str, Any]:
    """Parameters of a network that are not at their defaults."""
    takes = {field.name for field in dataclasses.fields(registry[model].Settings)}
    weights = {} if asked.weights is None or "weights" not in takes else {"weights": asked.weights}
    return asked.settings | weights


def _differences(asked: _Asked, model: str, settings: Mapping[str, Any]) -> list[str]:
    """What of the features and of the training is not as the study has it."""
    cls = registry[model].Settings
    ours: tuple[tuple[Any, Any], ...] = (
        (asked.spec, MelSpec()),
        (cls.replace_in(settings, f"model {model!r}"), cls()),
    )
    changed = [
        f"{field.name} {getattr(mine, field.name)} ({getattr(theirs, field.name)})"
        for mine, theirs in ours
        for field in dataclasses.fields(theirs)
        if getattr(mine, field.name) != getattr(theirs, field.name)
    ]
    return [f"not the study's settings (those in brackets): {', '.join(changed)}"] if changed else []


# External songs


@dataclass(frozen=True)
class _Songs:
    """Songs that are not GTZAN's: file → genre; and what to say of others."""

    genres: dict[Path, str]
    notes: list[str]


def genre_of(path: str) -> str:
    """Genre of a song: that of the nearest folder that is called so, else the only one in the file's name.

    Parameters
    ----------
    path : str
        Relative, with forward slashes.

    Returns
    -------
    str
        One of GTZAN's; ``""`` if none is named, or several are.
    """
    *folders, name = PurePosixPath(path.lower()).parts
    for folder in reversed(folders):
        plain = re.sub(r"[^a-z]", "", folder)
        if plain in GENRES:
            return plain
    words = re.findall(rf"(?<![a-z])(?:{'|'.join(GENRES)})(?![a-z])", re.sub(r"hip[-_ ]hop", "hiphop", name))
    return words[0] if len(set(words)) == 1 else ""


def _songs(folder: Path) -> _Songs:
    files = [file for file in files_under(folder) if suffix(file) in AUDIO_SUFFIXES]
    genres = {folder / file: genre_of(file) for file in files}
    if not any(genres.values()):
        raise DatasetError(
            f"expected songs under {folder}: found {len(files)} audio files, none with a genre"
        )
    notes = [f"{shown(file.name)} names no genre, or several" for file, genre in genres.items() if not genre]
    return _Songs({file: genre for file, genre in genres.items() if genre}, notes)


def _songs_cell(asked: _Asked, trained: Cell, run: Run | None) -> Cell:
    """What a network says of the songs."""
    songs = asked.songs
    cell = dataclasses.replace(trained, section="songs", study={}, found={}, missing="")
    if songs is None:
        return dataclasses.replace(cell, missing=NO_SONGS)
    if run is None:
        return dataclasses.replace(cell, missing=f"there is no model: {trained.missing}")
    known = {file: genre for file, genre in songs.genres.items() if genre in run.info.classes}
    notes = [*trained.notes, *songs.notes]
    if len(known) < len(songs.genres):
        unknown = sorted({*songs.genres.values()} - {*run.info.classes})
        left = len(songs.genres) - len(known)
        are = "song is of a genre" if left == 1 else "songs are of genres"
        notes.append(f"{left} {are} that this model has not learnt: {', '.join(unknown)}")
    if not known:
        return dataclasses.replace(cell, notes=notes, missing="no song is of a genre that this model knows")
    asked.told(f"songs, {cell.model}, {cell.chunk:g} s, {cell.split}", 0, 1, f"{len(known)} songs")
    predictions = _predictions(asked, run, sorted(known))
    notes += [f"{shown(p.file.name)}: {p.problem}" for p in predictions if p.problem]
    said = {p.file: p.classes[0] for p in predictions if not p.problem}
    if not said:
        return dataclasses.replace(cell, notes=notes, missing="no song can be heard")
    return dataclasses.replace(
        cell,
        notes=notes,
        right=sum(genre == known[file] for file, genre in said.items()),
        songs=len(said),
        heard={shown(file.name): genre for file, genre in said.items()},
    )


def _predictions(asked: _Asked, run: Run, files: list[Path]) -> list[Prediction]:
    """What a run predicts for files; kept, for long songs in short chunks take their time."""
    identity = [content_hash(run.path / RUN), *((str(file), content_hash(file)) for file in files)]
    kept = _made(asked) / "songs" / f"{run.path.name}-{digest(identity)[:12]}.json"
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        said = [{**dataclasses.asdict(p), "file": str(p.file)} for p in predict(run, files)]
        with writing(kept) as temporary:
            temporary.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    return [Prediction(**{**p, "file": Path(p["file"])}) for p in json.loads(kept.read_text("utf-8"))]


# Runs


def _made(asked: _Asked) -> Path:
    """The result's folder, which is there from now on."""
    asked.out.mkdir(parents=True, exist_ok=True)
    return asked.out


def _train(
    asked: _Asked,
    model: str,
    view: View,
    protocol: str,
    seed: int,
    settings: Mapping[str, Any],
    classes: Sequence[str],
    progress: Callable[[dict[str, float]], None] | None = None,
) -> Run:
    """Train, go on with a training, or take the run that is there; another question is another folder."""
    name = run_name(model, view, protocol, seed)
    if settings or list(classes) != view.classes:
        name += f"-{digest([dict(settings), list(classes)])[:6]}"
    return train(
        model,
        view,
        settings=settings,
        strategy=protocol,
        seed=seed,
        classes=classes,
        out=asked.out / "runs" / name,
        resume=True,
        progress=progress,
    )


def _relative(asked: _Asked, run: Run) -> str:
    return run.path.relative_to(asked.out).as_posix()


def _scores(runs: list[Run]) -> dict[str, dict[str, F1]]:
    """Macro F1 of some runs of one cell."""
    sides = [side for side in ("train", "valid", "test") if side in runs[0].metrics]
    return {side: {level: _f1(runs, side, level) for level in ("chunk", "track")} for side in sides}


def _f1(runs: list[Run], side: str, level: str) -> F1:
    scores = [run.metrics[side][level] for run in runs]
    values = [100 * score["macro_f1"] for score in scores]
    if len(runs) > 1:
        return F1(mean(values), deviation=pstdev(values))
    return F1(values[0], interval=[100 * end for end in scores[0]["macro_f1_interval"]])
