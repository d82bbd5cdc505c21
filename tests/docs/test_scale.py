"""docs/guide/scale.md: each of its five steps is run on this machine, with the files that users copy."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tomllib
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

pytest.importorskip("obstore", reason="needs obstore, the extra `cloud`")
pytest.importorskip("moto", reason="needs moto")
pytest.importorskip("distributed", reason="needs Dask, the extra `dask`")

import audiospec
from audiospec.storage.location import Url
from audiospec.storage.opening import open_folder
from audiospec.stores.base import FeatureStore, open_store
from audiospec.testing.buckets import environment, moto
from audiospec.testing.cluster import DaskCluster
from audiospec.testing.faults import FaultProxy

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guide" / "scale.md").read_text(encoding="utf-8")
FILES = ROOT / "docs" / "guide" / "scale"
BLOCKS = re.findall(r"<!-- ((?:step|file): [^>]+) -->\n```(\w+)\n(.*?)```", PAGE, re.DOTALL)
#: What the page calls its bucket, and its scheduler.
BUCKET, SCHEDULER = Url("s3", "my-bucket"), "tcp://10.0.0.1:8786"
TRACKS = 12
#: Most seconds that a command may take, also on a machine with much else to do.
SECONDS = 240


def blocks(mark: str) -> list[tuple[str, str]]:
    """Return language and text of the blocks with a mark."""
    found = [(language, text) for name, language, text in BLOCKS if name == mark]
    assert found, mark
    return found


class Machine:
    """A folder with audio and the files of the page, and a shell with the commands that the page uses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        programs = folder / "bin"
        for name, command in {
            "audiospec": "-m audiospec",
            "dask": "-m dask",
            "python": "",
            "pip": "-c pass",
            "sbatch": f"{Path(__file__).with_name('slurm.py')} sbatch",
            "scancel": f"{Path(__file__).with_name('slurm.py')} scancel",
        }.items():
            programs.mkdir(exist_ok=True)
            (programs / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {command} "$@"\n')
            (programs / name).chmod(0o755)
        (folder / "jobs").mkdir()
        for file in FILES.iterdir():
            shutil.copy(file, folder)
        for number in range(TRACKS):
            path = folder / "music" / "abc"[number % 3] / f"{number:02d}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, 0.1 * np.random.default_rng(number).standard_normal(220500), 22050)
        self.environment = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "SLURM_FOLDER": str(folder / "jobs"),
            "AUDIOSPEC_PATIENCE": "20",
        }

    def popen(self, command: list[str], **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={**os.environ, **self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: list[str], **variables: str) -> str:
        """Run a command; return what it printed."""
        with self.popen(command, **variables) as process:
            try:
                output, _ = process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        assert process.returncode == 0, f"{command}\n{output}\n{self.logs()}"
        return output

    def run_blocks(self, mark: str, replaced: tuple[str, str] = ("", ""), **variables: str) -> str:
        """Run the blocks with a mark, with a text in place of another; return what they printed."""
        printed = []
        for language, text in blocks(mark):
            assert replaced[0] in text or language == "python"
            text = text.replace(*replaced) if replaced[0] else text
            command = (
                ["bash", "-euo", "pipefail", "-c", text] if language == "bash" else ["python", "-c", text]
            )
            printed.append(self.run(command, **variables))
        return "".join(printed)

    def logs(self) -> str:
        return "\n".join(file.read_text(errors="replace") for file in (self.folder / "jobs").iterdir())


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultProxy]:
    """The bucket of the page, behind a proxy that only counts."""
    with FaultProxy(moto()) as proxy:
        request = urllib.request.Request(f"{moto()}/{BUCKET.bucket}", data=b"", method="PUT")
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()
        with environment(proxy.url):
            yield proxy
            open_folder(BUCKET).clear()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return Machine(tmp_path_factory.mktemp("machine"))


@pytest.fixture(scope="module")
def uploaded(machine: Machine, proxy: FaultProxy) -> Machine:
    """The machine, with its audio in the bucket, too."""
    for path in machine.folder.glob("music/*/*"):
        open_folder(BUCKET).write(path.relative_to(machine.folder).as_posix(), path.read_bytes())
    return machine


@pytest.fixture(scope="module")
def step_2(uploaded: Machine, proxy: FaultProxy) -> Any:
    """What step 2 printed, and the requests that it sent."""
    proxy.requests.clear()
    return uploaded.run_blocks("step: 2"), list(proxy.requests)


