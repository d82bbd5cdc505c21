"""Session: a store that is looked at, and the answers to what the page asks, as JSON values."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audiospec.explorer.audio import AudioFiles
from audiospec.explorer.background import Background
from audiospec.explorer.catalogue import COLUMNS, LENGTH, Catalogue, Filters, Query, finite
from audiospec.explorer.decisions import Decisions
from audiospec.explorer.findings import Findings
from audiospec.explorer.histograms import histogram
from audiospec.explorer.outputs import RunOfStore, chosen_run, runs_of_store
from audiospec.explorer.problems import GoneError, NotFoundError
from audiospec.explorer.projection import describe_tracks, project, require_method
from audiospec.explorer.spectrograms import damaged_among, picture_of
from audiospec.stores.base import FeatureStore, open_store
from audiospec.stores.layout.view import View

if TYPE_CHECKING:
    from audiospec.doctor.diagnosis import Diagnosis

#: Most rows of the table in one answer.
MOST_ROWS = 1000
#: Most chunks of a track that are read to see whether they are damaged.
_MOST_CHECKED = 64
_NO_MEL = (
    "this store has no spectrograms to look at: make some with `audiospec featurize DATASET --features mel "
    "--store STORE`"
)
_WAVES = "there is no map of waves, whose samples do not say what sounds alike: choose another view"


class Session:
    """A store that is looked at.

    Parameters
    ----------
    store : FeatureStore
    work : Path
        A folder for temporary files.
    runs : Path or None
        A folder that has runs at any depth.
    view : str or None
        Name of the view that is shown at first, or its beginning. None: the spectrograms with the longest
        chunks.
    findings : Diagnosis or None
        None: the doctor looks at the store in the background.
    who : str
        Who decides about labels.
    seed : int
        All that is random follows from it.

    Raises
    ------
    StoreError
        There is no such view or folder, or the findings are of another store.
    """

    def __init__(
        self,
        store: FeatureStore,
        work: Path,
        *,
        runs: Path | None = None,
        view: str | None = None,
        findings: Diagnosis | None = None,
        who: str = "",
        seed: int = 0,
    ) -> None:
        self.store, self._seed = store, seed
        self._written = _written(store)
        self.catalogue = Catalogue(store.tracks)
        self.views = _ordered(store, view)
        self.runs, self._problems = runs_of_store(runs, store, self.catalogue)
        self.audio = AudioFiles(store, work)
        self.decisions = Decisions(store, who)
        self._lock = threading.Lock()
        self._orders: dict[str, tuple[NDArray[np.int64], NDArray[np.int32]]] = {}
        self._last: tuple[Any, Any] | None = None
        self._maps: dict[tuple[str, str], Background[dict[str, Any]]] = {}
        self.findings = Findings(store, findings)

    def close(self) -> None:
        """Stop what goes on in the background."""
        self.findings.stop()
        for work in self._maps.values():
            work.stop(0.1)

    def require_unchanged(self) -> None:
        """Raise a GoneError if the store was written to since it was opened."""
        if _written(self.store) != self._written:
            raise GoneError(
                f"{self.store.path.name} was written to since this page was opened",
                "stop and start `audiospec explore` again",
            )

    def overview(self) -> dict[str, Any]:
        """Return what the page shows around its table."""
        is_drawn = any(view.spec.kind == "spectrogram" for view in self.views)
        messages = ("" if is_drawn else _NO_MEL, self.audio.message, self.decisions.why_not)
        return {
            "name": self.store.path.name,
            "dataset": self.store.dataset,
            "tracks": len(self.catalogue),
            "labels": [{"name": name, "count": count} for name, count in self.catalogue.label_counts.items()],
            "views": list(map(self._described, self.views)),
            "runs": [run.described() for run in self.runs],
            "columns": self.catalogue.described(),
            "can_correct": self.decisions.allowed,
            "audio": self.audio.state,
            "message": ". ".join(filter(None, messages)),
            "problems": self._problems + self.decisions.problems(),
            "static": False,
            "page": 0,
        }

    @staticmethod
    def _described(view: View) -> dict[str, Any]:
        drawn = view.spec.kind == "spectrogram"
        axis, ticks = "", []
        if drawn:
            from audiospec.render.spectrogram import first_axis

            bins = view.info.row_shape[0]
            axis, marks = first_axis(view)
            ticks = [
                {"at": min(1.0, (position + 0.5) / bins), "text": text} for text, position in marks.items()
            ]
        return {
            "name": view.name,
            "feature": view.spec.feature,
            "chunk": view.chunking.seconds,
            "rows": len(view),
            "drawn": drawn,
            "ticks": ticks,
            "axis": axis,
        }

    def table(self, query: Query, run: str = "", offset: int = 0, limit: int = 100) -> dict[str, Any]:
        """Return some rows of the table of tracks, and how many there are.

        Raises
        ------
        StoreError
            There is no such column or run.
        """
        of_run = chosen_run(self.runs, run)
        counts = self.findings.counts()
        decided = self.decisions.numbers()
        key = (query, run, int(counts.sum()), decided)
        last = self._last
        if last is None or last[0] != key:
            finding = self.findings.tracks_of(query.finding) if query.finding else None
            outputs = None if of_run is None else of_run.outputs
            filters = Filters(outputs, finding, counts, self.findings.duplicates(), decided)
            last = self._last = (key, self.catalogue.numbers(query, filters))
        numbers = last[1]
        chosen = numbers[offset : offset + min(limit, MOST_ROWS)]
        return {"total": len(numbers), "rows": [self.row(number, of_run) for number in chosen.tolist()]}

    def row(self, number: int, run: RunOfStore | None) -> dict[str, Any]:
        """Return a row of the table of tracks."""
        row = {
            **self.catalogue.row(number),
            "corrected": self.decisions.new_label(number),
            "side": "",
            "predicted": "",
            "probability": None,
            "loss": None,
            "duplicates": len(self._cluster(number)),
            "findings": self.findings.checks_of(number),
            "audio": self.audio.has(number),
        }
        if run is not None:
            side, predicted, probability, loss, _ = (values[number] for values in run.outputs)
            row["side"], row["predicted"] = str(side), str(predicted)
            row["probability"], row["loss"] = finite(probability), finite(loss)
        return row

    def track(self, number: int, run: str = "", view: str = "") -> dict[str, Any]:
        """Return all that is known of a track.

        Raises
        ------
        NotFoundError
            There is no such track.
        StoreError
            There is no such run or view.
        """
        if not 0 <= number < len(self.catalogue):
            raise NotFoundError(f"the store has tracks 0 to {len(self.catalogue) - 1}; got {number}")
        of_run, chosen = chosen_run(self.runs, run), self.view(view)
        has_audio = self.audio.has(number)
        return {
            **self.row(number, of_run),
            "chunks": [] if chosen is None else self._chunks(number, chosen),
            "cluster": self._cluster(number),
            "findings": self.findings.of_track(number),
            "probabilities": [] if of_run is None else _probabilities(of_run, number),
            "decisions": self.decisions.of_track(number),
            "audio_url": f"audio/{number}" if has_audio else "",
            "audio_message": "" if has_audio else self.audio.message or self.audio.why_not(number),
        }

    def _cluster(self, number: int) -> list[int]:
        """Return the tracks that hold the same sound: by the store, or else by the doctor."""
        return self.catalogue.cluster_of(number) or self.findings.duplicates_of(number)

    def _chunks(self, number: int, view: View) -> list[dict[str, Any]]:
        rows = self._rows_of(view, number)
        with self._lock:
            checked = len(rows) <= _MOST_CHECKED
            damaged = damaged_among(view, np.array(rows, np.int64)) if checked else set()
        return [
            {
                "row": row,
                "start": float(view.rows["start"][row]),
                "seconds": float(view.rows["seconds"][row]),
                "damaged": row in damaged,
            }
            for row in rows
        ]

    def _rows_of(self, view: View, number: int) -> list[int]:
        """Return the row numbers of a track in a view, in order of start."""
        if view.name not in self._orders:
            order = np.argsort(view.rows["track"], kind="stable")
            self._orders[view.name] = order, view.rows["track"][order]
        order, tracks = self._orders[view.name]
        first, stop = np.searchsorted(tracks, (number, number + 1))
        return [int(row) for row in order[first:stop]]

    def view(self, name: str = "") -> View | None:
        """Return a view by its full name; the first if no name is given, None if there is none.

        Raises
        ------
        NotFoundError
            There is no such view.
        """
        if not name:
            return self.views[0] if self.views else None
        for view in self.views:
            if view.name == name:
                return view
        raise NotFoundError(f"the store has no view {name!r}")

    def picture(self, row: int, view: str = "") -> bytes:
        """Return the spectrogram of a row of a view as PNG; see `picture_of`."""
        chosen = self.view(view)
        if chosen is None:
            raise NotFoundError(_NO_MEL)
        with self._lock:
            return picture_of(chosen, row)

    def confusion(self, run: str) -> dict[str, Any]:
        """Return the confusion matrix of a run."""
        of_run = chosen_run(self.runs, run)
        if of_run is None:
            return {"labels": [], "counts": [], "side": "", "message": "choose a run"}
        return of_run.confusion()

    def histogram(self, column: str) -> dict[str, Any]:
        """Return the histogram of a column of numbers.

        Raises
        ------
        NotFoundError
            There is no such column.
        """
        described = {"seconds": LENGTH, **COLUMNS}
        if column != "seconds" and column not in self.catalogue.columns:
            raise NotFoundError(f"the store has no column of numbers {column!r}")
        title, unit = described[column]
        values = np.asarray(self.store.tracks[column], np.float64)
        found = histogram(values)
        outliers = [
            {"number": number, "id": str(self.store.tracks["id"][number]), "value": values[number]}
            for number in found["outliers"]
        ]
        return {**found, "outliers": outliers, "title": title, "unit": unit}

    def map(self, view: str = "", method: str = "pca", *, wait: bool = False) -> dict[str, Any]:
        """Return the map of the tracks; it is computed in the background when it is first asked for.

        Parameters
        ----------
        view : str
        method : "pca" or "umap"
        wait : bool
            Whether to wait until it is finished.

        Raises
        ------
        ExplorerError
            Another method.
        NotFoundError
            There is no such view.
        """
        require_method(method)
        chosen = self.view(view)
        no_map = (
            _NO_MEL if chosen is None or not len(chosen) else _WAVES if chosen.spec.kind == "wave" else ""
        )
        if chosen is None or no_map:
            empty = {"labels": [], "points": [], "names": [], "method": method, "message": no_map}
            return {**empty, "state": "done", "done": 0, "total": 0}
        key = (chosen.name, method)
        with self._lock:
            if key not in self._maps:
                self._maps[key] = Background(partial(self._map, *key))
        work = self._maps[key]
        if wait:
            work.wait()
        result = work.result or {"labels": [], "points": [], "names": [], "method": method}
        return {**result, **work.progress()}

    def _map(self, name: str, method: str, tell: Callable[[int, int], None]) -> dict[str, Any]:
        # The store is opened again: what other threads read is not disturbed.
        numbers, features = describe_tracks(open_store(self.store.path).view(name), tell)
        places = project(features, method, self._seed) if len(numbers) else np.zeros((0, 2))
        labels = list(self.catalogue.label_counts)
        index = {label: i for i, label in enumerate(labels)}
        points = [
            [number, round(x, 4), round(y, 4), index[self.catalogue.labels[number]]]
            for number, (x, y) in zip(numbers.tolist(), places.tolist(), strict=True)
        ]
        names = [str(self.store.tracks["id"][number]) for number in numbers.tolist()]
        return {"labels": labels, "points": points, "names": names, "method": method}


def _probabilities(run: RunOfStore, number: int) -> list[dict[str, Any]]:
    values = run.probabilities[number]
    if np.isnan(values).any():
        return []
    return [
        {"label": run.run.info.classes[place], "probability": float(values[place])}
        for place in np.argsort(-values, kind="stable").tolist()
    ]


def _ordered(store: FeatureStore, name: str | None) -> list[View]:
    """Return the views: the chosen one first, then spectrograms with the longest chunks, waves last."""
    order = {"spectrogram": 0, "wave": 2}
    views = sorted(
        store.views(), key=lambda view: (order.get(view.spec.kind, 1), -view.chunking.seconds, view.name)
    )
    if name is None:
        return views
    chosen = store.view(name)
    return [chosen, *(view for view in views if view.name != chosen.name)]


def _written(store: FeatureStore) -> tuple[int, ...]:
    """Return what changes when the store is written to; empty for one in a bucket, which refuses itself."""
    if not isinstance(store.path, Path):
        return ()
    file = store.path if store.path.is_file() else store.path / "zarr.json"
    try:
        status = os.stat(file)
    except OSError:
        return (-1,)
    return status.st_ino, status.st_size, status.st_mtime_ns
