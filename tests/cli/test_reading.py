"""The options for truncated and silent files, and for channels, from the command to the notes of a store."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder with a whole file, one of which half is missing, a silent one, and one in opposite phase."""
    folder = tmp_path / "odd" / "x"
    folder.mkdir(parents=True)
    sound = np.random.default_rng(0).normal(0, 0.1, 44100)
    for name in ("whole", "cut"):
        soundfile.write(folder / f"{name}.wav", sound, 22050)
    content = (folder / "cut.wav").read_bytes()
    (folder / "cut.wav").write_bytes(content[: len(content) // 2])
    soundfile.write(folder / "silent.wav", np.zeros(44100), 22050)
    soundfile.write(folder / "opposed.wav", np.stack([sound, -sound], axis=1), 22050)
    return tmp_path / "odd"


def test_from_the_option_to_the_note(call, odd: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.zarr"
    command = ("featurize", "folder", "--data", odd, "--chunk", 1, "--store", store, "--workers", 0)
    out = call(*command).out
    assert "3 tracks with a problem:" in out
    assert "x/opposed.wav: silent: the mean of the 2 channels is silent, the channels are not" in out
    assert "take one of them: --channel left\n" in out
    done = json.loads(call(*command, "--channel", "left", "--json").out.splitlines()[-1])
    assert set(done["problems"]) == {"x/cut.wav", "x/silent.wav"}
    out = call(*command, "--channel", "left", "--truncated", "keep", "--keep-silent").out
    assert "2 tracks used with a note:\n  x/cut.wav: truncated: the header announces 2.000 s, 1.0" in out
    assert (
        "notes     2 tracks: 1 silent, 1 truncated (audiospec store info" in call("store", "info", store).out
    )
    assert "2 tracks used with a note:" in call("store", "info", store, "--problems").out
    assert set(json.loads(call("store", "info", store, "--json").out)["notes"]) == {
        "x/cut.wav",
        "x/silent.wav",
    }


def test_other_values_are_refused(call, odd: Path) -> None:
    done = call("featurize", "folder", "--data", odd, "--truncated", "maybe")
    assert done.status != 0
    assert "parameter truncated must be 'refuse' or 'keep'; got 'maybe'" in done.err
    done = call("featurize", "folder", "--data", odd, "--channel", "middle")
    assert "parameter channel must be mix, left, right, loudest, or a number from 0; got 'middle'" in done.err
