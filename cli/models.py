"""models: list the models of the zoo, or show the parameters and layers of one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from audiospec.audio.chunking import Chunking
from audiospec.cli._text import body, by, facts, say, table
from audiospec.cli.features import default_of, field_docs
from audiospec.text import size

if TYPE_CHECKING:
    from audiospec.zoo.base import Model

EPILOG = "Example: audiospec models crnn-base --chunk 3"


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Show the details of one model.", show_default=False)
    ] = None,
    chunk: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            max=600,
            show_default=False,
            help="Show the layers for chunks of this length, with default features (10).",
        ),
    ] = 10.0,
    classes: Annotated[
        int,
        typer.Option(
            metavar="N", min=2, show_default=False, help="Show the layers for this number of classes (10)."
        ),
    ] = 10,
) -> None:
    """List the models, or show the parameters and layers of one."""
    from audiospec.zoo.base import models

    if name is None:
        head = ("model", "reads", "parameters", "description")
        table([_line(each, models[each], models.summary(each)) for each in models], head)
        return
    cls = models[name]
    shape, model = _model(cls, Chunking(seconds=chunk), classes)
    layers = model.layers()
    say(f"{name}: {models.summary(name)}", "bold")
    body(cls, models.summary(name))
    train, valid, test = cls.shares
    facts({"reads": cls.input, "split": f"{train:g} training, {valid:g} validation, {test:g} test"})
    docs = field_docs(cls.Settings)
    fields = dataclasses.fields(cls.Settings)
    rows = [(field.name, default_of(field), docs.get(field.name, "")) for field in fields]
    if rows:
        say()
        table(rows, ("parameter", "default", "meaning"), indent=2)
    if layers:
        lines = [
            (layer.name, layer.kind, by(layer.shape), f"{layer.parameters:,}" if layer.parameters else "")
            for layer in layers
        ]
        say()
        table([("", "input", by(shape), ""), *lines], ("layer", "kind", "output", "weights"), indent=2)
        total = f"{sum(layer.parameters for layer in layers):,} parameters"
        depends = cls.input == "table" and not layers[-1].parameters
        parameters = "parameters depend on the training rows" if depends else total
        say(f"  for chunks of {chunk:g} s ({by(shape)}) and {classes} classes: {parameters}")
        memory = model.training_memory()
        if memory is not None:
            batch = getattr(model.settings, "batch", 1)
            say(
                f"  training memory: about {size(memory.row)} for each row of {chunk:g} s, "
                f"{size(memory.of_batch(batch))} at batch {batch} (in float32; on a GPU, in bfloat16, less)"
            )
        say()
    say(f"next: audiospec train {name} --set PARAMETER=VALUE", "dim")


def _line(name: str, cls: type[Model], summary: str) -> tuple[str, str, str, str]:
    names = [field.name for field in dataclasses.fields(cls.Settings)]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return name, cls.input, shown, summary


def _model(cls: type[Model], chunking: Chunking, classes: int) -> tuple[tuple[int, ...], Model]:
    """Return the shape of a row of default features, and an untrained model for it."""
    from audiospec.specs.base import spec_class

    # The usual feature of each kind; any other input is the name of a feature.
    feature = {"table": "tabular", "spectrogram": "mel"}.get(cls.input, cls.input)
    spec = spec_class(feature)()
    shape = spec.row_shape(chunking.samples(spec.sample_rate))
    return shape, cls(cls.Settings(), shape, [f"class {number}" for number in range(classes)])
