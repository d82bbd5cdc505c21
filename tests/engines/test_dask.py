"""The engine dask: what it refuses, what it reports, and what it leaves as it was."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import audiospec
from audiospec.engines.base import WorkerDied
from audiospec.engines.dask import DaskEngine
from audiospec.errors import EngineError, EngineLostError
from audiospec.pipeline.featurize import run
from audiospec.stores.layout.lock import work_folder
from audiospec.testing.cluster import DaskCluster

pytest.importorskip("distributed", reason="no Dask: pip install 'audiospec[dask]'")

WORK = "audiospec.testing.engines:work"
SPEC = audiospec.MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, fmax=4000)


@pytest.fixture
def engine(dask_cluster: DaskCluster) -> DaskEngine:
    return DaskEngine(scheduler=dask_cluster.address)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Six tracks of 2 s."""
    for number in range(6):
        path = tmp_path / "music" / "ab"[number % 2] / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * np.random.default_rng(number).standard_normal(16000), 8000)
    return tmp_path / "music"


@pytest.fixture
def no_address(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import dask.config

    with dask.config.set({"scheduler-address": None}):
        yield


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def test_an_address_is_needed(no_address: None) -> None:
    """No cluster is started that nobody asked for."""
    with pytest.raises(EngineError, match="the address of its `scheduler`: start one with `dask scheduler`"):
        DaskEngine()


def test_the_address_is_that_of_dasks_configuration(no_address: None) -> None:
    import dask.config

    with dask.config.set({"scheduler-address": "tcp://10.0.0.1:8786"}):
        assert DaskEngine().scheduler == "tcp://10.0.0.1:8786"
        assert DaskEngine(scheduler="tcp://10.0.0.2:1").scheduler == "tcp://10.0.0.2:1"


def test_workers_are_those_of_the_cluster() -> None:
    with pytest.raises(EngineError, match="expected no `workers`; got 2"):
        DaskEngine(2, scheduler="tcp://127.0.0.1:1")


def test_without_dask_the_message_says_what_to_install(python: Any) -> None:
    code = """
import sys
sys.modules["distributed"] = None
import audiospec
from audiospec.engines.base import engines
print(engines.summary("dask"))
try:
    audiospec.engine("dask", scheduler="tcp://127.0.0.1:1")
except audiospec.AudiospecError as error:
    print(error)
"""
    summary, message = python(code).stdout.splitlines()
    assert summary.startswith("tasks on the machines of a Dask cluster")
    assert message == "engine 'dask' needs Dask: pip install 'audiospec[dask]'"


def test_a_local_run_does_not_import_dask(python: Any, music: Path, tmp_path: Path) -> None:
    code = """
import sys
import audiospec
audiospec.featurize("folder", data=sys.argv[1], store=sys.argv[2], chunk=1, workers=1)
print({"dask", "distributed", "tornado"} & set(sys.modules))
"""
    assert python(code, music, tmp_path / "s.zarr").stdout == "set()\n"


def test_a_wrong_address_is_an_error() -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    began = time.monotonic()
    with pytest.raises(EngineError, match=rf"no Dask scheduler answers at {address}.*`dask scheduler`"):
        list(DaskEngine(scheduler=address, timeout=1).run(WORK, [{"number": 1}]))
    assert time.monotonic() - began < 20
    with pytest.raises(EngineError, match="no Dask scheduler answers at nonsense"):
        list(DaskEngine(scheduler="nonsense://1", timeout=1).run(WORK, [{"number": 1}]))


def test_a_cluster_without_workers_is_an_error(tmp_path: Path) -> None:
    with DaskCluster(tmp_path) as cluster:
        cluster.start_scheduler()
        expected = (
            f"no worker joined {cluster.address} within 1 s: start some with `dask worker {cluster.address}`"
        )
        with pytest.raises(EngineError, match=f"^{re.escape(expected)}$"):
            list(DaskEngine(scheduler=cluster.address, timeout=1).run(WORK, [{"number": 1}]))


def test_a_machine_that_does_not_see_the_audio_computes_nothing(
    dask_cluster: DaskCluster, music: Path, tmp_path: Path
) -> None:
    """A descriptor of this process stands for a disk that only this machine has."""
    store = tmp_path / "s.zarr"
    descriptor = os.open(music, os.O_RDONLY)
    data = Path(f"/proc/self/fd/{descriptor}")
    try:
        with pytest.raises(EngineError) as caught:
            run(
                "folder",
                data=data,
                views=[(SPEC, audiospec.Chunking(seconds=1))],
                store=store,
                engine=DaskEngine(scheduler=dask_cluster.address),
            )
    finally:
        os.close(descriptor)
    assert str(caught.value) == (
        f"worker 127.0.0.1 ({socket.gethostname()}) does not see {data / 'a'}: put audio and store where all "
        "machines see them, a shared folder or s3://…"
    )
    assert not store.exists()
    assert not work_folder(store).exists()


def test_a_machine_with_other_software_computes_nothing(tmp_path: Path) -> None:
    fake = tmp_path / "site" / "soxr-0.0.1.dist-info"
    fake.mkdir(parents=True)
    (fake / "METADATA").write_text("Metadata-Version: 2.1\nName: soxr\nVersion: 0.0.1\n")
    path = os.pathsep.join(filter(None, [str(fake.parent), os.environ.get("PYTHONPATH")]))
    with DaskCluster(tmp_path) as cluster:
        cluster.start_scheduler()
        cluster.start_worker({"PYTHONPATH": path}, nthreads=1, nanny=False)
        with pytest.raises(EngineError) as caught:
            list(DaskEngine(scheduler=cluster.address).run(WORK, [{"number": 1}]))
    assert re.fullmatch(
        r"worker 127\.0\.0\.1 \(.+\) has soxr 0\.0\.1, this machine .+: install the same versions "
        r"\(pip install -c constraints\.txt 'audiospec\[dask\]'\)",
        str(caught.value),
    )


@pytest.mark.parametrize(
    ("who", "message"),
    [
        ("scheduler", "the scheduler cannot read tasks, as where it has no audiospec: install the same"),
        ("worker", "worker 127.0.0.1 has no audiospec: install the same versions"),
    ],
)
def test_a_cluster_without_audiospec_is_an_error(tmp_path: Path, who: str, message: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'audiospec':\n"
        "            raise ModuleNotFoundError('No module named ' + repr(name), name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
    )
    blocked = {"PYTHONPATH": str(tmp_path)}
    with DaskCluster(tmp_path, blocked if who == "scheduler" else {}) as cluster:
        cluster.start_scheduler()
        cluster.environment.clear()
        cluster.start_worker(blocked if who == "worker" else {}, nthreads=1, nanny=False)
        with pytest.raises(EngineError, match=message):
            list(DaskEngine(scheduler=cluster.address).run(WORK, [{"number": 1}]))


def test_a_run_over_tls(music: Path, tmp_path: Path) -> None:
    """Dask's own settings are all that it takes, on each side."""
    certificate, key = write_certificate(tmp_path)
    tls = {"DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true"}
    tls["DASK_DISTRIBUTED__COMM__TLS__CA_FILE"] = str(certificate)
    for who in ("SCHEDULER", "WORKER", "CLIENT"):
        tls[f"DASK_DISTRIBUTED__COMM__TLS__{who}__CERT"] = str(certificate)
        tls[f"DASK_DISTRIBUTED__COMM__TLS__{who}__KEY"] = str(key)
    with DaskCluster(tmp_path, tls) as cluster:
        cluster.start_scheduler(protocol="tls")
        assert cluster.address.startswith("tls://")
        cluster.start_worker(nthreads=1, nanny=False)
        command = [sys.executable, "-m", "audiospec", "featurize", "folder", "--data", str(music)]
        command += ["--chunk", "1", "-q", "--engine", "dask", "--store", str(tmp_path / "s.zarr")]
        environment = {**os.environ, **tls, "DASK_SCHEDULER_ADDRESS": cluster.address}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
        assert (done.returncode, done.stderr) == (0, "")
        assert len(audiospec.open_store(tmp_path / "s.zarr").view()) == 12
        plain = {**os.environ, "DASK_SCHEDULER_ADDRESS": cluster.address}
        command[-1] = str(tmp_path / "other.zarr")
        refused = subprocess.run(command, env=plain, capture_output=True, text=True, timeout=100)
        assert refused.returncode == 2
        assert refused.stderr.startswith(
            f"error: {cluster.address} needs TLS, for which no certificate is set"
        )


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate that is its own authority, and its key."""
    pytest.importorskip("cryptography", reason="no cryptography, which moto brings")
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "audiospec tests")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "certificate.pem", folder / "key.pem"


def test_paths_may_be_relative(
    engine: DaskEngine, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are relative to the current folder of the run, not of the worker."""
    monkeypatch.chdir(tmp_path)
    report = run(
        "folder", data="music", views=[(SPEC, audiospec.Chunking(seconds=1))], store="s.zarr", engine=engine
    )
    assert report.problems == {}
    assert (tmp_path / "s.zarr" / "zarr.json").exists()


def test_it_runs_where_a_loop_runs_already(engine: DaskEngine) -> None:
    """As in a notebook."""

    async def main() -> list[Any]:
        return list(engine.run(WORK, [{"number": number} for number in range(5)]))

    assert {result["number"] for result in asyncio.run(main())} == set(range(5))


def test_a_worker_that_joins_gets_tasks(tmp_path: Path) -> None:
    with DaskCluster(tmp_path) as cluster:
        cluster.start_scheduler()
        cluster.start_worker(nthreads=1, nanny=False)
        engine = DaskEngine(scheduler=cluster.address)
        with engine:
            results = engine.run(
                "audiospec.testing.engines:process",
                ({"number": n} for n in range(10_000)),
            )
            seen = {next(results)["process"]}
            assert len(seen) == 1
            cluster.start_worker(nthreads=2, nanny=False)
            deadline = time.monotonic() + 60
            while len(seen) < 3:
                seen.add(next(results)["process"])
                assert time.monotonic() < deadline
            results.close()


@pytest.mark.long
def test_a_scheduler_that_hangs_is_lost(tmp_path: Path) -> None:
    """It is not dead, so no connection breaks."""
    with DaskCluster(tmp_path) as cluster:
        scheduler = cluster.start_scheduler()
        cluster.start_worker(nthreads=1, nanny=False)
        results = DaskEngine(scheduler=cluster.address, timeout=10).run(
            WORK, ({"number": n} for n in range(10_000))
        )
        next(results)
        scheduler.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(EngineLostError, match=f"lost the scheduler {cluster.address}: run the same"):
            list(results)
        assert time.monotonic() - began < 60


def test_a_task_over_which_workers_are_lost_is_a_death_from_outside(tmp_path: Path) -> None:
    """Not even Dask's worker survives it: it is the whole machine's memory, perhaps."""
    with DaskCluster(tmp_path, {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}) as cluster:
        cluster.start_scheduler()
        cluster.start_worker(nthreads=1, nworkers=1)
        tasks = [{"number": 0, "kill_parent": True}, {"number": 1}, {"number": 2}]
        events = list(DaskEngine(scheduler=cluster.address, ahead=0).run(WORK, tasks))
    (died,) = [event for event in events if isinstance(event, WorkerDied)]
    assert died.task == tasks[0]
    assert died.from_outside
    assert sorted(event["number"] for event in events if isinstance(event, dict)) == [1, 2]


@pytest.mark.parametrize("count", [500, pytest.param(5000, marks=pytest.mark.long)])
def test_tasks_leave_nothing_on_the_scheduler(tmp_path: Path, count: int) -> None:
    import psutil

    with DaskCluster(tmp_path) as cluster:
        scheduler = psutil.Process(cluster.start_scheduler().pid)
        cluster.start_worker(nthreads=2, nanny=False)
        with DaskEngine(scheduler=cluster.address) as engine:
            sizes = []
            for _ in range(2):
                tasks = ({"number": number, "value": "x" * 5000} for number in range(count))
                assert sum(1 for _ in engine.run(WORK, tasks)) == count
                sizes.append(scheduler.memory_info().rss)
    assert sizes[1] - sizes[0] < 10e6 + 2000 * count  # the tasks alone are 5 kB each
