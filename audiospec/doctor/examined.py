"""Examined: the store that checks look at, and what several of them need."""

from __future__ import annotations

from functools import cached_property

from audiospec.doctor.duplicates import FoundDuplicates, find_duplicates
from audiospec.doctor.duplicates.frames import has_levels
from audiospec.doctor.steps import Tell, tell_nobody
from audiospec.errors import NotCheckedError
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View


class Examined:
    """A store, as the checks of a diagnosis look at it. What is costly is computed once.

    Parameters
    ----------
    store : FeatureStore
    view : str or None
        Name of the view that is looked at, or its beginning. None: the log-mel view with the most rows.
    seed : int
        All that is random follows from it.
    tell : callable
        Called with what is done, how much of it is done, and the total.
    """

    def __init__(
        self, store: FeatureStore, *, view: str | None = None, seed: int = 0, tell: Tell = tell_nobody
    ) -> None:
        self.store = store
        self.seed = seed
        self.tell = tell
        self._chosen = None if view is None else store.view(view)

    @property
    def tracks(self) -> Tracks:
        """The track table."""
        return self.store.tracks

    @cached_property
    def views(self) -> list[View]:
        """All views of the store, or the chosen one."""
        return self.store.views() if self._chosen is None else [self._chosen]

    @cached_property
    def mel(self) -> View:
        """The log-mel view.

        Raises
        ------
        NotCheckedError
            The store has none, or it is empty.
        """
        spectrograms = [view for view in self.views if view.spec.feature == "mel" and len(view)]
        levels = [view for view in spectrograms if has_levels(view.spec)]
        if not levels:
            of_levels = " whose values are levels, such as decibels" if spectrograms else ""
            raise NotCheckedError(
                f"{self.store.path} has no log-mel view{of_levels}",
                "make one: `audiospec featurize DATASET --features mel --store STORE`",
            )
        return max(levels, key=lambda view: (len(view), view.name))

    @cached_property
    def duplicates(self) -> FoundDuplicates:
        """The tracks that hold the same sound, by their hashes and in the log-mel view.

        Raises
        ------
        NotCheckedError
            See `mel`.
        """
        return find_duplicates(self.mel, seed=self.seed, tell=self.tell)
