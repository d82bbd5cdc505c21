"""Runs whose digests are right and whose content is not: an `AudiospecError`, and no memory for it."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audiospec.digests import digest
from audiospec.errors import AudiospecError, ModelError, RunError
from audiospec.stores.layout.view import View
from audiospec.zoo.base import models
from audiospec.zoo.evaluation import evaluate
from audiospec.zoo.prediction import predict
from audiospec.zoo.report.collect import find_runs
from audiospec.zoo.runs.run import Run
from audiospec.zoo.training import train

DEEP: Any = []
for _ in range(300):
    DEEP = [DEEP]
JUNK: tuple[Any, ...] = (
    *(None, True, -1, 0, 7, 2**34, 2**62, 10**400, 1e300, "", "x", "\0", "\ud800", "a" * 5000),
    *([], {}, [[]], [None], ["a", "a"], [2**40, 2**40], {"a": DEEP}, {"x": 1}, [1e300], "NaN", "../../etc"),
)


def seal(path: Path, **changes: Any) -> None:
    """Change fields of run.json, and state the digests of the files as they are."""
    stated = {**json.loads((path / "run.json").read_text()), **changes}
    del stated["digest"]
    if "files" not in changes:
        content = {name: (path / name).read_bytes() for name in stated["files"] if (path / name).is_file()}
        stated["files"] = {name: hashlib.sha256(raw).hexdigest() for name, raw in content.items()}
        stated["sizes"] = {name: len(raw) for name, raw in content.items()}
        stated["sizes"] = changes.get("sizes", stated["sizes"])
    (path / "run.json").write_text(json.dumps({**stated, "digest": digest(stated)}))


def use(path: Path, view: View) -> None:
    """Do with a run whatever commands do; only an `AudiospecError` may come out."""
    steps: list[Callable[[Run], object]] = [
        lambda run: run.spec,
        lambda run: run.chunking,
        lambda run: run.history(),
        lambda run: run.model().predict_proba(view.read()),
        lambda run: evaluate(run, view.store),
        lambda run: list(predict(run, [])),
    ]
    found = find_runs([path])
    assert len(found.runs) + len(found.problems) == 1
    try:
        run = Run(path)
    except RunError as error:
        assert "\n" not in str(error)  # noqa: PT017
        assert len(str(error)) < 1000  # noqa: PT017
        return
    for step in steps:
        try:
            step(run)
        except AudiospecError as error:
            assert "\n" not in str(error)  # noqa: PT017


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Path:
    """A copy of the run, to be changed."""
    return Path(shutil.copytree(run.path, tmp_path / "copy"))


FIELDS = (
    "model",
    "settings",
    "classes",
    "row_shape",
    "spec",
    "chunking",
    "dataset",
    "store",
    "view",
    "split",
    "backend",
)
OTHERS = ("audiospec_run", "seed", "parameters", "seconds", "versions", "date", "files", "sizes")


@pytest.mark.parametrize("name", FIELDS + OTHERS)
def test_junk_in_a_field(copy: Path, table: View, name: str) -> None:
    content = (copy / "run.json").read_bytes()
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    for index, value in enumerate(JUNK):
        (copy / "run.json").write_bytes(content)
        seal(copy, **{name: value})
        use(copy, table)
        stated = json.loads(content)
        if isinstance(stated[name], dict) and name not in ("files", "sizes"):
            for number, inner in enumerate(stated[name]):
                if (number + index) % 3:  # a third of the pairs
                    continue
                (copy / "run.json").write_bytes(content)
                seal(copy, **{name: {**stated[name], inner: value}})
                use(copy, table)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KiB
    assert time.monotonic() - began < 120


TEXTS = (
    *("", "[" * 100_000, "NaN", '{"test": 1e999}', '{"test": {"track": NaN}}', "9" * 5000, "\0", "\xff"),
    *('"\\ud800"', '{"test": {"track": {"macro_f1": {}}}}', "null", "{}"),
    *("a,b\n1\n", 'a,a\n"1', "a\nx\n", "a\n1,2,3\n"),
)


@pytest.mark.parametrize("name", ["metrics.json", "history.csv"])
@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text)[:20])
def test_junk_in_a_file(copy: Path, table: View, name: str, text: str) -> None:
    (copy / name).write_bytes(text.encode("latin-1"))
    seal(copy)
    use(copy, table)


@pytest.mark.parametrize("kind", ["zero", "pipe", "socket", "folder", "sparse"])
@pytest.mark.parametrize("name", ["model.skops", "metrics.json", "run.json"])
def test_what_is_no_file_is_not_read(
    copy: Path, name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copy / name).unlink()
    if kind == "zero":
        (copy / name).symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(copy / name)
    elif kind == "socket":
        import socket

        monkeypatch.chdir(copy)  # the name of a socket is short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(name)
    elif kind == "folder":
        (copy / name).mkdir()
    else:
        with (copy / name).open("wb") as file:
            file.truncate(1 << 40)
    began = time.monotonic()
    with pytest.raises(RunError, match=r"is damaged|was changed|no run at"):
        Run(copy)
    if name == "model.skops":
        with pytest.raises(ModelError, match="cannot be read"):
            models["lr"](models["lr"].Settings(), (4,), ["ant", "bee", "cat"]).load(copy)
    assert time.monotonic() - began < 5


def test_a_file_that_grew_is_not_read(copy: Path) -> None:
    """Its size is compared before its content."""
    with (copy / "model.skops").open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(RunError, match=r"its model\.skops is not what was written"):
        Run(copy)


def test_a_zip_bomb_for_a_model(copy: Path) -> None:
    with zipfile.ZipFile(copy / "model.skops", "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("schema.json", b"{}" + b" " * 100_000_000)
    seal(copy)
    with pytest.raises(ModelError, match=r"model\.skops cannot be read \(its content is larger than its"):
        Run(copy).model()


@pytest.mark.parametrize("size", [2**63 - 1, 2**32, 10**8 + 1, 10])
def test_a_header_of_weights_that_is_too_long(tmp_path: Path, size: int) -> None:
    cls = models["crnn-base"]
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", size) + b"{}")
    with pytest.raises(ModelError, match=r"model\.safetensors cannot be read"):
        cls(cls.Settings(), (16, 8), ["a", "b"]).load(tmp_path)


def test_a_network_of_another_size_takes_no_memory(tmp_path: Path) -> None:
    """A row of 2^28 mel bins would be a network of gigabytes."""
    import torch
    from safetensors.torch import save

    cls = models["crnn-base"]
    (tmp_path / "model.safetensors").write_bytes(save({"norm.weight": torch.zeros(1 << 4)}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match=r"model\.safetensors cannot be read"):
        cls(cls.Settings(), (1 << 28, 1), ["a", "b"]).load(tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KiB


@pytest.mark.parametrize(
    ("name", "array", "place", "value"),
    [
        ("svm", "_n_support", 0, 10**6),
        ("svm", "support_", slice(None, 1), None),
        ("svm", "_dual_coef_", slice(None, 1), None),
        ("knn-5", "_y", 0, 10**6),
        ("knn-5", "_y", 0, -5),
        ("knn-5", "_fit_X", slice(None, 1), None),
    ],
)
def test_arrays_that_would_be_read_out_of_bounds(
    table: View, tmp_path: Path, name: str, array: str, place: Any, value: Any
) -> None:
    import skops.io

    run = train(name, table, out=tmp_path / "run")
    model: Any = run.model()
    classifier = model.pipeline.steps[1][1]
    if value is None:
        setattr(classifier, array, getattr(classifier, array)[place])
    else:
        getattr(classifier, array)[place] = value
    skops.io.dump(model.pipeline, run.path / "model.skops")
    seal(run.path)
    with pytest.raises(ModelError, match=r"model\.skops is not a (svm|knn5) of 3 classes and 4 columns"):
        Run(run.path).model()


def test_a_report_names_the_damaged_run_and_shows_the_others(run: Run, tmp_path: Path) -> None:
    for number in range(3):
        shutil.copytree(run.path, tmp_path / "runs" / str(number))
    (tmp_path / "runs" / "1" / "metrics.json").write_text("[" * 100_000)
    seal(tmp_path / "runs" / "1")
    os.mkfifo(tmp_path / "runs" / "2" / "x")
    (tmp_path / "runs" / "2" / "run.json").unlink()
    (tmp_path / "runs" / "2" / "run.json").symlink_to("x")
    found = find_runs([tmp_path / "runs"])
    assert [one.path.name for one in found.runs] == ["0"]
    assert [Path(path).name for path in found.problems] == ["1", "2"]
