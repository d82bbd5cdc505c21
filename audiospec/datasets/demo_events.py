"""demo-events: soundscapes with six kinds of events and their exact times, synthesised from a seed.

A scene is a background noise and six sources of sound. Four recordings are made in each, in which events
of varying pitch, length and level happen, some at once. As the sources of a scene differ from those of all
others, a split that separates the recordings of a scene scores too high.
"""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import numpy as np

from audiospec.annotations.annotation import Annotation
from audiospec.datasets.base import Dataset, datasets, require_range
from audiospec.datasets.own.search import not_found
from audiospec.datasets.synthesis.scenes import Scene, plan
from audiospec.datasets.synthesis.timbres import RATE
from audiospec.datasets.synthesis.wav import is_complete, write_wav
from audiospec.errors import DatasetError
from audiospec.files import atomic_write, filled
from audiospec.manifest import Manifest, Track
from audiospec.storage.data_folder import data_folder
from audiospec.storage.location import Location, local

RECORDINGS = 4
"""Recordings in each scene; track number N is of scene N // 4."""

CUT, QUIET = 1, 2
"""Number of the track whose last event is cut by its end, and of the one without any event."""

LISTING = "annotations.csv"
"""Table of the events beside the audio."""

# Part of the folder's name: increase it if the synthesis changes, so that old files are not reused.
_VERSION = 1


@datasets.register
class DemoEvents(Dataset):
    """Synthetic soundscapes with exact onsets and offsets: 16-bit mono WAV files at 22050 Hz.

    The labels are alarm, bark, chirp, clicks, hum and voice. Events are 0 to 20 dB above the background and
    up to two of different labels sound at once. The group is the scene, of which there are four recordings
    each. The second recording ends during an event, and the third has none.

    Missing files are made, in a folder under `data` that is named after the seed and the length. It also has
    a table ``annotations.csv`` for the dataset ``csv``: path, start and end in seconds, label and group of
    each event, and a row without times for a recording without events.

    Parameters
    ----------
    data : path or None
        Folder to write to and read from. None: ``demo-events`` in the data folder of the machine.
    seed : int
        Seed of all random choices; 0 or more.
    tracks : int
        Recordings, 1 to 99999. A smaller number gives the first recordings of a larger one.
    seconds : float
        Length of a recording in seconds, 4 to 600.

    Raises
    ------
    DatasetError
        A parameter is outside its range.
    """

    citation = "audiospec: synthesised soundscapes for trying out the detection of events"
    group_noun = "scenes"
    licence = "CC0"
    layout = "a folder to write to"
    target = "frames"

    def __init__(
        self,
        data: Location | str | None = None,
        *,
        seed: int = 0,
        tracks: int = 80,
        seconds: float = 10.0,
    ) -> None:
        super().__init__(data)
        self._folder = None if self.data is None else local(self.data, "dataset 'demo-events'")
        for name, value, low, high in (
            ("seed", seed, 0, 2**63),
            ("tracks", tracks, 1, 99_999),
            ("seconds", seconds, 4, 600),
        ):
            require_range(name, value, low, high)
        self.seed, self.tracks, self.seconds = seed, tracks, float(seconds)

    @property
    def root(self) -> Path:
        """Folder of the recordings."""
        folder = data_folder() / self.name if self._folder is None else self._folder
        return folder / f"v{_VERSION}-seed{self.seed}-{self.seconds:g}s"

    def is_here(self) -> bool:
        """Whether any of the recordings have been made."""
        return filled(self.root)

    def manifest(self) -> Manifest:
        """Make the recordings that are missing or incomplete and return all, sorted by id.

        Raises
        ------
        DatasetError
            The folder cannot be written.
        """
        root, data = self.root, self.root.parent
        try:
            (root / "audio").mkdir(parents=True, exist_ok=True)
            tracks = [self._track(root, number) for number in range(self.tracks)]
            _write_listing(root / LISTING, tracks)
        except OSError as error:
            is_file = os.path.isfile(data)
            problem = not_found(data) if is_file else f"cannot write: {error.strerror or error}"
            raise DatasetError(f"dataset {self.name!r} expects {self.layout} at {data}: {problem}") from error
        return self.ordered(root, tracks)

    def _track(self, root: Path, number: int) -> Track:
        """Return a track; make its file unless it is complete."""
        scene, take = divmod(number, RECORDINGS)
        id = f"scene-{scene:05d}.{take}"
        path = f"audio/{id}.wav"
        samples = round(self.seconds * RATE)
        events = plan(
            samples,
            np.random.default_rng([self.seed, 1, number]),
            is_quiet=number == QUIET,
            is_cut=number == CUT,
        )
        if not is_complete(root / path, samples):
            place = Scene(np.random.default_rng([self.seed, 0, scene]))
            sound = place.record(samples, events, np.random.default_rng([self.seed, 2, number]))
            write_wav(root / path, sound, RATE)
        annotations = tuple(
            Annotation(start=event.start / RATE, end=event.stop / RATE, label=event.label) for event in events
        )
        return Track(id=id, path=path, label="", group=f"scene-{scene:05d}", annotations=annotations)


def _write_listing(file: Path, tracks: list[Track]) -> None:
    """Write the table of events, unless it is there; a track without any has one row without times."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("path", "start", "end", "label", "group"))
    for track in tracks:
        for one in track.annotations:
            table.writerow((track.path, repr(one.start), repr(one.end), one.label, track.group))
        if not track.annotations:
            table.writerow((track.path, "", "", "", track.group))
    content = text.getvalue().encode()
    if not file.exists() or file.read_bytes() != content:
        with atomic_write(file) as temporary:
            temporary.write_bytes(content)
