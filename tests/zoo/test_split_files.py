"""Split files: what is written is read again, and a file of another store is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiospec.digests import digest
from audiospec.errors import SplitError
from audiospec.stores.layout.view import View
from audiospec.zoo.splits.choose import choose_split
from audiospec.zoo.splits.split import SIDES
from audiospec.zoo.splits.split_file import read_split, write_split
from audiospec.zoo.splits.strategies import split

MakeTable = Callable[..., View]


def changed(file: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Change a split file; its digest is correct."""
    content = json.loads(file.read_text())
    del content["digest"]
    change(content)
    file.write_text(json.dumps({**content, "digest": digest(content)}))
    return file


@pytest.mark.parametrize("strategy", ["track", "random"])
def test_a_split_is_read_as_it_was_written(tabular: View, tmp_path: Path, strategy: str) -> None:
    made = split(tabular, strategy, seed=2)
    again = read_split(write_split(made, tabular, tmp_path / "split.json"), tabular)
    assert again.digest == made.digest
    assert all(np.array_equal(getattr(again, side), getattr(made, side)) for side in SIDES)
    assert again.leaks == made.leaks
    assert (again.strategy, again.seed, again.shares) == ("file", 2, made.shares)


def test_a_file_of_one_view_splits_the_other_views_of_the_store(
    tabular: View, mel: View, tmp_path: Path
) -> None:
    made = split(tabular, seed=1)
    other = read_split(write_split(made, tabular, tmp_path / "split.json"), mel)
    for side in SIDES:
        assert {*mel.ids[getattr(other, side)]} == {*tabular.ids[getattr(made, side)]}


def test_a_file_is_plain_json_of_ids_and_hashes(tabular: View, tmp_path: Path) -> None:
    made = split(tabular)
    content = json.loads(write_split(made, tabular, tmp_path / "split.json").read_text())
    table = tabular.store.tracks
    for side in SIDES:
        ids = sorted({*tabular.ids[getattr(made, side)]})
        assert content["sides"][side] == [
            {"id": id, "hash": str(table["hash"][table.index[id]])} for id in ids
        ]


def test_only_the_classes_that_are_chosen_are_used(table: View, tmp_path: Path) -> None:
    file = write_split(split(table), table, tmp_path / "split.json")
    some = read_split(file, table, classes=["ant", "cat"])
    assert {*table.labels[np.concatenate([some.train, some.valid, some.test])]} == {"ant", "cat"}
    assert not len(some.left_out)


def test_tracks_that_are_not_listed_are_left_out(table: View, tmp_path: Path) -> None:
    file = write_split(split(table), table, tmp_path / "split.json")
    gone: list[str] = []
    again = read_split(
        changed(file, lambda content: gone.append(content["sides"]["train"].pop()["id"])), table
    )
    assert {*table.ids[again.left_out]} == {*gone}


def unknown(content: dict[str, Any]) -> None:
    content["sides"]["test"][0]["id"] = "elsewhere.00001"


def other_audio(content: dict[str, Any]) -> None:
    content["sides"]["test"][0]["hash"] = "0" * 32


def on_two_sides(content: dict[str, Any]) -> None:
    content["sides"]["train"].append(content["sides"]["test"][0])


def no_such_chunk(content: dict[str, Any]) -> None:
    content["sides"]["train"][0]["starts"] = [0.0, 77.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            unknown,
            r"lists 1 of 18 tracks that .* does not have, such as 'elsewhere.00001': give the split file of",
        ),
        (
            other_audio,
            r"is of other audio: 1 tracks have another content in .*, such as '.*': give the split",
        ),
        (on_two_sides, r"lists a row on two sides: list each track on one side"),
        (
            no_such_chunk,
            r"lists a chunk of '.*' at 77 s, which view .* does not have: give a view of the chunks",
        ),
        (lambda content: content["sides"].update(test=[]), r"split 'file' of view .* has no test rows"),
        (
            lambda content: content.update(audiospec_split=9),
            r"is not a split file .*or is of another version",
        ),
        (
            lambda content: content.pop("seed"),
            r"is not a split file .no 'seed'.: write one with `write_split`",
        ),
        (lambda content: content.update(shares=[1]), r"is not a split file .it has no three shares"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    tabular: View, tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    file = write_split(split(tabular), tabular, tmp_path / "split.json")
    with pytest.raises(SplitError, match=message) as caught:
        read_split(changed(file, change), tabular)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"audiospec_split": 1, "digest": "x"}'])
def test_what_is_no_split_file_is_refused(tabular: View, tmp_path: Path, text: str) -> None:
    file = tmp_path / "split.json"
    file.write_text(text)
    with pytest.raises(SplitError, match="is not a split file"):
        read_split(file, tabular)
    with pytest.raises(SplitError, match=r"cannot read split file .*No such file"):
        read_split(tmp_path / "nowhere.json", tabular)


def test_a_changed_file_is_refused(tabular: View, tmp_path: Path) -> None:
    file = write_split(split(tabular), tabular, tmp_path / "split.json")
    file.write_text(file.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(SplitError, match="it was changed"):
        read_split(file, tabular)


def test_a_split_of_another_view_is_refused(table: View, tabular: View) -> None:
    with pytest.raises(SplitError, match=r"expected a split of view .*; got one of other rows"):
        choose_split(tabular, split(table), seed=0, shares=(0.7, 0.1, 0.2))


def test_the_command_shows_and_writes_a_split(tabular: View, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "audiospec", "split", "--store", str(tabular.store.path)]
    command += ["--view", tabular.name, "--split", "random", "--out", str(tmp_path / "split.json")]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    made = split(tabular, "random")
    assert "split random (leaky: tracks), seed 0" in shown
    assert f"leaky: {made.leaks.leaking} of {len(made.test)} test rows were learnt from" in shown
    assert read_split(tmp_path / "split.json", tabular).digest == made.digest
    (event,) = subprocess.run(
        [*command, "--json"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert json.loads(event)["digest"] == made.digest
    assert json.loads(event)["sides"]["test"]["rows"] == len(made.test)
