"""CorrectedView: a view whose labels are as people have corrected them."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.annotation import Labelling
from audiospec.corrections.applied import Applied, in_words
from audiospec.corrections.corrections import Corrections
from audiospec.storage.location import Location
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View, ViewStore
from audiospec.text import printable

#: For `corrected`: the corrections beside the store.
BESIDE = "beside"
#: Label of an excluded track. No store has it, because stores escape NUL.
EXCLUDED = "\0excluded"

_logger = logging.getLogger("audiospec")


class CorrectedStore:
    """What a view uses of its store, with the labels of the tracks corrected; see `ViewStore`."""

    def __init__(self, store: ViewStore, applied: Applied) -> None:
        self._store = store
        self.dataset: str = store.dataset
        self.labelling: Labelling = store.labelling
        labels = store.tracks["label"].copy()
        for number, label in applied.labels.items():
            labels[number] = label
        labels[list(applied.excluded)] = EXCLUDED
        self._tracks = dataclasses.replace(store.tracks, columns={**store.tracks.columns, "label": labels})

    @property
    def path(self) -> Location:
        """Where the store is."""
        return self._store.path

    @property
    def tracks(self) -> Tracks:
        """The track table with corrected labels."""
        return self._tracks

    def view(self, name: str | None = None) -> View:
        """Open a view as the store has it."""
        return self._store.view(name)

    def store_attributes(self) -> dict[str, Any]:
        """Return the store's own attributes."""
        return self._store.store_attributes()

    def bytes_on_disk(self) -> int:
        """Return the size of the store's files in bytes."""
        return self._store.bytes_on_disk()


class CorrectedView(View):
    """A view of one label a track, with the labels of some tracks corrected, and some tracks excluded.

    Its rows and their numbers are those of the view. Rows of excluded tracks are of no class.

    Parameters
    ----------
    view : View
        As the store has it.
    applied : Applied
        What is changed, by the number of the track.
    name, sha256 : str
        Of the file of corrections.

    Attributes
    ----------
    applied, corrections_name, corrections_sha256
        As given.
    """

    def __init__(self, view: View, applied: Applied, name: str, sha256: str) -> None:
        super().__init__(CorrectedStore(view.store, applied), view.info, view.rows, view.targets)
        self._view = view
        self.checks_rows = view.checks_rows
        self.applied = applied
        self.corrections_name = name
        self.corrections_sha256 = sha256

    @property
    def uncorrected(self) -> View:
        """The view as the store has it."""
        return self._view

    @property
    def classes(self) -> list[str]:
        """The labels of the rows, sorted, without those of excluded tracks."""
        return [label for label in super().classes if label != EXCLUDED]

    @property
    def words(self) -> str:
        """What was applied, such as ``"3 labels corrected, 1 track excluded by corrections.csv"``."""
        return in_words(len(self.applied.labels), len(self.applied.excluded), self.corrections_name)

    def _read(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        self._view._read(rows, out)

    def _require_shard(self, number: int) -> None:
        self._view._require_shard(number)

    def __reduce__(self) -> tuple[Any, ...]:
        facts = self._view, self.applied, self.corrections_name, self.corrections_sha256
        return type(self), facts


def corrected(
    view: View, corrections: Location | str | None = BESIDE, *, label_column: str | None = None
) -> View:
    """Return a view with its labels corrected, or the view itself if nothing changes.

    What cannot be applied is named by warnings of the logger ``audiospec``.

    Parameters
    ----------
    view : View
        A `CorrectedView` is returned as it is.
    corrections : path, "beside" or None
        A file of corrections; ``"beside"``: `corrections.csv` in the folder of the store, if there is one.
        None: none.
    label_column : str or None
        A free column that labels are from: corrections are of the store's labels, and do not change it.

    Raises
    ------
    StoreError, StorageError
        The file does not exist, cannot be read, or is not a table of corrections.
    """
    if corrections is None or isinstance(view, CorrectedView):
        return view
    found = Corrections.of(view.store) if corrections == BESIDE else Corrections.read(corrections)
    if found.problem:
        _logger.warning("%s", found.problem)
    return corrected_by(view, found, label_column=label_column)


def corrected_by(view: View, corrections: Corrections, *, label_column: str | None = None) -> View:
    """Return a view with the decisions of some corrections applied; else as `corrected`."""
    applied = corrections.apply(view.store.tracks)
    name = printable(corrections.name)
    if (applied or applied.stale) and (reason := _not_applicable(view, label_column)):
        _logger.warning("%s is not applied: it corrects labels of whole tracks, and %s", name, reason)
        return view
    if applied.stale:
        _logger.warning("%s", applied.stale_in_words(name))
    return CorrectedView(view, applied, corrections.name, corrections.sha256) if applied else view


def _not_applicable(view: View, label_column: str | None) -> str:
    """Return why corrections do not change what is to be predicted; ``""`` if they do."""
    labelling = view.store.labelling
    if label_column is not None and label_column != labelling.column:
        return f"the labels are from column {printable(label_column)!r}"
    if view.targets is not None or labelling.target != "single":
        what = "labels of segments" if labelling.target == "single" else labelling.target
        return f"the target of the rows is {what}"
    return ""
