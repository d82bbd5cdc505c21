"""Decisions of people on labels, in a file beside the store."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiospec.corrections.applied import apply
from audiospec.corrections.corrections import FILE, Corrections
from audiospec.corrections.decision import COLUMNS, MOST_CELL, Decision, from_csv, to_csv
from audiospec.errors import StoreError
from audiospec.storage.base import ConflictError
from audiospec.stores.layout.schema import TrackRecord
from audiospec.stores.layout.tracks import Tracks

HEADER = ",".join(COLUMNS)


def tracks_of(*labels: str) -> Tracks:
    """Return tracks a, b, c … with these labels and a hash each."""
    return Tracks.from_records(
        [TrackRecord(chr(97 + n), f"{n}.wav", label, hash=f"{n:032x}") for n, label in enumerate(labels)]
    )


@pytest.fixture
def tracks() -> Tracks:
    return tracks_of("jazz", "blues", "rock")


@pytest.fixture
def corrections(tmp_path: Path) -> Corrections:
    return Corrections(tmp_path / FILE)


# What a store can hold; cells of any other text are escaped before.
cells = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
decisions = st.builds(Decision, cells, cells.filter(bool), cells, cells, cells, cells, cells)


@given(st.lists(decisions, max_size=8))
def test_decisions_are_read_as_they_were_written(given: list[Decision]) -> None:
    assert from_csv(to_csv(given).encode(), FILE) == (given, "")


@given(st.lists(decisions, min_size=1, max_size=4), st.data())
def test_a_file_that_was_cut_anywhere_keeps_the_decisions_before_the_cut(
    given: list[Decision], data: st.DataObject
) -> None:
    whole = to_csv(given).encode()
    header = len(HEADER) + 1
    cut = data.draw(st.integers(header, len(whole)))
    ends = [len(to_csv(given[:count]).encode()) for count in range(len(given) + 1)]
    complete = sum(end <= cut for end in ends) - 1
    read, unfinished = from_csv(whole[:cut], FILE)
    assert read[:complete] == given[:complete]
    # What is left of the last line is either named, or a row whose last cell is shorter.
    rest = whole[ends[complete] : cut].decode("utf-8", "surrogateescape")
    if len(read) == complete:
        assert unfinished == rest or not rest.strip()
    else:
        assert len(read) == complete + 1
        assert given[complete].why.startswith(read[complete].why.rstrip("\r"))


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["jazz", "blues", "rock", "new", ""]))))
def test_the_latest_decision_on_a_track_counts(steps: list[tuple[int, str]]) -> None:
    tracks = tracks_of("jazz", "blues", "rock")
    before = tracks["label"].tolist()
    rows = [
        Decision(str(tracks["hash"][number]), str(tracks["id"][number]), before[number], new)
        for number, new in steps
    ]
    latest = dict(steps)
    applied = apply(rows, tracks)
    assert applied.excluded == tuple(sorted(number for number, new in latest.items() if not new))
    assert applied.labels == {number: new for number, new in latest.items() if new and new != before[number]}
    assert (applied.stale, applied.others) == ((), 0)


def test_a_decision_is_taken_back_and_its_history_is_kept(
    tmp_path: Path, corrections: Corrections, tracks: Tracks
) -> None:
    added = corrections.add(tracks, 1, "rock", who="Ann", why="heard it")
    assert added.apply(tracks).labels == {1: "rock"}
    restored = added.take_back(tracks, 1, who="Ben")
    assert not restored.apply(tracks)
    assert [(one.new, one.who) for one in restored.history(tracks, 1)] == [("rock", "Ann"), ("blues", "Ben")]
    assert restored.add(tracks, 1, "").apply(tracks).excluded == (1,)
    assert [line.split(",")[3] for line in restored.file.read_text().splitlines()] == [
        *("new", "rock", "blues", "")
    ]
    with (tmp_path / FILE).open(newline="") as stream:
        row = next(csv.DictReader(stream))
    assert row["when"].endswith("Z")
    assert {**row, "when": ""} == {
        "hash": f"{1:032x}",
        "track": "b",
        "old": "blues",
        "new": "rock",
        "who": "Ann",
        "when": "",
        "why": "heard it",
    }
    assert [path.name for path in tmp_path.iterdir()] == [FILE]  # neither lock nor partial file


def test_decisions_on_tracks_of_other_stores_are_counted_and_not_applied(tracks: Tracks) -> None:
    rows = [
        Decision("f" * 32, "a", "jazz", "rock"),  # another file of the same id
        Decision("", "a", "jazz", "rock"),  # a track without audio; a has some
        Decision("", "z", "jazz", "rock"),
        Decision(f"{0:032x}", "a", "jazz", "rock"),
    ]
    applied = apply(rows, tracks)
    assert (applied.labels, applied.others, applied.stale) == ({0: "rock"}, 3, ())


def test_a_decision_on_a_label_that_has_changed_is_stale_and_named(tracks: Tracks) -> None:
    rows = [
        Decision(f"{0:032x}", "a", "pop", "rock"),
        Decision(f"{1:032x}", "b", "pop", "blues"),  # the dataset was corrected since
        Decision(f"{2:032x}", "c", "pop", ""),
    ]
    applied = apply(rows, tracks)
    assert not applied
    assert applied.stale == (rows[0], rows[2])
    assert applied.stale_in_words(FILE) == (
        "2 decisions of corrections.csv are stale and not applied, as the store has another label there now: "
        "a (pop → rock), c (pop → excluded): decide again"
    )


def test_a_decision_follows_a_file_that_was_moved_but_not_to_its_copy(tracks: Tracks) -> None:
    moved = [Decision(f"{0:032x}", "old/a", "jazz", "rock")]
    assert apply(moved, tracks).labels == {0: "rock"}
    records = [TrackRecord("x", label="jazz", hash="1" * 32), TrackRecord("y", label="rock", hash="1" * 32)]
    copies = Tracks.from_records(records)
    assert apply([Decision("1" * 32, "x", "jazz", "")], copies).excluded == (0,)
    assert apply([Decision("1" * 32, "gone", "rock", "")], copies).excluded == (1,)


def test_a_track_without_audio_is_known_by_its_id() -> None:
    tracks = Tracks.from_records([TrackRecord("a", label="jazz"), TrackRecord("b", label="rock")])
    assert apply([Decision("", "b", "rock", "jazz")], tracks).labels == {1: "jazz"}


def test_cells_are_text_whatever_they_begin_with(corrections: Corrections, tracks: Tracks) -> None:
    label, why = "=HYPERLINK(1)\r\n<b>", '-2+3, "said\nAnn"'
    read = corrections.add(tracks, 0, label, who="@x", why=why)
    assert read.apply(tracks).labels == {0: label}
    assert read.decisions[0].why == why


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (f"{HEADER},remark\n", "has a column 'remark': expected the columns hash,track,old,new,who,when,why"),
        ("hash,trak,old,new,who,when,why\n", "has a column 'trak': expected"),
        ("track,hash,old,new,who,when,why\n", "has the columns track,hash,"),
        (HEADER.replace(",", ";") + "\n", "has a column 'hash;track;old;new;who;when;why'"),
        (f"{HEADER}\na,b\nc,d,e,f,g,h,i\n", "line 2: it has 2 cells, not 7"),
        (f"{HEADER}\na,b,c,d,e,f,g,h\n", "line 2: it has 8 cells, not 7"),
        (f'{HEADER}\na,"b"x,c,d,e,f,g\n', "line 2: "),
        (f"{HEADER}\na,{'b' * (MOST_CELL + 1)},c,d,e,f,g\n", "line 2: its 'track' has 4097 characters"),
        (f"{HEADER}\n\xff", "line 2: not UTF-8"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / FILE).write_bytes(content.encode("latin-1"))
    with pytest.raises(StoreError, match=r"corrections\.csv") as caught:
        Corrections.read(tmp_path / FILE)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_spreadsheets_add_a_mark_and_other_line_ends(tmp_path: Path, tracks: Tracks) -> None:
    row = f"{0:032x},a,jazz,rock,Ann,,"
    (tmp_path / FILE).write_bytes(f"\ufeff{HEADER}\r\n{row}\r\n\r\n,,,,,,\r\n".encode())
    read = Corrections.read(tmp_path / FILE)
    assert read.apply(tracks).labels == {0: "rock"}
    assert read.add(tracks, 1, "rock").apply(tracks).labels == {0: "rock", 1: "rock"}


def test_a_folder_a_pipe_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no corrections at"):
        Corrections.read(tmp_path / FILE)
    os.mkfifo(tmp_path / FILE)
    with pytest.raises(StoreError, match="is not a regular file"):
        Corrections.read(tmp_path / FILE)


def test_a_line_that_was_not_written_to_its_end_is_named_and_left_out(
    tmp_path: Path, tracks: Tracks, caplog: pytest.LogCaptureFixture
) -> None:
    whole = f"{HEADER}\n{0:032x},a,jazz,rock,Ann,,\n"
    (tmp_path / FILE).write_text(f"{whole}{1:032x},b,blues", encoding="utf-8")
    read = Corrections.read(tmp_path / FILE)
    assert len(read) == 1
    assert read.problem.endswith(f"is not used: {1:032x},b,blues: decide on that track again")
    added = read.add(tracks, 2, "")
    assert caplog.messages == [f"{read.problem}; it is kept in {FILE}.unfinished"]
    assert (tmp_path / f"{FILE}.unfinished").read_text() == f"{1:032x},b,blues\n"
    assert added.problem == ""
    assert (added.apply(tracks).labels, added.apply(tracks).excluded) == ({0: "rock"}, (2,))


def test_a_decision_that_another_tab_has_not_seen_is_refused(
    corrections: Corrections, tracks: Tracks
) -> None:
    corrections.add(tracks, 0, "rock", seen=0)
    with pytest.raises(ConflictError, match="'a' has 1 decisions by now; 0 were seen"):
        corrections.add(tracks, 0, "blues", seen=0)
    assert corrections.add(tracks, 0, "blues", seen=1).apply(tracks).labels == {0: "blues"}


_ADD = """
import sys
from pathlib import Path
from audiospec.corrections.corrections import Corrections
from audiospec.stores.layout.schema import TrackRecord
from audiospec.stores.layout.tracks import Tracks
tracks = Tracks.from_records([TrackRecord("a", label="jazz")])
corrections = Corrections(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(int(sys.argv[3])):
    corrections.add(tracks, 0, f"{sys.argv[2]}{number}")
    print(number, flush=True)
"""


def adding(file: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _ADD, str(file), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_lose_no_decision(tmp_path: Path) -> None:
    processes = [adding(tmp_path / FILE, name, 15) for name in ("x", "y")]
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    added = [one.new for one in Corrections.read(tmp_path / FILE).decisions]
    for name in ("x", "y"):
        assert [new for new in added if new[0] == name] == [f"{name}{number}" for number in range(15)]


def test_a_process_that_is_killed_leaves_whole_lines(tmp_path: Path) -> None:
    process = adding(tmp_path / FILE, "x", 100_000)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    read = Corrections.read(tmp_path / FILE)
    assert read.unfinished == ""
    assert len(read) >= int(lines[-1]) + 1
    assert [one.new for one in read.decisions] == [f"x{number}" for number in range(len(read))]
    # The lock went with the process.
    tracks = Tracks.from_records([TrackRecord("a", label="jazz")])
    assert len(read.add(tracks, 0, "after")) > len(read)


def test_the_labels_of_the_store_are_not_changed(tracks: Tracks) -> None:
    before = tracks["label"].copy()
    apply([Decision(f"{0:032x}", "a", "jazz", "rock")], tracks)
    assert np.array_equal(tracks["label"], before)
