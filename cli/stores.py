"""stores: list the formats of feature stores, or show one."""

from __future__ import annotations

from typing import Annotated

import typer

from audiospec.cli._text import entry, facts, listing

EPILOG = "Example: audiospec stores zarr"


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Show the details of one format.", show_default=False)
    ] = None,
) -> None:
    """List the formats of feature stores, or show the details of one."""
    from audiospec.stores.base import stores

    if name is None:
        listing(stores)
        return
    store = stores[name]
    entry(stores, name, store)
    facts({"suffixes": ", ".join(store.suffixes)})