@pytest.fixture(scope="module")
def small(step_2: Any, machine: Machine) -> str:
    """A store for step 5 with smaller spectrograms, as training those of step 2 takes a minute."""
    store = f"{BUCKET}/small.zarr"
    spec = audiospec.MelSpec(n_mels=16, hop_length=2048, dtype="uint8")
    audiospec.featurize("folder", data=machine.folder / "music", spec=spec, store=store, workers=0)
    return store


@pytest.fixture(scope="module")
def truth(step_2: Any) -> dict[str, bytes]:
    """The files of step 2's view, made by the local engine."""
    return shards(open_store(BUCKET / "music.zarr"))


def shards(store: FeatureStore) -> dict[str, bytes]:
    """Return the files of a store's view, the shards and all else; a view of volumes has none."""
    folder = store.view().folder  # type: ignore[attr-defined]
    files = open_folder(folder)
    return {entry.key: files.read(entry.key) for entry in files.list()}


def rows(store: FeatureStore) -> Any:
    """Return the rows of a store by track, in order of start."""
    view = store.view()
    return {track: view.read(view.rows_of(track)).tobytes() for track in store.tracks["id"].tolist()}


def test_the_page_shows_the_files() -> None:
    shown = {mark.removeprefix("file: "): text for mark, _, text in BLOCKS if mark.startswith("file: ")}
    assert shown == {name: (FILES / name).read_text(encoding="utf-8") for name in shown}
    linked = set(re.findall(r"\]\(scale/([\w.-]+)\)", PAGE))
    assert linked == {file.name for file in FILES.iterdir()}


def test_each_step_is_run() -> None:
    """A block with a mark that no test knows would not be run."""
    source = Path(__file__).read_text(encoding="utf-8")
    marks = {mark for mark, _, _ in BLOCKS if mark.startswith("step: ")}
    assert {mark[6] for mark in marks} == set("12345")
    assert all(f'"{mark}"' in source for mark in marks)


def test_step_1_a_laptop(machine: Machine) -> None:
    printed = machine.run_blocks("step: 1")
    assert f"{TRACKS} tracks" in printed
    again = machine.run(["bash", "-c", blocks("step: 1")[0][1].splitlines()[0]])
    assert "nothing to do" in again
    assert not (machine.folder / "music.zarr.work").exists()
    assert len(open_store(machine.folder / "music.zarr").view()) == TRACKS


def test_step_2_a_bucket(step_2: Any, machine: Machine, tmp_path: Path) -> None:
    printed, _ = step_2
    assert f"{TRACKS} tracks" in printed
    view = open_store(BUCKET / "music.zarr").view()
    on_disk = audiospec.featurize(
        "folder",
        data=machine.folder / "music",
        spec=view.info.spec,
        store=tmp_path / "s.zarr",
        workers=0,
    )
    assert shards(open_store(BUCKET / "music.zarr"))["data/c/0/0/0"] == shards(on_disk.store)["data/c/0/0/0"]


