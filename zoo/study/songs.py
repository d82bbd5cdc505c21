"""The study's external songs."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

from audiospec.datasets.gtzan import GENRES
from audiospec.datasets.own.search import find_sound
from audiospec.digests import content_hash, digest
from audiospec.errors import DatasetError
from audiospec.files import atomic_write, read_json
from audiospec.storage.location import local
from audiospec.text import printable
from audiospec.zoo.prediction import Prediction, predict
from audiospec.zoo.runs.info import RUN
from audiospec.zoo.runs.run import Run
from audiospec.zoo.study.cells import Cell
from audiospec.zoo.study.request import Songs, StudyRequest, create_folder

NO_SONGS = (
    "give `songs`, a folder of songs that are not in GTZAN, with a folder for each genre or a genre in each "
    "file's name; the study had ten, one per genre, and did not publish them"
)

#: Largest size in bytes of a file of predictions that were kept.
_MOST_BYTES = 64 << 20


def genre_of(path: str) -> str:
    """Return the genre of a song: from the nearest folder named after one, else from the file's name.

    Parameters
    ----------
    path : str
        Relative, with forward slashes.

    Returns
    -------
    str
        One of GTZAN's genres; ``""`` if the file's name has none or several.
    """
    *folders, name = PurePosixPath(path.lower()).parts
    for folder in reversed(folders):
        plain = re.sub(r"[^a-z]", "", folder)
        if plain in GENRES:
            return plain
    words = re.findall(rf"(?<![a-z])(?:{'|'.join(GENRES)})(?![a-z])", re.sub(r"hip[-_ ]hop", "hiphop", name))
    return words[0] if len(set(words)) == 1 else ""


def find_songs(folder: Path) -> Songs:
    """Return the audio files of a folder with their genres.

    Raises
    ------
    DatasetError
        No audio file has a genre.
    """
    files = find_sound(folder).sound
    genres = {folder / file: genre_of(file) for file in files}
    if not any(genres.values()):
        raise DatasetError(
            f"expected songs under {folder}; got {len(files)} audio files, none with a genre",
            "put a genre in the name of each file, or of its folder",
        )
    notes = [
        f"{printable(file.name)} names no genre or several" for file, genre in genres.items() if not genre
    ]
    return Songs({file: genre for file, genre in genres.items() if genre}, notes)


def songs_cell(request: StudyRequest, trained: Cell, run: Run | None) -> Cell:
    """Return the cell of a network's predictions of the external songs."""
    songs = request.songs
    cell = dataclasses.replace(trained, section="songs", study={}, found={}, curves=[], missing="")
    if songs is None:
        return dataclasses.replace(cell, missing=NO_SONGS)
    if run is None:
        return dataclasses.replace(cell, missing=f"the model was not trained: {trained.missing}")
    labelled = {file: genre for file, genre in songs.genres.items() if genre in run.info.classes}
    notes = [*trained.notes, *songs.notes]
    if len(labelled) < len(songs.genres):
        unknown = sorted({*songs.genres.values()} - {*run.info.classes})
        count = len(songs.genres) - len(labelled)
        are = "song is of a genre" if count == 1 else "songs are of genres"
        notes.append(f"{count} {are} that this model was not trained on: {', '.join(unknown)}")
    if not labelled:
        return dataclasses.replace(
            cell, notes=notes, missing="no song is of a genre that this model was trained on"
        )
    request.progress(f"songs, {cell.model}, {cell.chunk:g} s, {cell.split}", 0, 1, f"{len(labelled)} songs")
    predictions = _predictions(request, run, sorted(labelled))
    notes += [f"{printable(p.file.name)}: {p.problem}" for p in predictions if p.problem]
    predicted = {local(p.file, "a song"): p.classes[0] for p in predictions if not p.problem}
    if not predicted:
        return dataclasses.replace(cell, notes=notes, missing="no song can be decoded")
    return dataclasses.replace(
        cell,
        notes=notes,
        right=sum(genre == labelled[file] for file, genre in predicted.items()),
        songs=len(predicted),
        heard={printable(file.name): genre for file, genre in predicted.items()},
    )


def _predictions(request: StudyRequest, run: Run, files: list[Path]) -> list[Prediction]:
    """Return a run's predictions of files; they are kept, because long songs in short chunks are slow."""
    identity = [content_hash(run.path / RUN), *((str(file), content_hash(file)) for file in files)]
    cache = create_folder(request) / "songs" / f"{run.path.name}-{digest(identity)[:12]}.json"
    kept = _kept(cache)
    if kept is None:
        kept = [{**dataclasses.asdict(p), "file": str(p.file)} for p in predict(run, files)]
        cache.parent.mkdir(exist_ok=True)
        with atomic_write(cache) as temporary:
            content = {"predictions": kept, "digest": digest(kept)}
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return [Prediction(**{**p, "file": Path(p["file"])}) for p in kept]


def _kept(cache: Path) -> list[dict[str, Any]] | None:
    """Return the predictions in a file, or None if it does not exist, or is not what was written."""
    try:
        content = read_json(cache, _MOST_BYTES)
        kept: list[dict[str, Any]] = content["predictions"]
        return kept if digest(kept) == content["digest"] else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
