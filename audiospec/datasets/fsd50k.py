"""fsd50k: 51,197 clips of Freesound with one or more of 200 labels each (Fonseca 2022)."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

from audiospec.annotations.annotation import Annotation
from audiospec.datasets.base import DownloadedDataset, Reader, datasets
from audiospec.datasets.download.remote import Remote
from audiospec.datasets.own.folds import fold_named
from audiospec.datasets.own.search import Found
from audiospec.datasets.published.tables import Entry, by_name, find_file, read_entries, read_object
from audiospec.errors import DatasetError
from audiospec.manifest import Manifest, Track
from audiospec.storage.location import Location
from audiospec.text import printable

COUNTS = {"train": 36_796, "valid": 4_170, "test": 10_231}
"""Fold → number of clips."""


def _remote(name: str, md5: str, *parts: Remote) -> Remote:
    return Remote(f"https://zenodo.org/records/4060432/files/FSD50K.{name}", md5=md5, parts=parts)


@datasets.register
class Fsd50k(DownloadedDataset):
    """FSD50K: ``N.wav``, and the tables ``dev.csv`` and ``eval.csv`` of its ground truth.

    A clip has several labels, which include the more general ones: Electric_guitar, Guitar, Music. The fold
    is ``"train"`` or ``"valid"`` by the column split of ``dev.csv``, and ``"test"`` for ``eval.csv``. If the
    metadata are there (``dev_clips_info_FSD50K.json``, ``eval_clips_info_FSD50K.json``), the group is the
    uploader, and a free column is the clip's ``license``. The id is the clip's number on Freesound.
    """

    citation = (
        "E. Fonseca, X. Favory, J. Pons, F. Font and X. Serra, FSD50K: An Open Dataset of Human-Labeled "
        "Sound Events, IEEE/ACM Transactions on Audio, Speech, and Language Processing 30, 829-852, 2022"
    )
    group_noun = "uploaders"
    licence = "CC BY 4.0; each clip has its own: CC0, CC BY, CC BY-NC or CC Sampling+"
    homepage = "https://zenodo.org/records/4060432"
    layout = "FSD50K.dev_audio/N.wav, FSD50K.eval_audio/N.wav, FSD50K.ground_truth/dev.csv and eval.csv"
    target = "multi-label"
    # MD5 as in soundata's loader.
    remotes = (
        _remote(
            "dev_audio.zip",
            "c480d119b8f7a7e32fdb58f3ea4d6c5a",
            _remote("dev_audio.z01", "faa7cf4cc076fc34a44a479a5ed862a3"),
            _remote("dev_audio.z02", "8f9b66153e68571164fb1315d00bc7bc"),
            _remote("dev_audio.z03", "1196ef47d267a993d30fa98af54b7159"),
            _remote("dev_audio.z04", "d088ac4e11ba53daf9f7574c11cccac9"),
            _remote("dev_audio.z05", "81356521aa159accd3c35de22da28c7f"),
            _remote("eval_audio.zip", "6fa47636c3a3ad5c7dfeba99f2637982"),
            _remote("eval_audio.z01", "3090670eaeecc013ca1ff84fe4442aeb"),
            _remote("ground_truth.zip", "ca27382c195e37d2269c4c866dd73485"),
            _remote("metadata.zip", "b9ea0c829a411c1d42adb9da539ed237"),
        ),
    )

    def reader(self, root: Location, found: Found) -> Reader:
        """Read the tables and the metadata, and return what maps a clip to its track."""
        entries: dict[str, Entry] = {}
        clips: dict[str, object] = {}
        for part, columns in (("dev", ("fname", "labels", "split")), ("eval", ("fname", "labels"))):
            table = find_file(found, f"{part}.csv")
            if table is None:
                continue
            entries.update(by_name(read_entries(root / table, columns), "fname"))
            metadata = find_file(found, f"{part}_clips_info_FSD50K.json")
            if metadata is not None:
                clips.update(read_object(root / metadata))
        if not entries:
            raise DatasetError(
                f"dataset {self.name!r} expects {self.layout} under {root}: found neither table",
                "give the folder that has FSD50K.ground_truth, too",
            )

        def read(path: PurePosixPath) -> Track | None:
            entry = entries.get(path.stem)
            if entry is None:
                return None
            clip = clips.get(path.stem)
            uploader, licence = (
                (str(clip.get(name) or "") for name in ("uploader", "license"))
                if isinstance(clip, dict)
                else ("", "")
            )
            return Track(
                id=path.stem,
                path=str(path),
                label="",
                group=printable(uploader),
                fold=_fold(entry),
                annotations=tuple(Annotation(label=label) for label in _labels(entry)),
                columns=(("license", printable(licence)),) if licence else (),
            )

        return read

    def validate(self, manifest: Manifest) -> list[str]:
        """Compare the number of clips of each fold with the full set's; one line for each that differs."""
        counts = Counter(track.fold for track in manifest)
        return [
            f"fold {fold}: {counts[fold]} of {expected} tracks"
            for fold, expected in COUNTS.items()
            if counts[fold] != expected
        ]


def _labels(entry: Entry) -> list[str]:
    """Return the labels of a clip, sorted, each once."""
    labels = {printable(label.strip()) for label in entry.cells["labels"].split(",")} - {""}
    if not labels:
        raise DatasetError(f"{entry.place}, column 'labels' is empty", "restore the dataset's own table")
    return sorted(labels)


def _fold(entry: Entry) -> str:
    """Return the fold of a clip; the table of the evaluation set has no column of it."""
    split = entry.cells.get("split", "test")
    fold = fold_named(split)
    if not fold:
        raise DatasetError(
            f"{entry.place}, column 'split': expected train or val; got {printable(split)!r}",
            "restore the dataset's own table",
        )
    return fold
