"""Flips: single bits, and a little more, changed in stores, runs and checkpoints: found, or harmless."""

from __future__ import annotations

import os
import random
import re
import shutil
from pathlib import Path
from typing import Any

from audiospec.benchmarks.trials import checks
from audiospec.benchmarks.trials.child import Answer, Child
from audiospec.benchmarks.trials.trial import Lane, Record, Series

#: Of 44 trials 20 are of each format of stores, two of runs and two of checkpoints.
_TURNS = ("zarr", "hdf5") * 20 + ("run", "checkpoint") * 2
_SUFFIX = {"zarr": ".zarr", "hdf5": ".h5"}
#: Part of a place's name that is left out of its kind's.
_COUNTED = re.compile(r"(?<=c)(/\d+)+$|-[\d.]+s-[0-9a-f]{6}")
#: What the command says about an error that nobody foresaw.
_UNEXPECTED = re.compile(r"unexpected \w*(Error|Exception)\b|Traceback")

#: A stretch of bytes of a kind: file, first byte, end.
Stretch = tuple[str, int, int]


class FlipLane(Lane):
    """Flips bits, and asks whether ``audiospec store verify`` and those who open runs see it.

    Parameters
    ----------
    series : Series
    folder : Path
    """

    def __init__(self, series: Series, folder: Path) -> None:
        self._series, self._folder = series, folder
        self._child = Child(f"{checks.__name__}:do", 32 << 30)
        self._intact: dict[str, Any] = self._value(self._ask("prepare", 300, folder=str(folder)))
        self._kinds = {
            "zarr": _kinds_of_files(folder / "store.zarr"),
            "hdf5": _kinds_of_hdf5(folder / "store.h5"),
        }

    def do(self, number: int) -> Record:
        """Damage a copy of a store, a run or a checkpoint in one place; find out who notices."""
        draw = random.Random(f"{self._series.seed} flip {number}")
        turns = [one for one in _TURNS if self._series.only in one]
        turn = turns[number % len(turns)]
        if turn in _SUFFIX:
            return self._store(turn, draw)
        return self._run("stopped" if turn == "checkpoint" else draw.choice(("lr", "crnn-base")), draw)

    def close(self) -> None:
        """End the process."""
        self._child.stop()

    def _store(self, format: str, draw: random.Random) -> Record:
        path = self._folder / f"copy{_SUFFIX[format]}"
        _copy(self._folder / f"store{_SUFFIX[format]}", path)
        kind, what = _damage(path, self._kinds[format], draw)
        record: Record = {"group": format, "kind": kind, "what": f"{format} {kind}: {what}"}
        verified = self._ask("verify", self._series.seconds, store=str(path))
        record.update(seconds=round(verified.seconds, 2), memory=verified.memory)
        outcome, detail = _outcome(verified)
        if not outcome:
            result = verified.value["value"]
            if result["status"]:
                strange = result["status"] not in (1, 2) or _UNEXPECTED.search(result["text"])
                outcome, detail = ("crash" if strange else "found"), result["text"]
            else:
                outcome, detail = self._read(format, path)
        record.update(outcome=outcome, detail=detail[-300:])
        _remove(path)
        return record

    def _read(self, format: str, path: Path) -> tuple[str, str]:
        """Read a store that was verified without a finding; it has to hold what was written."""
        for does, expected in zip(("read", "read plainly"), self._intact[format], strict=True):
            answer = self._ask(does, self._series.seconds, store=str(path))
            if answer.end or answer.value.get("value") != expected:
                return "unseen", f"verified as written; {does}: {answer.end or answer.value}"
        return "harmless", ""

    def _run(self, which: str, draw: random.Random) -> Record:
        stopped = which == "stopped"
        model = "crnn-base" if stopped else which
        for name in dict.fromkeys((model, which)):
            if name not in self._intact:
                answer = self._ask("prepare run", 300, folder=str(self._folder), name=name)
                self._intact[name] = self._value(answer)
        name = "stopped.training" if stopped else which
        path = self._folder / f"copy{'.training' if stopped else ''}"
        _copy(self._folder / name, path)
        kind, what = _damage(path, _kinds_of_files(path), draw)
        group = "checkpoint" if stopped else "run"
        record: Record = {"group": group, "kind": kind, "what": f"{which} {kind}: {what}"}
        if stopped:
            store = str(self._folder / "store.zarr")
            answer = self._ask("resume", self._series.seconds, store=store, run=str(self._folder / "copy"))
        else:
            answer = self._ask("run", self._series.seconds, run=str(path))
        record.update(seconds=round(answer.seconds, 2), memory=answer.memory)
        outcome, detail = _outcome(answer)
        if not outcome:
            if "refused" in answer.value:
                outcome, detail = "found", answer.value["refused"]
            elif answer.value["value"] == self._intact[model]:
                outcome = "harmless"
            else:
                outcome, detail = "unseen", "accepted, with other content"
        record.update(outcome=outcome, detail=detail[-300:])
        for left in (path, self._folder / "copy"):
            _remove(left)
        return record

    def _ask(self, does: str, seconds: float, **arguments: str) -> Answer:
        return self._child.ask({"do": does, **arguments}, seconds)

    @staticmethod
    def _value(answer: Answer) -> Any:
        if answer.end or "value" not in answer.value:
            raise RuntimeError(f"the undamaged samples could not be made: {answer}")
        return answer.value["value"]


