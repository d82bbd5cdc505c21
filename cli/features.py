"""features: list the features, or show the fields of one feature's spec."""

from __future__ import annotations

import dataclasses
import inspect
import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from audiospec.cli._text import assignments, by, entry, facts, listing, say, table
from audiospec.fields import Fields
from audiospec.specs.base import FeatureSpec, features, spec_class
from audiospec.specs.embedding import EmbeddingSpec
from audiospec.specs.mel import MelSpec
from audiospec.specs.tabular import FAMILIES, PUBLISHED, TabularSpec

EPILOG = "Examples: audiospec features mel\n\naudiospec features embedding --set model=FILE.onnx"

_PARAMETERS = re.compile(r"^Parameters\n-+\n(.*?)(?=^\w+\n-+$|\Z)", re.MULTILINE | re.DOTALL)
_PARAMETER = re.compile(r"^(\w[\w, ]*) : .*\n((?:    .*\n?)+)", re.MULTILINE)


def command(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Show the details of one feature.", show_default=False),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Show what a field leads to: with model=FILE of embedding, what the ONNX model takes and "
            "returns, and how near its numbers are.",
        ),
    ] = None,
) -> None:
    """List the features, or show the parameters of one."""
    if name is None:
        if set_:
            raise typer.BadParameter("expected the name of a feature before it", param_hint="--set")
        listing(features)
        return
    cls = spec_class(name)
    if set_:
        values = {key.removeprefix(f"{name}."): value for key, value in assignments(set_).items()}
        _show_set(cls, values)
        return
    entry(features, name, cls)
    docs = field_docs(cls)
    rows = [(field.name, default_of(field), docs.get(field.name, "")) for field in dataclasses.fields(cls)]
    table(rows, ("field", "default", "meaning"), indent=2)
    if cls is MelSpec:
        say()
        say("backends: ways to the same numbers; by default the first that can compute a spec", "bold")
        table(mel_backends(), ("backend", "on this machine"), indent=2)
        say()
    if cls is TabularSpec:
        say()
        say("families of columns: mean and variance of each value; the tempo is one column", "bold")
        families = [(name, family.unit or "1", family.formula) for name, family in FAMILIES.items()]
        table(families, ("family", "unit", "value"), indent=2)
        say("X: Fourier transform of a frame; x: its samples; f: frequency of a bin; FS: full scale is 1")
        say()
    say(f"next: audiospec featurize DATASET --features {name} --set FIELD=VALUE", "dim")


def _show_set(cls: type[FeatureSpec], values: dict[str, str]) -> None:
    """Show the spec that values lead to."""
    if cls is EmbeddingSpec and "model" in values:
        from audiospec.cli._model_file import print_model

        print_model(values)
    else:
        spec = cls.replace_in(values)
        shape = by(spec.row_shape(10 * spec.sample_rate))
        facts({"row of 10 s": f"{shape} {spec.unit}".strip(), "fingerprint": spec.fingerprint})
        say()
    given = " ".join(f"--set {shlex.quote(f'{name}={value}')}" for name, value in values.items())
    say(f"next: audiospec featurize DATASET --features {cls.feature} {given}", "dim")


def mel_backends() -> list[tuple[str, str]]:
    """Return each backend of mel, and whether this machine has it, found out without importing torch."""
    from audiospec.compiled.library import instruction_sets, reason_missing

    native = reason_missing()
    chosen = "" if native else instruction_sets()[0]
    cuda = Path("/proc/driver/nvidia/version").exists()
    lacks = [name for name, has in (("Triton", find_spec("triton")), ("a CUDA device", cuda)) if not has]
    return [
        ("native", f"missing: {native}" if native else f"compiled, on a CPU, for {chosen}"),
        ("fft", "by torch, on any device"),
        ("conv", "by nnAudio, on any device"),
        ("fused", f"missing: it needs {' and '.join(lacks)}" if lacks else "by Triton, on CUDA"),
    ]


def field_docs(cls: type[Fields]) -> dict[str, str]:
    """Return field → description, from the docstrings of a class and its bases.

    Parameters
    ----------
    cls : type of Fields
        A class with numpy-style docstrings.
    """
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        for section in _PARAMETERS.findall(inspect.cleandoc(base.__doc__ or "") + "\n"):
            for names, text in _PARAMETER.findall(section):
                plain = " ".join(text.replace("``", "").replace("`", "").split())
                docs.update(dict.fromkeys(re.split(", *", names), plain))
    return docs


def default_of(field: dataclasses.Field[object]) -> str:
    """Return a field's default as text."""
    if field.default is dataclasses.MISSING:
        return "required"
    if field.default == PUBLISHED:
        return "published"
    return "none" if field.default is None else str(field.default)
