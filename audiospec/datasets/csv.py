"""csv: your own audio, listed in a CSV file with a path and a label in each row."""

from __future__ import annotations

import os
from pathlib import Path

from audiospec.datasets.base import Dataset, datasets
from audiospec.datasets.own.listing import Row, read_listing
from audiospec.datasets.own.paths import common_folder, normal, relative
from audiospec.datasets.own.search import not_found
from audiospec.errors import DatasetError
from audiospec.manifest import Manifest, Track
from audiospec.storage.location import Location
from audiospec.text import printable


@datasets.register
class Csv(Dataset):
    """The rows of the table at `data`: CSV, TSV, JSON Lines (.jsonl) or Parquet.

    The columns ``path`` and ``label`` are required; ``id``, ``group``, ``fold`` and ``cluster`` are optional.
    Usual other names of them are understood, such as ``file_name`` and ``genre``, if only one column has such
    a name. Names may be in any order and case; other columns are ignored.

    Cells of CSV are separated by commas, semicolons, tabs or bars; the text is UTF-8, with or without a byte
    order mark, or UTF-16 with one. Paths are relative to the table's folder, or absolute. The id is the path
    as written, unless the column ``id`` has one. Paths may be URLs, all of one bucket, wherever the table is.
    A track whose file does not exist is kept, so that reading
    it reports it, but at least one file must exist.

    Each row is a whole file with one label: rows with times, and cells with several labels, are refused.

    Parameters
    ----------
    data : path or URL
        The table.
    path_column, label_column, id_column, group_column, fold_column, cluster_column : str or None
        Name of the column of the path, and so on. None: the one with a usual name.
    audio_root : path, URL or None
        Folder that paths are relative to. None: the table's.
    """

    layout = "a CSV file with the columns path and label"
    layouts = (
        ("columns path, label, fold, group", "label", "fold", "group", ""),
        ("file_name, filename, file … for path", "", "", "", "path_column"),
        ("class, category, genre, target … for label", "that column", "", "", "label_column"),
        ("target 3 and category dog", "category, the name", "", "", "label_column"),
        ("two such columns that differ", "refused: choose", "", "", "label_column"),
        ("split or subset: train, test …", "", "that column", "", "fold_column"),
        ("artist, speaker, site …", "", "", "not taken: choose", "group_column"),
        ("cluster: the same for near-duplicates", "", "", "", "cluster_column"),
        ("paths relative to another folder", "", "", "", "audio_root"),
        ("start and end of segments", "refused: cut files", "", "", ""),
        ("several labels in a cell or of a file", "refused: keep one", "", "", ""),
    )

    def __init__(
        self,
        data: Location | str | None = None,
        *,
        path_column: str | None = None,
        label_column: str | None = None,
        id_column: str | None = None,
        group_column: str | None = None,
        fold_column: str | None = None,
        cluster_column: str | None = None,
        audio_root: Location | str | None = None,
    ) -> None:
        super().__init__(data)
        self.columns = {
            "path": path_column,
            "label": label_column,
            "id": id_column,
            "group": group_column,
            "fold": fold_column,
            "cluster": cluster_column,
        }
        self.audio_root = Dataset.absolute(audio_root)

    def manifest(self) -> Manifest:
        """Read the rows and return their tracks sorted by id.

        The manifest's root is the table's folder (or `audio_root`), or the nearest folder above it that
        contains all files.

        Raises
        ------
        DatasetError
            `data` is not given, does not exist or has an invalid row; the message names the row (the
            header is row 1) and the column.
        """
        if self.data is None:
            raise DatasetError(
                "dataset 'csv' reads your own audio", "give the CSV file that lists it with `data=FILE.csv`"
            )
        if isinstance(self.data, Path) and not os.path.isfile(self.data):
            raise DatasetError(f"dataset 'csv' expects {self.layout}: {not_found(self.data)}")
        if isinstance(self.audio_root, Path) and not os.path.isdir(self.audio_root):
            raise DatasetError(f"expected a folder as `audio_root`: {not_found(self.audio_root)}")
        if self.audio_root is not None:
            folder = self.audio_root
        elif isinstance(self.data, Path):
            folder = Path(os.path.dirname(normal(str(self.data))))
        else:
            folder = self.data.parent
        rows = read_listing(self.data, folder, self.columns)
        try:
            root = common_folder(folder, [row.file for row in rows])
        except ValueError as error:
            if isinstance(error, DatasetError):
                raise DatasetError(f"{self.data}: {error.reason}", error.hint) from error
            raise DatasetError(
                f"{self.data} lists files on several drives: expected all on the drive of the CSV file"
            ) from error
        return self.ordered(root, (_track(row, root) for row in rows))


def _track(row: Row, root: Location) -> Track:
    return Track(
        id=printable(row.id or row.path),
        path=relative(row.file, root),
        label=printable(row.label),
        group=printable(row.group),
        fold=printable(row.fold),
        cluster=printable(row.cluster),
    )