def _outcome(answer: Answer) -> tuple[str, str]:
    """Return outcome and detail of an answer that did not come or is not one; two empty texts if it is."""
    if answer.end:
        return ("hang" if answer.end == "hang" else "crash"), answer.end
    if "error" in answer.value:
        return "crash", answer.value["error"]
    return "", ""


def _damage(path: Path, kinds: dict[str, list[Stretch]], draw: random.Random) -> tuple[str, str]:
    """Change a file of a copy; return the kind of its bytes, and what was done."""
    kind = "structure" if "structure" in kinds and draw.random() < 0.5 else draw.choice(sorted(kinds))
    file, first, end = draw.choice(kinds[kind])
    place = path / file if file else path
    way = draw.random()
    if file and way < 0.03:
        place.unlink()
        return kind, f"{file} removed"
    content = bytearray(place.read_bytes())
    at = draw.randrange(first, end)
    if way < 0.1:
        count = min(64, len(content) - at)
        what = f"{count} bytes from {at} of {file} zeroed"
        if not any(content[at : at + count]):
            content[at] ^= 1
            what = f"bit 0 of byte {at} of {file} flipped"
        else:
            content[at : at + count] = bytes(count)
    else:
        bit = draw.randrange(8)
        content[at] ^= 1 << bit
        what = f"bit {bit} of byte {at} of {file} flipped"
    place.unlink()  # it may be a link to the file of the undamaged store
    place.write_bytes(content)
    return kind, what


def _kinds_of_files(folder: Path) -> dict[str, list[Stretch]]:
    """Return the files of a folder by kind, without the numbers of chunks and the names of views."""
    kinds: dict[str, list[Stretch]] = {}
    for file in sorted(folder.rglob("*")):
        size = file.stat().st_size
        if file.is_file() and size:
            name = file.relative_to(folder).as_posix()
            kinds.setdefault(_COUNTED.sub("", name), []).append((name, 0, size))
    return kinds


def _kinds_of_hdf5(file: Path) -> dict[str, list[Stretch]]:
    """Return the stretches of an HDF5 file by kind: each dataset's numbers, and the structure."""
    import h5py

    kinds: dict[str, list[Stretch]] = {}
    taken: list[tuple[int, int]] = []

    def add(name: str, member: Any) -> None:
        if not isinstance(member, h5py.Dataset):
            return
        found = []
        offset = member.id.get_offset()
        if offset is not None:
            found.append((offset, offset + member.id.get_storage_size()))
        elif member.chunks is not None:
            for number in range(member.id.get_num_chunks()):
                chunk = member.id.get_chunk_info(number)
                found.append((chunk.byte_offset, chunk.byte_offset + chunk.size))
        stretches = [("", first, end) for first, end in found if end > first]
        if stretches:
            kinds.setdefault(_COUNTED.sub("", name), []).extend(stretches)
            taken.extend(found)

    with h5py.File(file, "r") as opened:
        opened.visititems(add)
    between, at = [], 0
    for first, end in [*sorted(taken), (file.stat().st_size, 0)]:
        if first > at:
            between.append(("", at, first))
        at = max(at, end)
    # Where the library's own bytes are, damage does most: half of the trials.
    return {**kinds, "structure": between}


def _copy(source: Path, target: Path) -> None:
    """Copy a store or a run; the files of folders are links, which `_damage` replaces."""
    if source.is_file():
        shutil.copyfile(source, target)
    elif source.suffix == ".training":
        shutil.copytree(source, target)
    else:
        shutil.copytree(source, target, copy_function=os.link)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
