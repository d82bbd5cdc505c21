"""Disks: jobs whose disk becomes full, and that are done again once there is room."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from functools import cached_property
from pathlib import Path
from typing import Any

from audiospec.benchmarks.trials.job_lane import JobLane
from audiospec.benchmarks.trials.jobs import STORE_JOBS, TRAINING, Job
from audiospec.benchmarks.trials.trial import Record

#: Format → most KiB of the small disks beyond what is there at first.
_MOST = {"zarr": 600, "hdf5": 200}
#: The same of a training, whose checkpoints are larger.
_MOST_TRAINING = 12_000


class DiskLane(JobLane):
    """Fills disks: a small file system in memory where one may be mounted, else a disk that refuses files."""

    def _disturb(self, number: int) -> Record:
        draw = random.Random(f"{self._series.seed} disk {number}")
        choices = [*STORE_JOBS, *STORE_JOBS, TRAINING, TRAINING]
        job = draw.choice([job for job in choices if self._series.only in " ".join(job)])
        usual = self._undisturbed(job)
        small = draw.random() < 0.6 and self._may_mount
        room = draw.randrange(usual["operations"])
        size = _blocks(self._folder / " ".join(job))
        size += draw.randrange(20, _MOST_TRAINING if job == TRAINING else _MOST[job[1]])
        what = f"a disk of {size} KiB" if small else f"a disk that refuses files after {room} changes"
        place = self._folder / "place"
        place.mkdir()
        began = time.monotonic()
        try:
            if small:
                _mount(place, size)
            found = self._fill(job, place, {} if small else {"room": room})
        finally:
            if os.path.ismount(place):
                subprocess.run(["umount", str(place)], check=True)
            shutil.rmtree(place)
        seconds = round(time.monotonic() - began, 2)
        return {"group": " ".join(job), "what": f"{' '.join(job)}: {what}", "seconds": seconds, **found}

    def _fill(self, job: Job, place: Path, how: dict[str, Any]) -> Record:
        """Do a job on a disk that is too small, look what is there, make room, and do it again."""
        request = {"job": job, "base": str(self._folder), "place": str(place)}
        self._ask(60, do="start", **request)
        before = {} if job == TRAINING else self._ask(60, do="look", job=job, place=str(place))
        end = self._ask(self._series.seconds, do="attempt", **request, **how)
        detail = end["detail"]
        if end["end"] == "refused":
            told = "disk is full" in detail or "No space left" in detail or "are free" in detail
            if len(detail.splitlines()) != 1 or not told:
                return {"outcome": "wrong", "detail": f"told so: {detail!r}"}
            if before.get("content") and not self._ask(60, do="look", job=job, place=str(place))["content"]:
                return {"outcome": "wrong", "detail": "the store that was there cannot be read"}
        elif end["end"] != "finished":
            return {"outcome": "crash", "detail": f"{end['end']}: {detail}"}
        if os.path.ismount(place):
            subprocess.run(["mount", "-o", "remount,size=1g", str(place)], check=True)
        outcome, why = self._finish(job, request)
        return {"outcome": outcome, "reason": end["end"], "detail": why or detail}

    @cached_property
    def _may_mount(self) -> bool:
        """Whether this process may mount a file system."""
        place = self._folder / "mounted"
        place.mkdir()
        try:
            _mount(place, 64)
        except (OSError, subprocess.CalledProcessError):
            return False
        else:
            subprocess.run(["umount", str(place)], check=True)
            return True
        finally:
            place.rmdir()


def _mount(place: Path, kilobytes: int) -> None:
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)]
    subprocess.run(command, check=True, capture_output=True)


def _blocks(folder: Path) -> int:
    """Return the KiB that the files of a folder take in blocks of 4 KiB."""
    return sum(4 * -(-file.stat().st_size // 4096) for file in folder.rglob("*") if file.is_file())
