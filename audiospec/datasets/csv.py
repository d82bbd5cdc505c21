"""csv: your own audio, listed in a CSV file with a path and a label in each row."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from audiospec.datasets.base import Dataset, datasets
from audiospec.datasets.own.asked import Asked, names_in
from audiospec.datasets.own.listing import read_listing
from audiospec.datasets.own.notices import say_dropped
from audiospec.datasets.own.paths import common_folder, normal, relative
from audiospec.datasets.own.search import not_found
from audiospec.errors import DatasetError
from audiospec.manifest import Manifest
from audiospec.storage.location import Location


@datasets.register
class Csv(Dataset):
    """The files that the table at `data` lists: CSV, TSV, JSON Lines (.jsonl) or Parquet.

    The columns ``path`` and ``label`` are required; ``id``, ``group``, ``fold`` and ``cluster`` are optional.
    Usual other names of them are understood, such as ``file_name`` and ``genre``, if only one column has such
    a name. Names may be in any order and case. Other columns are kept as text (`Track.columns`), except those
    that differ between the rows of one file.

    Cells of CSV are separated by commas, semicolons, tabs or bars; the text is UTF-8, with or without a byte
    order mark, or UTF-16 with one. Paths are relative to the table's folder, or absolute. The id is the path
    as written, unless the column ``id`` has one. Paths may be URLs, all of one bucket, wherever the table is.
    A track whose file does not exist is kept, so that reading
    it reports it, but at least one file must exist.

    Columns of times, such as ``start`` and ``end``, make each row a segment of its file; a file has any
    number of rows then, which agree in ``id``, ``group``, ``fold`` and ``cluster``. Times are in seconds, or
    as ``1:02.5``; in milliseconds or samples if the column's name says so. A row with neither times nor label
    is of a file in which nothing is.

    Parameters
    ----------
    data : path or URL
        The table.
    path_column, label_column, id_column, group_column, fold_column, cluster_column : str or None
        Name of the column of the path, and so on. None: the one with a usual name.
    audio_root : path, URL or None
        Folder that paths are relative to. None: the table's.
    target : "single", "multi-label", "number" or "frames"
        What rows are read as: one label; several, in a cell, in rows of one file, or in a column each; a
        number; or labels with times, any number at a time.
    label_columns : str or sequence of str or None
        Columns of which each is a label that a row has (1, true, yes) or has not (0, false, no); a text has
        commas between their names. For several labels.
    separator : str or None
        What separates several labels in a cell. None: a semicolon, a bar or a comma, as the cells have it.
    start_column, end_column : str or None
        Columns of times; that of the end may be a duration. None: those with a usual name. ``"none"`` as
        `start_column`: each row is a whole file, and its times are about something else.

    Raises
    ------
    DatasetError
        An option is of another target.
    """

    is_table = True
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
        ("start and end (or duration) of segments", "that of the segment", "", "", "start_column"),
        ("several labels in a cell or of a file", "refused: choose", "", "", "target"),
        ("one column a label, with 0 and 1", "the columns", "", "", "label_columns"),
        ("a number of a file or segment", "the number", "", "", "target"),
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
        target: str = "single",
        label_columns: Sequence[str] | str | None = None,
        separator: str | None = None,
        start_column: str | None = None,
        end_column: str | None = None,
    ) -> None:
        super().__init__(data)
        columns = {
            "path": path_column,
            "label": label_column,
            "id": id_column,
            "group": group_column,
            "fold": fold_column,
            "cluster": cluster_column,
            "start": start_column,
            "end": end_column,
        }
        self.target = target
        self.asked = Asked(
            columns=columns, target=target, label_columns=names_in(label_columns), separator=separator
        )
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
        listing = read_listing(self.data, folder, self.asked)
        try:
            root = common_folder(folder, [row.file for row in listing.rows])
        except ValueError as error:
            if isinstance(error, DatasetError):
                raise DatasetError(f"{self.data}: {error.reason}", error.hint) from error
            raise DatasetError(
                f"{self.data} lists files on several drives: expected all on the drive of the CSV file"
            ) from error
        say_dropped(self.data, listing.dropped)
        tracks = [row.track(row.id or row.path, relative(row.file, root)) for row in listing.rows]
        return self.ordered(root, tracks, (), listing.column)
