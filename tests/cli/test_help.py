"""Help, version and lists: output that needs no audio."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from importlib.util import find_spec

import pytest
import typer

from audiospec import MelSpec, cli
from audiospec.compiled.library import instruction_sets, reason_missing
from audiospec.datasets.base import datasets
from audiospec.engines.base import engines
from audiospec.specs.base import features
from audiospec.specs.presets.base import presets
from audiospec.stores.base import stores
from audiospec.zoo.losses.base import losses
from audiospec.zoo.scores.base import scores

HEAVY = (
    *("torch", "zarr", "h5py", "sklearn", "matplotlib", "soundfile", "numpy", "soxr", "nnAudio2"),
    *("rich", "pydantic", "pooch", "requests", "pandas", "pyarrow", "cleanlab", "starlette", "uvicorn"),
    *("huggingface_hub", "yaml"),
)
COMMANDS = [
    *([], ["featurize"], ["datasets"], ["features"], ["specs"], ["stores"], ["engines"], ["show"]),
    *(["losses"], ["scores"], ["checks"], ["doctor"], ["audit"], ["explore"]),
    *(
        ["models"],
        ["split"],
        ["train"],
        ["leakage"],
        ["evaluate"],
        ["compare"],
        ["predict"],
        ["export"],
        ["push"],
        ["report"],
        ["reproduce"],
    ),
    *(["split"], ["benchmark"]),
    *(["store"], ["store", "info"], ["store", "verify"], ["store", "export"], ["store", "clean"]),
    *(["table"], ["table", "import"], ["table", "export"]),
]


def all_commands(command: object, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    commands = {path}
    for name, subcommand in getattr(command, "commands", {}).items():
        commands |= all_commands(subcommand, (*path, name))
    return commands


def test_every_command_is_tested_here() -> None:
    assert all_commands(typer.main.get_command(cli.app)) == {tuple(command) for command in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_is_light_and_gives_an_example(command: list[str]) -> None:
    code = (
        "import sys; from audiospec import cli; status = cli.main(); "
        f"print('heavy:', *(name for name in {HEAVY} if name in sys.modules)); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command, "--help"], capture_output=True, encoding="utf-8", timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    *text, heavy = done.stdout.splitlines()
    assert heavy == "heavy:"
    assert text[0].startswith(f"Usage: {' '.join(['audiospec', *command])} ")
    assert command in (["store"], ["table"]) or any("audiospec " in line for line in text[-5:])


def test_the_first_fields_of_the_mel_spec_have_a_flag() -> None:
    """Those that specs have always had, and the channel; others are set by --set."""
    command = typer.main.get_command(cli.app).commands["featurize"]  # type: ignore[attr-defined]
    flags = {
        option.name: option.opts + option.secondary_opts
        for option in command.params
        if option.param_type_name == "option"
    }
    for field in dataclasses.fields(MelSpec):
        if field.name == "channel" or field.name not in MelSpec.later:
            assert f"--{field.name.replace('_', '-')}" in flags[field.name]
    assert "--no-center" in flags["center"]


def test_bare_groups_show_help(call) -> None:
    for command in ([], ["store"], ["table"]):
        done = call(*command)
        assert done.status == 0
        assert "Commands:" in done.out


def test_version(call) -> None:
    assert call("--version").out == "audiospec 0.1.0\n"


@pytest.mark.parametrize(
    ("command", "registry"),
    [
        ("datasets", datasets),
        ("features", features),
        ("specs", presets),
        ("stores", stores),
        ("engines", engines),
        ("losses", losses),
        ("scores", scores),
    ],
)
def test_lists_have_a_line_for_each_entry(call, command: str, registry) -> None:
    lines = call(command).out.splitlines()
    assert [line.split()[0] for line in lines] == registry.names()
    for name, line in zip(registry, lines, strict=True):
        assert line.endswith(registry.summary(name))
        assert call(command, name).out.startswith(f"{name}: {registry.summary(name)}\n")


def test_a_dataset_shows_its_source(call) -> None:
    out = call("datasets", "gtzan").out
    for word in ("Tzanetakis", "research only", "1000 tracks: blues 100", "genres.tar.gz", "GENRE.NNNNN"):
        assert word in out


def test_datasets_show_their_target_and_note(call) -> None:
    targets = dict(line.split()[:2] for line in call("datasets").out.splitlines())
    assert targets["gtzan"] == "single"
    assert targets["fsd50k"] == "multi-label"
    assert targets["demo-events"] == "frames"
    assert [line.split() for line in call("datasets", "desed").out.splitlines()].count(
        ["target", "frames"]
    ) == 1
    out = call("datasets", "urbansound8k").out
    assert "test on each of the ten folds" in out
    assert "UrbanSound8K.tar.gz (6.02 GB)" in out
    assert "FSD50K.dev_audio.zip and FSD50K.dev_audio.z01, FSD50K" in call("datasets", "fsd50k").out


def test_a_feature_lists_its_fields_with_defaults_and_meaning(call) -> None:
    lines = call("features", "mel").out.splitlines()
    for field in dataclasses.fields(MelSpec):
        line = next(line for line in lines if line.split()[:1] == [field.name])
        default, *meaning = line.split()[1:]
        assert default == ("none" if field.default is None else str(field.default))
        assert meaning


def test_mel_says_which_backends_this_machine_has(call) -> None:
    lines = [line.split(maxsplit=1) for line in call("features", "mel").out.splitlines()]
    backends = {line[0]: line[1] for line in lines if line and line[0] in ("native", "fft", "conv", "fused")}
    assert list(backends) == ["native", "fft", "conv", "fused"]
    if reason_missing():
        assert backends["native"] == f"missing: {reason_missing()}"
    else:
        assert backends["native"] == f"compiled, on a CPU, for {instruction_sets()[0]}"
    if find_spec("triton") is None:
        assert backends["fused"].startswith("missing: it needs Triton")


def test_mel_says_why_a_backend_is_missing(call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiospec.compiled.library._load", lambda: (None, "it was not built: no compiler"))
    assert "native   missing: it was not built: no compiler" in call("features", "mel").out


def test_a_store_format_shows_its_suffixes(call) -> None:
    assert ".h5, .hdf5" in call("stores", "hdf5").out
