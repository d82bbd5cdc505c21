"""folder: your own audio, one folder a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from audiospec.annotations.formats.base import annotation_formats
from audiospec.datasets.base import Dataset, datasets
from audiospec.datasets.own.asked import Asked, names_in
from audiospec.datasets.own.columns import REQUIRED, candidates
from audiospec.datasets.own.companions import read_companions
from audiospec.datasets.own.levels import read_folds, read_levels
from audiospec.datasets.own.listing import read_listing
from audiospec.datasets.own.lists import read_lists
from audiospec.datasets.own.notices import say_dropped, say_without_annotations
from audiospec.datasets.own.paths import relative
from audiospec.datasets.own.row import Row, same_column
from audiospec.datasets.own.search import Found
from audiospec.datasets.own.tables import SUFFIXES, read_table
from audiospec.errors import DatasetError
from audiospec.manifest import Manifest, Track
from audiospec.storage.location import Location
from audiospec.text import printable

#: Tables of an AudioFolder: their rows have the labels of the files in their folder, and below.
METADATA = tuple(f"metadata{suffix}" for suffix in SUFFIXES)
ELSEWHERE = (
    "write paths relative to the table, or give `label_level=-1` to take labels from the files' folders"
)
#: Most tables beside the audio that are looked into for paths and labels.
MOST_TABLES = 8


@datasets.register
class Folder(Dataset):
    """All audio files under `data`, at any depth; a file's label is the name of its folder.

    Folders called ``train``, ``test`` or ``valid`` (or another name that Hugging Face's AudioFolder has for
    them) are the dataset's own split: they give the fold. So do lists of files, such as ``test_list.txt``.
    If a ``metadata.csv`` (or ``.jsonl``, ``.parquet``) has the columns ``file_name`` and ``label``, it gives
    the labels. What can be read in several ways is refused, and the message says what each way gives.

    The id is the path relative to `data`, including the suffix. If all files are directly in `data`,
    the only label is the name of that folder. Files directly in `data` beside folders with audio
    have no label and are refused.

    Parameters
    ----------
    data : path or URL
        The folder, of a disk or in a bucket.
    label_level : int or None
        The folder that is the label: 1 is the first below `data`, 2 the one in it, -1 the file's own. None:
        the only one that can be it.
    path_column, label_column, group_column, cluster_column : str or None
        Columns of the metadata. None: those with a usual name, as for `csv`. `label_column` is also that of
        `annotations`.
    annotations : str or None
        Format of files beside the audio that have its annotations, such as ``"raven"`` or ``"audacity"``; the
        folders are no labels then, and metadata give the rest: group, fold, cluster and other columns. Audio
        without such a file has no annotation.
    target, label_columns, separator, start_column, end_column
        How the metadata are read, as for `csv`; `target` is also that of `annotations`.

    Raises
    ------
    DatasetError
        An option is of another target.
    RegistryError
        There is no such format.
    """

    layout = "CLASS/FILE.wav (or any other audio)"
    layouts = (
        ("CLASS/file", "CLASS", "", "", ""),
        ("all files in one folder", "its name", "", "", ""),
        ("SITE/CLASS/file, classes repeat", "CLASS", "", "", "label_level"),
        ("GENRE/ALBUM/file, albums do not repeat", "refused: choose", "", "", "label_level"),
        ("files at several depths", "refused: choose", "", "", "label_level"),
        ("train/CLASS/file, test/CLASS/file", "CLASS", "train, test, valid", "", ""),
        ("CLASS/train/file, CLASS/test/file", "CLASS", "train, test, valid", "", ""),
        ("train/file, test/file", "refused: none", "", "", "label_level"),
        ("fold1/CLASS/file, fold2/CLASS/file", "CLASS", "1, 2", "", ""),
        ("testing_list.txt, validation_list.txt", "", "test, valid; train", "", ""),
        ("metadata.csv, .jsonl, .parquet", "label, class, genre …", "fold, split", "group", "label_column"),
        ("train/metadata.csv, test/metadata.csv", "label, class, genre …", "train, test, valid", "group", ""),
        ("x.wav with x.txt, x.jams, x.selections.txt", "that of each segment", "", "", "annotations"),
    )

    def __init__(
        self,
        data: Location | str | None = None,
        *,
        label_level: int | None = None,
        path_column: str | None = None,
        label_column: str | None = None,
        group_column: str | None = None,
        cluster_column: str | None = None,
        annotations: str | None = None,
        target: str = "single",
        label_columns: Sequence[str] | str | None = None,
        separator: str | None = None,
        start_column: str | None = None,
        end_column: str | None = None,
    ) -> None:
        super().__init__(data)
        self.label_level = label_level
        self.annotations = None if annotations is None else annotation_formats[annotations]()
        columns = {
            "path": path_column,
            "label": label_column,
            "group": group_column,
            "cluster": cluster_column,
            "start": start_column,
            "end": end_column,
        }
        self.target = target
        self.asked = Asked(
            columns=columns, target=target, label_columns=names_in(label_columns), separator=separator
        )

    def manifest(self) -> Manifest:
        """Find the audio files and return them sorted by id.

        Raises
        ------
        DatasetError
            `data` is not given or contains no audio, a file has no label, or labels can be read in several
            ways.
        """
        if self.data is None:
            raise DatasetError("dataset 'folder' reads your own audio", "give its folder with `data=FOLDER`")
        root, found = self.data, self.find(self.data)
        if self.annotations is not None:
            return self._from_companions(root, found)
        metadata = [file for file in found.others if PurePosixPath(file).name.lower() in METADATA]
        asked = bool(self.asked)
        if asked and (self.label_level is not None or not metadata):
            reason = (
                "folder has no metadata.csv, .jsonl or .parquet" if not metadata else "levels have no columns"
            )
            raise DatasetError(
                f"{root}: a {reason}, which a column could be of",
                "give a `label_level`, or columns, or list the files in a CSV file for the dataset 'csv'",
            )
        usable = [file for file in metadata if asked or _has_columns(root / file)]
        if usable and self.label_level is None:
            return self._from_metadata(root, found, usable)
        if self.asked.target != "single":
            raise DatasetError(
                f"the names of folders under {root} are one label of each file; the target is "
                f"{self.asked.target!r}",
                "give files beside the audio with `annotations`, or use a metadata.csv or the dataset 'csv'",
            )
        return self._from_folders(root, found)

    def _from_folders(self, root: Location, found: Found) -> Manifest:
        """Return the tracks with the labels and folds that folders give."""
        paths = [PurePosixPath(path) for path in found.sound]
        loose = [path for path in paths if len(path.parts) == 1]
        only_label = root.resolve().name if isinstance(root, Path) else root.name
        if loose and (len(loose) < len(paths) or not only_label or self.label_level not in (None, -1)):
            raise DatasetError(
                f"dataset 'folder' expects each file in the folder of its class: {len(loose)} file(s) "
                f"are directly in {root}, such as {printable(str(loose[0]))!r}",
                "move each into the folder of its class",
            )
        if loose:
            labelled = [(only_label, "")] * len(paths)
        else:
            labelled = read_levels([path.parts[:-1] for path in paths], self.label_level)
        if len({label for label, _ in labelled}) == 1 and self.label_level is None:
            _refuse_a_table_beside(root, found)
        folds, lists = ({}, []) if any(fold for _, fold in labelled) else read_lists(root, found)
        tracks = (
            Track(
                id=printable(str(path)),
                path=str(path),
                label=printable(label),
                fold=fold or folds.get(str(path), ""),
            )
            for path, (label, fold) in zip(paths, labelled, strict=True)
        )
        return self.ordered(root, tracks, [file for file in found.others if file not in lists])

    def _from_metadata(self, root: Location, found: Found, metadata: list[str]) -> Manifest:
        """Return the tracks that tables of metadata list; the audio that they do not list is left out."""
        rows, column = self._rows(root, metadata, self.asked)
        folds = read_folds([PurePosixPath(path).parts[:-1] for path in rows])
        tracks = (row.track(path, path, fold) for (path, row), fold in zip(rows.items(), folds, strict=True))
        used = {*rows, *metadata}
        left_out = [file for file in (*found.sound, *found.others) if file not in used]
        return self.ordered(root, tracks, left_out, column)

    @staticmethod
    def _rows(root: Location, metadata: list[str], asked: Asked) -> tuple[dict[str, Row], str]:
        """Return path → row of the files that tables list, and the column of their annotations."""
        rows: dict[str, Row] = {}
        listings = {
            file: read_listing(root / file, (root / file).parent, asked, ELSEWHERE) for file in metadata
        }
        for file, listing in listings.items():
            for row in listing.rows:
                path = relative(row.file, root)
                if not path or path.startswith("../"):
                    raise DatasetError(
                        f"{root / file}, row {row.number}: {printable(row.path)!r} is not under {root}",
                        "use the dataset 'csv' with `data` as this file",
                    )
                if path in rows:
                    raise DatasetError(
                        f"{root / file}, row {row.number}: {printable(row.path)!r} is already in another "
                        "table of metadata",
                        "keep one row for each file",
                    )
                rows[path] = row
        dropped = dict.fromkeys(name for listing in listings.values() for name in listing.dropped)
        say_dropped(root, list(dropped))
        column, same = same_column([listing.column for listing in listings.values()], rows.values())
        return dict(zip(rows, same, strict=True)), column

    def _from_companions(self, root: Location, found: Found) -> Manifest:
        """Return the tracks with the annotations of the files beside them, and what metadata say of them."""
        assert self.annotations is not None
        asked = self.asked
        if asked.target == "number":
            raise DatasetError(
                f"files of annotations have labels; the target is {asked.target!r}",
                "list the numbers in a CSV file for the dataset 'csv'",
            )
        others = {
            "label_level": self.label_level,
            "label_columns": asked.label_columns,
            "separator": asked.separator,
            "start_column": asked.columns["start"],
            "end_column": asked.columns["end"],
        }
        if without := [name for name, value in others.items() if value]:
            raise DatasetError(
                f"parameter {without[0]} is not of files beside the audio, which `annotations` reads",
                "leave one of the two out",
            )
        label = asked.columns["label"]
        read, files = read_companions(root, found, self.annotations, asked.target, label)
        bare = [printable(path) for path in found.sound if path not in read]
        say_without_annotations(root, bare, len(found.sound))
        names = [file for file in found.others if PurePosixPath(file).name.lower() in METADATA]
        metadata = [file for file in names if file not in files and _has_columns(root / file, ("path",))]
        of_files = {role: asked.columns[role] for role in ("path", "group", "cluster")}
        if any(of_files.values()) and not metadata:
            raise DatasetError(
                f"{root}: the folder has no metadata.csv, .jsonl or .parquet with paths, which a column "
                "could be of",
                "leave the column out, or list the files in a CSV file for the dataset 'csv'",
            )
        rows, _ = self._rows(root, metadata, Asked(columns=of_files, has_labels=False))
        empty = Row(0, "", "", columns={name: "" for row in rows.values() for name in row.columns})
        paths = list(dict.fromkeys((*found.sound, *rows)))  # reading one that is not there reports it
        folds = read_folds([PurePosixPath(path).parts[:-1] for path in paths])
        tracks = (
            replace(rows.get(path, empty), annotations=read.get(path, ())).track(path, path, fold)
            for path, fold in zip(paths, folds, strict=True)
        )
        left_out = [file for file in found.others if file not in {*files, *metadata}]
        return self.ordered(root, tracks, left_out)


def _has_columns(file: Location, roles: Sequence[str] = REQUIRED) -> bool:
    """Whether a table has a column for each of some roles: of paths and of labels."""
    table = read_table(file)
    return all(candidates(table, role) for role in roles)


def _refuse_a_table_beside(root: Location, found: Found) -> None:
    """Refuse to give all files one label if a table beside them has others."""
    tables = [file for file in found.others if PurePosixPath(file).suffix.lower() in SUFFIXES]
    for file in tables[:MOST_TABLES]:
        try:
            has_columns = _has_columns(root / file)
        except DatasetError:  # it is no table of ours, and is named among the files left out
            continue
        if has_columns:
            raise DatasetError(
                f"all files under {root} are in one folder, and {printable(file)} has paths and labels",
                f"use the dataset 'csv' with `data={root / file}`, or `label_level=-1` for the folder's name",
            )
        if PurePosixPath(file).name.lower() in METADATA:
            raise DatasetError(
                f"all files under {root} are in one folder, and {printable(file)} has no column of paths, or "
                f"none of labels (it has: {', '.join(map(printable, read_table(root / file).columns))})",
                "name them with `path_column` and `label_column`, or give `label_level=-1` for the "
                "folder's name",
            )
