"""What stands in for Slurm: ``sbatch`` starts jobs at once, as processes; ``scancel`` ends one.

``sbatch [--array=FIRST-LAST] SCRIPT [ARGUMENT …]`` runs the script by bash, with the variables that Slurm
sets for the options in it. An array is waited for, as by ``--wait``. ``$SLURM_FOLDER`` has their logs.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path


def sbatch(folder: Path, arguments: list[str]) -> int:
    array = None
    while arguments[0].startswith("--"):
        array = re.fullmatch(r"--array=(\d+)-(\d+)", arguments.pop(0))
        assert array is not None
    script = Path(arguments[0]).read_text(encoding="utf-8")
    assert script.startswith("#!")
    options = dict(re.findall(r"^#SBATCH (--[\w-]+)=(\S+)$", script, re.MULTILINE))
    variables = {**os.environ, "SLURM_JOB_ID": str(len(list(folder.iterdir())))}
    if "--cpus-per-task" in options:
        variables["SLURM_CPUS_PER_TASK"] = options["--cpus-per-task"]
    numbers = range(int(array[1]), int(array[2]) + 1) if array else [None]
    jobs = []
    for number in numbers:
        if number is not None:
            variables |= {"SLURM_ARRAY_TASK_ID": str(number), "SLURM_ARRAY_TASK_COUNT": str(len(numbers))}
        with (folder / f"{variables['SLURM_JOB_ID']}-{number}.log").open("wb") as log:
            job = subprocess.Popen(
                ["bash", *arguments], env=variables, stdout=log, stderr=log, start_new_session=True
            )
        jobs.append(job)
    print(f"Submitted batch job {jobs[0].pid}")
    return max(job.wait() for job in jobs) if array else 0


if __name__ == "__main__":
    name, *rest = sys.argv[1:]
    if name == "sbatch":
        sys.exit(sbatch(Path(os.environ["SLURM_FOLDER"]), rest))
    os.killpg(int(rest[0]), signal.SIGTERM)
