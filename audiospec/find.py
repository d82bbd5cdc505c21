"""Find the view of a store by kind of row, chunk length and name; find the store in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audiospec.errors import StoreError
from audiospec.specs.presets.base import is_preset, presets
from audiospec.stores.base import FeatureStore, open_store, stores
from audiospec.stores.layout.view import View

#: The command that computes a feature.
_FEATURIZE = "`audiospec featurize --features {}`"
#: Kind of row → how messages describe a view of that kind, and the commands that make one.
_DESCRIPTIONS = {
    "table": (
        "a table of features",
        f"{_FEATURIZE.format('tabular')}, or `audiospec table import`",
    ),
    "spectrogram": ("a spectrogram", _FEATURIZE.format("mel")),
    "wave": ("waves", _FEATURIZE.format("wave")),
}


def matching(views: Sequence[View], chunk: float | None = None, name: str | None = None) -> list[View]:
    """Return the views whose chunks are `chunk` seconds long and whose name is, or begins with, `name`.

    If there is none, and `name` is a preset, the views of its spec.
    """
    candidates = [view for view in views if chunk is None or view.chunking.seconds == chunk]
    if name is None:
        return candidates
    exact = [view for view in candidates if view.name == name]
    named = exact or [view for view in candidates if view.name.startswith(name)]
    if named or name not in presets.names():
        return named
    return [view for view in candidates if is_preset(view.spec, name)]


def choices(views: Sequence[View]) -> str:
    """Return the parameters that select each view, for a message."""
    return "; ".join(_parameters(view.chunking.seconds, view.name) for view in views)


def _parameters(chunk: float | None, view: str | None) -> str:
    parameters = [] if chunk is None else [f"`chunk={chunk:g}`"]
    return " ".join(parameters if view is None else [*parameters, f'`view="{view}"`'])


def find_view(
    store: FeatureStore,
    chunk: float | None = None,
    view: str | None = None,
    what: str | None = "table",
    reader: str | None = None,
) -> View:
    """Return the only view of a store that has rows of a kind or feature.

    Parameters
    ----------
    store : FeatureStore
    chunk : float or None
        Length of its chunks in seconds; None matches any.
    view : str or None
        Its name, a prefix of it, or the preset of its spec, such as ``"whisper"``; None matches any.
    what : str or None
        A kind of row, ``"table"`` or ``"spectrogram"``, or the name of a feature: what
        `FeatureSpec.is_of` accepts and ``Model.input`` declares. None: any.
    reader : str or None
        What reads the view, such as a model's name; used in messages.

    Returns
    -------
    View

    Raises
    ------
    StoreError
        No such view, or several. The hint gives the parameters that select one, or how to make one.

    Examples
    --------
    >>> store = audiospec.open_store("gtzan.zarr")  # doctest: +SKIP
    >>> find_view(store, chunk=3, what="spectrogram").name  # doctest: +SKIP
    'mel-3s-3f9a1c'
    """
    if what is None:
        description, commands = "one view", "`audiospec featurize`"
    else:
        description, commands = _DESCRIPTIONS.get(what, (f"a view of {what}", _FEATURIZE.format(what)))
    expected = f"expected {description}" if reader is None else f"{reader} reads {description}"
    suitable = [each for each in store.views() if what is None or each.spec.is_of(what)]
    if not suitable:
        has_waves = any(each.spec.kind == "wave" for each in store.views())
        through = reader is not None and what == "spectrogram" and has_waves
        or_waves = ', or read its waves with `frontend="mel"`' if through else ""
        raise StoreError(f"{expected}; {store.path} has none", f"make one with {commands}{or_waves}")
    matches = matching(suitable, chunk, view)
    if len(matches) == 1:
        return matches[0]
    hint = f"choose one with {choices(matches or suitable)}"
    if view is not None and not matching(suitable, None, view):
        other = store.view(view)  # raises if no view has the name, or several do
        rows = (
            f"view {other.name} of feature {other.spec.feature!r} has rows of ({', '.join(other.spec.dims)})"
        )
        raise StoreError(f"{expected}; {rows}", hint)
    selection = _parameters(chunk, view)
    selection = f" that match {selection}" if selection else ""
    raise StoreError(f"{expected}; {store.path} has {len(matches) or 'none'}{selection}", hint)


def find_store(folder: Path) -> FeatureStore:
    """Open the only store in a folder.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    FeatureStore

    Raises
    ------
    StoreError
        The folder contains no store, or several, or cannot be listed.
    """
    suffixes = {suffix for kind in stores for suffix in stores[kind].suffixes}
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    except OSError as error:
        raise StoreError(f"cannot look for a store in {folder}: {error.strerror}") from error
    if len(paths) != 1:
        listed = ", ".join(path.name for path in paths) or "none"
        raise StoreError(f"expected one store in {folder}; got {listed}", "choose one with `store`")
    return open_store(paths[0])