def test_the_requests_are_those_that_the_page_states(step_2: Any) -> None:
    _, requests = step_2
    count = -(-TRACKS // open_store(BUCKET / "music.zarr").view().info.shard_rows)
    puts = [request for request in requests if request.method == "PUT"]
    staged = Counter(Path(request.key).suffix for request in puts if ".work/mel" in request.key)
    assert staged == {".shard": count, ".json": count}
    copied = [request for request in puts if "/data/c/" in request.key]
    assert len(copied) == count
    others = [request for request in puts if ".zarr/" in request.key and request not in copied]
    assert 60 <= len(others) <= 80
    audio = Counter(request.key for request in requests if request.key.endswith(".flac"))
    assert audio == dict.fromkeys(audio, 3 + 1)
    assert len(audio) == TRACKS


def test_step_3_several_machines(uploaded: Machine, truth: dict[str, bytes], tmp_path: Path) -> None:
    """The lines of the page start a scheduler and a worker; their store is that of the local engine."""
    (background,) = blocks("step: 3, in the background")
    scheduler, worker = background[1].splitlines()
    with DaskCluster(tmp_path) as cluster:
        start_scheduler(cluster, scheduler.split()[:2], scheduler)
        start_worker(cluster, worker.partition("#")[0])
        printed = uploaded.run_blocks("step: 3", (SCHEDULER, cluster.address))
    assert "dask" in printed
    assert shards(open_store(BUCKET / "dask.zarr")) == truth


def start_scheduler(cluster: DaskCluster, begins: list[str], line: str) -> None:
    """Start a scheduler as a line of the page says, but on the loopback, at a free port."""
    assert begins == ["dask", "scheduler"]
    options = dict(zip(*[iter(shlex.split(line)[2:])] * 2, strict=True))
    given = {name.removeprefix("--"): value for name, value in options.items()}
    process = cluster.start_scheduler(**{**given, "host": "127.0.0.1", "port": 0})
    assert process.poll() is None


def start_worker(cluster: DaskCluster, line: str) -> None:
    """Start a worker as a line of the page says, but on the loopback, with one thread."""
    words = shlex.split(line)
    assert words[:3] == ["dask", "worker", SCHEDULER]
    options = dict(zip(*[iter(words[3:])] * 2, strict=True))
    given = {name.removeprefix("--"): value for name, value in options.items()}
    cluster.start_worker(**{**given, "host": "127.0.0.1", "nthreads": 1, "nanny": False})


@pytest.mark.long
def test_step_3_encrypted(
    uploaded: Machine, truth: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the variables of the page, a client needs a certificate, and gets the same store."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    (settings,) = blocks("step: 3, encrypted")
    printed = uploaded.run(["bash", "-euc", f"{settings[1]}\nenv | grep ^DASK_"])
    variables = dict(line.split("=", 1) for line in printed.splitlines() if line.startswith("DASK_"))
    assert len(variables) == 8
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    command = blocks("step: 3")[0][1].splitlines()
    store = f"{BUCKET}/tls.zarr"
    with DaskCluster(tmp_path) as cluster:
        cluster.start_scheduler(protocol="tls")
        cluster.start_worker(nthreads=1)
        assert cluster.address.startswith("tls://")
        text = "\n".join(command[:2]).replace(SCHEDULER, cluster.address)
        uploaded.run(["bash", "-euc", text.replace(f"{BUCKET}/dask.zarr", store)])
        for name in variables:
            monkeypatch.delenv(name)
        with pytest.raises(audiospec.AudiospecError, match="needs TLS, for which no certificate is set"):
            list(audiospec.engine("dask", scheduler=cluster.address, timeout=1).run("x:y", [{}]))
    assert shards(open_store(store)) == truth


@pytest.mark.long
def test_step_4_an_array_of_slurm(uploaded: Machine, truth: dict[str, bytes]) -> None:
    uploaded.run_blocks("step: 4, array")
    store = open_store(BUCKET / "parts.zarr")
    assert len(store.volumes) == 4  # type: ignore[attr-defined] # 36 s each, three tracks
    assert rows(store) == rows(open_store(BUCKET / "music.zarr"))


def test_step_4_jobs_of_dask(uploaded: Machine, truth: dict[str, bytes]) -> None:
    """The script of the page as it stands: dask-jobqueue writes job scripts, which are run."""
    pytest.importorskip("dask_jobqueue", reason="needs dask-jobqueue")
    printed = uploaded.run_blocks("step: 4, dask", DASK_DISTRIBUTED__DASHBOARD__LINK="")
    assert "#SBATCH --cpus-per-task=1\n" in printed
    assert "#SBATCH --mem=2G\n" in printed
    assert f"{TRACKS} rows" in printed
    assert shards(open_store(BUCKET / "slurm.zarr")) == truth


def containers(name: str) -> dict[str, dict[str, Any]]:
    """Return kind → manifest of a file."""
    documents = list(yaml.safe_load_all((FILES / name).read_text(encoding="utf-8")))
    return {document["kind"]: document for document in documents}


def arguments(container: dict[str, Any], **variables: str) -> list[str]:
    """Return a container's command, in which Kubernetes replaces $(NAME) by variables."""
    assert container["image"] == "registry.example.org/audiospec"
    assert all(isinstance(argument, str) for argument in container["args"])  # as Kubernetes requires
    known = {"INDEX": "", "DASK_WORKER_NAME": ""} | variables
    return [re.sub(r"\$\((\w+)\)", lambda match: known[match[1]], argument) for argument in container["args"]]


def redirected(command: list[str], store: str, *options: str) -> list[str]:
    """Return the command of a container with another store."""
    place = f"--store={BUCKET}/music.zarr"
    assert place in command
    return [f"--store={BUCKET / store}" if argument == place else argument for argument in command] + [
        *options
    ]


@pytest.mark.long
def test_step_4_parts_in_kubernetes(uploaded: Machine, truth: dict[str, bytes]) -> None:
    job = containers("kubernetes-parts.yaml")["Job"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    assert job["completionMode"] == "Indexed"
    assert f"--part=$(INDEX)/{job['completions']}" in container["args"]
    assert job["template"]["spec"]["restartPolicy"] == "Never"
    for index in range(2):
        command = redirected(arguments(container, INDEX=str(index)), "pods.zarr", "--volume-hours=0.01")
        command = [
            argument.replace(f"/{job['completions']}", "/2").replace("--workers=8", "--workers=1")
            for argument in command
        ]
        uploaded.run(command)
    assert rows(open_store(BUCKET / "pods.zarr")) == rows(open_store(BUCKET / "music.zarr"))


def test_the_manifest_of_dask_fits_together() -> None:
    cluster = containers("kubernetes-dask.yaml")["DaskCluster"]
    name, spec = cluster["metadata"]["name"], cluster["spec"]
    (scheduler,) = spec["scheduler"]["spec"]["containers"]
    service = spec["scheduler"]["service"]
    assert service["selector"] == {"dask.org/cluster-name": name, "dask.org/component": "scheduler"}
    ports = {port["name"]: port["containerPort"] for port in scheduler["ports"]}
    assert ports == {"tcp-comm": 8786, "http-dashboard": 8787}  # Dask's own
    assert {port["name"]: port["port"] for port in service["ports"]} == ports
    assert all(port["targetPort"] == port["name"] for port in service["ports"])
    assert scheduler["readinessProbe"]["httpGet"]["port"] == "http-dashboard"
    (client,) = containers("kubernetes-dask.yaml")["Job"]["spec"]["template"]["spec"]["containers"]
    assert f"--scheduler=tcp://{name}-scheduler:8786" in client["args"]  # as the operator names the service


def test_step_4_dask_in_kubernetes(uploaded: Machine, truth: dict[str, bytes]) -> None:
    """The commands of all containers; what the operator adds is the name of a worker and the address."""
    manifests = containers("kubernetes-dask.yaml")
    spec = manifests["DaskCluster"]["spec"]
    (scheduler,), (worker,) = (spec[part]["spec"]["containers"] for part in ("scheduler", "worker"))
    (client,) = manifests["Job"]["spec"]["template"]["spec"]["containers"]
    settings = {variable["name"]: variable["value"] for variable in scheduler["env"]}
    address, web = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    listening = ["--host", "127.0.0.1", "--port", address.rpartition(":")[2], "--dashboard-address", web]
    running = [uploaded.popen([*arguments(scheduler), *listening], **settings)]
    try:
        command = arguments(worker, DASK_WORKER_NAME="worker-1")
        command[command.index("--nthreads") + 1] = "1"
        variables = {"DASK_SCHEDULER_ADDRESS": f"tcp://{address}"}
        running.append(uploaded.popen([*command, "--host", "127.0.0.1", "--no-dashboard"], **variables))
        started = [argument.replace("audiospec-scheduler:8786", address) for argument in arguments(client)]
        uploaded.run(redirected(started, "kubernetes.zarr"))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        path = scheduler["readinessProbe"]["httpGet"]["path"]
        assert opener.open(f"http://{web}{path}").status == 200
    finally:
        for process in reversed(running):
            process.terminate()
            process.communicate()
    assert shards(open_store(BUCKET / "kubernetes.zarr")) == truth


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def test_the_image_installs_what_the_project_has() -> None:
    """Nothing builds the image here; what it names exists."""
    text = (FILES / "Dockerfile").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (extras,) = re.findall(r"\.whl\)\[([\w,]+)\]", text)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    assert "Programming Language :: Python :: 3.13" in project["classifiers"]
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"python:3.13-slim"}
    assert (ROOT / "constraints.txt").exists()
    commands = {line.split()[0] for line in text.replace("\\\n", " ").splitlines() if line and line[0] != "#"}
    assert commands == {"FROM", "RUN", "COPY", "USER", "WORKDIR", "CMD"}


@pytest.mark.long
def test_step_5_training(uploaded: Machine, small: str) -> None:
    printed = uploaded.run_blocks("step: 5", (f"{BUCKET}/music.zarr", small))
    assert printed.count(f"{TRACKS} rows of 3 classes") == 2  # two epochs of stream.py
    (run,) = (uploaded.folder / "runs").iterdir()
    assert (run / "model.safetensors").exists()
