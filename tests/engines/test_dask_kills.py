"""Workers, nannies, the client and the scheduler die at any moment; the same command ends as it should."""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from audiospec.stores.layout.lock import work_folder
from audiospec.testing.audio import write_noise_folder
from audiospec.testing.cluster import DaskCluster, wait_for

pytest.importorskip("distributed", reason="no Dask: pip install 'audiospec[dask]'")

VICTIMS = ("worker", "client", "scheduler", "nanny")
#: Seconds in which a run has to end after a death.
PATIENCE = 60
MARK = "AUDIOSPEC_TEST_MARK"


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty tracks of 6 s."""
    return write_noise_folder(tmp_path_factory.mktemp("kill") / "music", 20, 22050)


def command(music: Path, store: Path, *options: str) -> list[str]:
    """Chunks that overlap leave time to kill something."""
    data = ("--data", str(music), "--store", str(store), "--chunk", "2", "--hop", "0.02", "--n-mels", "16")
    return [sys.executable, "-m", "audiospec", "featurize", "folder", *data, "-q", *options]


def files(store: Path) -> dict[Path, bytes]:
    return {file.relative_to(store): file.read_bytes() for file in store.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def unbroken(music: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, bytes]:
    """The files that the local engine writes."""
    store = tmp_path_factory.mktemp("unbroken") / "s.zarr"
    subprocess.run(command(music, store, "--workers", "2"), check=True)
    return files(store)


def marked(mark: str) -> list[psutil.Process]:
    """Return the processes of a cluster, and all that they have started."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


class Cluster:
    """A scheduler and two workers with nannies, which can be killed one by one, and started again."""

    def __init__(self, folder: Path) -> None:
        self.mark = secrets.token_hex(8)
        self.dask = DaskCluster(folder, {MARK: self.mark, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "10s"})
        self.start()

    def start(self) -> None:
        self.scheduler = self.dask.start_scheduler()
        self.nannies = [self.dask.start_worker(nthreads=1, nworkers=1) for _ in range(2)]

    def workers(self) -> list[psutil.Process]:
        """Return the Dask workers, which their nannies have started."""
        processes = [
            child
            for nanny in self.nannies
            if nanny.poll() is None
            for child in psutil.Process(nanny.pid).children()
            if "spawn_main" in " ".join(child.cmdline())
        ]
        return processes

    def kill(self, victim: str, chance: random.Random, client: subprocess.Popen[bytes]) -> None:
        if victim == "worker":
            wait_for(self.workers)
            os.kill(chance.choice(self.workers()).pid, signal.SIGKILL)
        elif victim == "nanny":
            chance.choice(self.nannies).kill()
        else:
            (client if victim == "client" else self.scheduler).kill()

    def restore(self) -> None:
        """Start again what is dead."""
        if self.scheduler.poll() is not None:
            for nanny in self.nannies:
                nanny.kill()
                nanny.wait()
            self.start()
        self.nannies = [
            nanny if nanny.poll() is None else self.dask.start_worker(nthreads=1, nworkers=1)
            for nanny in self.nannies
        ]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    with cluster.dask:
        yield cluster
    wait_for(lambda: not marked(cluster.mark), lambda: str(marked(cluster.mark)), 30)  # none is left behind


def kill_and_run_again(
    cluster: Cluster, victim: str, seed: int, music: Path, unbroken: dict[Path, bytes], tmp_path: Path
) -> None:
    chance = random.Random(seed)
    store = tmp_path / "s.zarr"
    options = ("--engine", "dask", "--scheduler", cluster.dask.address)
    client = subprocess.Popen(command(music, store, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    moment = chance.randrange(0, 14)
    wait_for(lambda: client.poll() is not None or len(list(work_folder(store).glob("*/*.json"))) >= moment)
    time.sleep(0.3 * chance.random())
    cluster.kill(victim, chance, client)
    began = time.monotonic()
    _, error = client.communicate(timeout=2 * PATIENCE)
    assert time.monotonic() - began < PATIENCE, error.decode()
    message = error.decode()
    if victim in ("worker", "nanny"):
        assert (client.returncode, message) == (0, "")
    elif victim == "scheduler" and client.returncode:
        assert client.returncode == 2
        assert message.startswith(f"error: lost the scheduler {cluster.dask.address}")
        assert message.count("\n") == 1, message
        assert message.endswith("run the same command again\n")
    cluster.restore()
    options = ("--engine", "dask", "--scheduler", cluster.dask.address)
    again = subprocess.run(command(music, store, *options), capture_output=True, text=True, timeout=PATIENCE)
    assert (again.returncode, again.stderr) == (0, "")
    assert files(store) == unbroken
    assert not work_folder(store).exists()


@pytest.mark.parametrize(
    "victim", ["worker", *(pytest.param(victim, marks=pytest.mark.long) for victim in VICTIMS[1:])]
)
def test_a_death_costs_only_what_was_open(
    cluster: Cluster, victim: str, music: Path, unbroken: dict[Path, bytes], tmp_path: Path
) -> None:
    kill_and_run_again(cluster, victim, VICTIMS.index(victim), music, unbroken, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4, 54))
def test_deaths_at_random_moments(
    cluster: Cluster, seed: int, music: Path, unbroken: dict[Path, bytes], tmp_path: Path
) -> None:
    kill_and_run_again(cluster, VICTIMS[seed % 4], seed, music, unbroken, tmp_path)
