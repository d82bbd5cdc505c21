"""Tests that need a process: signals, pipes, terminals, encodings."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audiospec import open_store

COMMAND = [sys.executable, "-m", "audiospec"]
#: Many rows from little audio: a few seconds of work.
LONG = ["--chunk", "1", "--hop", "0.02", "--workers", "1"]


def on_terminal(
    arguments: list[str], cwd: Path, env: dict[str, str] | None = None, stdout: int | None = None
) -> tuple[int, str]:
    """Run a command on a terminal of 100 columns; return its exit status and its output."""
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=plain | {"TERM": "xterm", "COLUMNS": "100"} | (env or {}),
        stdin=theirs,
        stdout=theirs if stdout is None else stdout,
        stderr=theirs,
    )
    os.close(theirs)
    text = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # Linux raises this when the other end is closed
            break
        if not part:
            break
        text += part
    os.close(ours)
    return process.wait(timeout=60), text.decode()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_is_resumed(run, start, music: Path, tmp_path: Path, number: int, status: int) -> None:
    arguments = ["featurize", "folder", "--data", str(music), *LONG, "--json"]
    with start(
        [*COMMAND, *arguments], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        first, second = (json.loads(process.stdout.readline()) for _ in range(2))
        assert (first["shards"], second["shards"]) == (0, 1)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (status, "")
    event = json.loads(out.splitlines()[-1])
    assert (event["event"], event["message"]) == ("error", "stopped; run the same command again to continue")
    info = run("store", "info", "folder.zarr", cwd=tmp_path)
    assert (info.returncode, info.stderr.count("\n")) == (2, 1)
    assert "folder.zarr is not finished" in info.stderr
    again = run(*arguments, cwd=tmp_path)
    assert again.returncode == 0
    assert json.loads(again.stdout.splitlines()[0])["shards_total"] < first["shards_total"]
    assert not len(open_store(tmp_path / "folder.zarr").view().damaged())
    assert [path.name for path in tmp_path.iterdir()] == ["folder.zarr"]


def test_a_stopped_run_prints_one_line(start, music: Path, tmp_path: Path) -> None:
    arguments = ["featurize", "folder", "--data", str(music), *LONG]
    with start(
        [*COMMAND, *arguments], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        while not (tmp_path / "folder.zarr.work").exists():
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == "stopped; run the same command again to continue\n"


@pytest.mark.parametrize("ignored", [True, False])
def test_a_job_in_the_background_ignores_ctrl_c(start, music: Path, tmp_path: Path, ignored: bool) -> None:
    """A shell has it so; tests that send Ctrl-C must pass there, too."""
    arguments = ["featurize", "folder", "--data", str(music), *LONG, "--quiet"]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        popen = subprocess.Popen if ignored else start
        process = popen([*COMMAND, *arguments], cwd=tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        while not (tmp_path / "folder.zarr.work").exists():
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == (0 if ignored else 130)
    assert (tmp_path / "folder.zarr").exists() == ignored


def test_a_closed_pipe_is_quiet(music: Path, tmp_path: Path) -> None:
    command = [
        *COMMAND,
        "featurize",
        "folder",
        "--data",
        str(music),
        "--json",
        "--workers",
        "0",
        "--chunk",
        "1",
    ]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["event"] == "progress"
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_output_that_was_closed_before_the_start(tmp_path: Path) -> None:
    shell = shutil.which("sh")
    assert shell is not None
    for redirection in (">&-", "2>&-", ">&- 2>&-"):
        command = f"{' '.join(COMMAND)} datasets {redirection}"
        done = subprocess.run([shell, "-c", command], cwd=tmp_path, capture_output=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, b"")


def test_an_encoding_without_a_multiplication_sign(run, store: Path, tmp_path: Path) -> None:
    done = run("store", "info", store, cwd=tmp_path, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "24 x 192 x 87 float16" in done.stdout


def test_progress_on_a_terminal(music: Path, tmp_path: Path) -> None:
    arguments = ["featurize", "folder", "--data", str(music), "--chunk", "2", "--workers", "0"]
    status, text = on_terminal(arguments, tmp_path)
    assert status == 0
    assert "getting ready" in text
    assert re.search(r"6/6 tracks, 0:24 of audio, \d+ × real time", text)
    assert "\x1b[1m" in text  # bold
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
    assert re.search(r"mel-2s-\w{6}  6 tracks  12 × 192 × 173  float16  797 kB", plain)
    assert "next: audiospec show folder.zarr loud/song1.wav" in plain


@pytest.mark.long
def test_a_training_on_a_terminal_has_a_bar_for_the_run_and_one_for_the_epoch(
    store: Path, tmp_path: Path
) -> None:
    how = ["--chunk", "2", "--shares", "0.34,0.33,0.33", "--epochs", "2", "--seeds", "2"]
    how += ["--set", "device=cpu", "--set", "batch=2"]
    status, text = on_terminal(["train", "crnn-base", "--store", str(store), *how], tmp_path)
    assert status == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
    assert "fitting 6 rows of 192 × 173" in plain
    assert re.search(r"crnn-base track, seed 1 .*an epoch takes about [\d.]+ s, 2 epochs at most ", plain)
    assert re.search(r"epoch 2 of 2 .*\d/12 rows, [\d.e+]+ rows/s, \d.\d s left, all at most \d", plain)
    assert re.search(r"crnn-base track, seed 0 .*epoch 2 of 2, loss \d\.\d{3}, validation \d\.\d{3}", plain)
    # The bar of an epoch is below that of its run, not among those of earlier runs.
    lines = [line.strip() for line in re.split(r"[\r\n]+", plain)]
    first, second = (
        [
            lines[number + 1]
            for number, line in enumerate(lines[:-1])
            if line.startswith(f"crnn-base track, {seed}")
        ]
        for seed in ("seed 0", "seed 1")
    )
    assert any(line.startswith("epoch ") for line in first)
    assert any(line.startswith("epoch ") for line in second)
    after = plain[plain.index("crnn-base track, seed 1") :]
    assert not re.search(r"crnn-base track, seed 0 [^\r\n]*[\r\n]+\s*(epoch|scores) ", after)


@pytest.mark.parametrize("columns", [30, 70, 300])
def test_a_terminal_that_is_too_narrow_cuts_nothing_off(tmp_path: Path, columns: int) -> None:
    status, text = on_terminal(["models"], tmp_path, {"COLUMNS": str(columns)})
    assert status == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\s", "", text)
    assert "efficientnet-lite0-gruspectrogramepochs,patience,batchand21moreEfficientNet-Lite0with" in plain
    assert "…" not in plain


def test_results_go_to_a_file_while_bars_are_on_the_terminal(store: Path, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as file:
        status, text = on_terminal(["store", "verify", str(store)], tmp_path, stdout=file.fileno())
    assert status == 0
    assert re.search(r"mel-1s-\w{6} .*24/24 rows", text)
    assert "checked" not in text
    assert (tmp_path / "out").read_text().count("rows checked, all as written\n") == 2


def test_a_terminal_without_colour(mixed_store: Path, tmp_path: Path) -> None:
    status, text = on_terminal(["store", "info", str(mixed_store)], tmp_path, {"NO_COLOR": "1"})
    assert status == 0
    assert "[red]loud 3, bad 8, quiet 3" in text
    assert not re.search(r"\x1b\[(3|4|9)\d", text)


def test_problems_on_a_terminal_are_shown_letter_by_letter(mixed_store: Path, tmp_path: Path) -> None:
    status, text = on_terminal(["store", "info", str(mixed_store), "--problems"], tmp_path)
    assert status == 0
    assert "bad/bell\\x07.wav" in text
    assert "\x1b[33m7 tracks with a problem:" in text
