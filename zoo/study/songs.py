"""The study's external songs."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path, PurePosixPath

from audiospec.datasets.base import AUDIO_SUFFIXES, files_under, suffix
from audiospec.datasets.gtzan import GENRES
from audiospec.digests import content_hash, digest
from audiospec.errors import DatasetError
from audiospec.files import atomic_write
from audiospec.text import printable
from audiospec.zoo.prediction import Prediction, predict
from audiospec.zoo.runs.info import RUN
from audiospec.zoo.runs.run import Run
from audiospec.zoo.study.cells import Cell
from audiospec.zoo.study.request import Songs, StudyRequest, made_folder

NO_SONGS = (
    "give --songs FOLDER with songs that are not in GTZAN, in a folder a genre or with a genre in the file's "
    "name; the study had ten, one a genre, and did not publish them"
)


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


def find_songs(folder: Path) -> Songs:
    """Audio files of a folder, with the genre that each name states."""
    files = [file for file in files_under(folder) if suffix(file) in AUDIO_SUFFIXES]
    genres = {folder / file: genre_of(file) for file in files}
    if not any(genres.values()):
        raise DatasetError(
            f"expected songs under {folder}: found {len(files)} audio files, none with a genre"
        )
    notes = [
        f"{printable(file.name)} names no genre, or several" for file, genre in genres.items() if not genre
    ]
    return Songs({file: genre for file, genre in genres.items() if genre}, notes)


def songs_cell(asked: StudyRequest, trained: Cell, run: Run | None) -> Cell:
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
    notes += [f"{printable(p.file.name)}: {p.problem}" for p in predictions if p.problem]
    said = {p.file: p.classes[0] for p in predictions if not p.problem}
    if not said:
        return dataclasses.replace(cell, notes=notes, missing="no song can be heard")
    return dataclasses.replace(
        cell,
        notes=notes,
        right=sum(genre == known[file] for file, genre in said.items()),
        songs=len(said),
        heard={printable(file.name): genre for file, genre in said.items()},
    )


def _predictions(asked: StudyRequest, run: Run, files: list[Path]) -> list[Prediction]:
    """What a run predicts for files; kept, for long songs in short chunks take their time."""
    identity = [content_hash(run.path / RUN), *((str(file), content_hash(file)) for file in files)]
    kept = made_folder(asked) / "songs" / f"{run.path.name}-{digest(identity)[:12]}.json"
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        said = [{**dataclasses.asdict(p), "file": str(p.file)} for p in predict(run, files)]
        with atomic_write(kept) as temporary:
            temporary.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    return [Prediction(**{**p, "file": Path(p["file"])}) for p in json.loads(kept.read_text("utf-8"))]
