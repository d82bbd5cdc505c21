"""models: the zoo, and the parameters of a model."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from audiospec.cli._text import body, facts, listing, say, table
from audiospec.cli.features import default_of, field_docs

EPILOG = "Example: audiospec models svm"


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Tell all about one model.", show_default=False)
    ] = None,
) -> None:
    """List the models, or tell all about one."""
    from audiospec.zoo.base import models

    if name is None:
        listing(models)
        return
    cls = models[name]
    say(f"{name}: {models.summary(name)}", "bold")
    body(cls)
    train, valid, test = cls.shares
    facts({"reads": cls.input, "split": f"{train:g} to train, {valid:g} to validate, {test:g} to test"})
    docs = field_docs(cls.Settings)
    fields = dataclasses.fields(cls.Settings)
    rows = [(field.name, default_of(field), docs.get(field.name, "")) for field in fields]
    if rows:
        say()
        table(rows, ("parameter", "default", "meaning"), indent=2)
    say(f"train it with: audiospec train {name} --set PARAMETER=VALUE", "dim")
