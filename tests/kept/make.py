"""Make the kept samples: stores, runs and a report as audiospec 0.1.0 wrote them, and what it said of them.

They show that a later version still reads what an earlier one wrote, so they are made once and never again.
Run it from commit 62a1183, the last one before files moved, with nothing at WORK:

    git worktree add --detach /tmp/old 62a1183
    PYTHONPATH=/tmp/old OMP_NUM_THREADS=1 python tests/kept/make.py tests/kept/v0.1.0

Everything follows from seeds. Two calls on one machine give the same stores and audio to the bit; their runs
differ in dates, in seconds, and in how skops numbers its objects.
Stores name the folder of their audio, and runs name their store, so all is made in a folder with a neutral
name, and commands get relative paths.

For another version, make another folder beside v0.1.0; the test takes every folder that there is.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

import audiospec

WORK = Path("/tmp/audiospec-kept")
RATE = 8000
#: Modification time of each audio file, in ns. Stores keep it, so the test sets it again.
MODIFIED = 1_750_000_000_000_000_000

MEL = {"sample_rate": RATE, "n_fft": 512, "hop_length": 256, "n_mels": 16, "fmax": 4000.0}
TABULAR = {"sample_rate": RATE, "n_fft": 512, "hop_length": 256, "n_mels": 32, "n_mfcc": 13}
SPECS: list[tuple[str, dict[str, Any]]] = [
    ("MelSpec", MEL),
    ("MelSpec", {**MEL, "dtype": "uint8"}),
    ("TabularSpec", TABULAR),
]

#: The commands that make the stores. The test gives those of `featurize` and the import again.
BOTH = ("--features", "mel,tabular", "--sample-rate", "8000", "--n-fft", "512", "--hop-length", "256")
FIELDS = ("--set", "mel.n_mels=16", "--fmax", "4000", "--set", "tabular.n_mels=32", "--set", "n_mfcc=13")
BYTES = ("--sample-rate", "8000", "--n-fft", "512", "--hop-length", "256", "--n-mels", "16")
BYTES += ("--fmax", "4000", "--dtype", "uint8")
CSV, FOLDER = ("csv", "--data", "tracks.csv"), ("folder", "--data", "audio")
LAST = ("--chunk", "1", "--workers", "0", "--json")
FEATURIZE = [
    ("featurize", *CSV, "--store", "two.zarr", *BOTH, *FIELDS, *LAST),
    ("featurize", *FOLDER, "--store", "bytes.zarr", *BYTES, *LAST),
    ("featurize", *CSV, "--store", "three.h5", *BOTH, *FIELDS, *LAST),
    ("featurize", *CSV, "--store", "three.h5", *BYTES, *LAST),
]
EXPORT = ("table", "export", "two.zarr", "--view", "tabular", "--out", "table.csv")
COLUMNS = ("--columns", "tempo,rms_mean,spectral_centroid_mean,mfcc1_mean")
IMPORT = ("table", "import", "table.csv", "--sample-rate", "8000", "--chunk", "1", *COLUMNS)
TRAIN = [
    ("train", "svm", "--store", "two.zarr", "--split", "group"),
    ("train", "lr", "--store", "two.zarr"),
    ("train", "lr", "--store", "two.zarr", "--split", "random"),
    ("train", "rf", "--store", "three.h5", "--split", "group", "--set", "trees=5"),
]
STORES = ("bytes.zarr", "table.zarr", "three.h5", "two.zarr")


def main(out: Path) -> None:
    assert audiospec.__version__ == "0.1.0", f"audiospec is {audiospec.__file__}"
    out = out.absolute()
    WORK.mkdir()
    try:
        os.chdir(WORK)
        make_audio()
        for command in (*FEATURIZE, EXPORT, (*IMPORT, "--store", "table.zarr"), *TRAIN):
            said(*command)
        train_network()
        said("report", "runs", "--out", "report.html")
        expected = {
            "audiospec": audiospec.__version__,
            "cpu": cpu(),
            "modified": MODIFIED,
            "specs": [spec(name, parameters) for name, parameters in SPECS],
            "featurize": FEATURIZE,
            "import": IMPORT,
            "stores": {store: of_store(store) for store in STORES},
            "runs": {run.name: of_run(run) for run in sorted(Path("runs").iterdir())},
        }
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        # In archives: a store is hundreds of small files, and a network's weights are mostly zeros.
        for store in STORES:
            pack(out / f"{store}.zip", store)
        for run in sorted(Path("runs").iterdir()):
            pack(out / f"{run.name}.zip", str(run))
        shutil.copytree("audio", out / "audio")
        for file in ("tracks.csv", "table.csv", "report.html"):
            shutil.copy(file, out)
        (out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")
    finally:
        os.chdir("/")
        shutil.rmtree(WORK)


def make_audio() -> None:
    """Write three classes of sounds by four makers, a sound that is too short, and a file without any."""
    random = np.random.default_rng(0)
    time = np.arange(round(2.5 * RATE)) / RATE
    lines = ["path,id,label,group,fold"]
    # The classes overlap, so that scores are not all 100 %.
    for label, hertz in (("low", 300), ("middle", 420), ("high", 590)):
        for number in range(4):
            pitch = hertz * 2 ** random.normal(0, 0.35)
            beat = 0.5 + 0.5 * np.sin(2 * np.pi * (1 + number) * time)
            wave = 0.1 * beat * np.sin(2 * np.pi * pitch * time) + 0.0008 * random.standard_normal(len(time))
            name = f"{label}.{number:05d}"
            write(label, name, wave)
            lines.append(f"audio/{label}/{name}.flac,{name},{label},maker {number},{number}")
    write("low", "short", 0.1 * np.sin(2 * np.pi * 160 * time[:800]))
    (Path("audio") / "high" / "empty.flac").touch()
    lines += ["audio/low/short.flac,short,low,,", "audio/high/empty.flac,empty,high,,"]
    Path("tracks.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for file in Path("audio").rglob("*.flac"):
        os.utime(file, ns=(MODIFIED, MODIFIED))


def write(label: str, name: str, wave: np.ndarray[Any, Any]) -> None:
    file = Path("audio") / label / f"{name}.flac"
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, wave, RATE, subtype="PCM_16")


def train_network() -> None:
    """Train crnn-base for some epochs, and make its weights compressible before its run is written.

    It has 370,000 weights in its convolutions whatever the spectrogram's size, 1.5 MB. So most are set to
    zero and the others rounded as soon as it has learnt, and its normalisation is measured again. The scores
    and digests in the run are those of these weights. Nothing public can do that: this function, and no
    other, has inner names of commit 62a1183.
    """
    import torch

    from audiospec.zoo import network_training

    learn: Callable[..., Any] = network_training.train_network

    def learn_and_round(net: torch.nn.Module, train: Any, *args: Any, **kwargs: Any) -> Any:
        history = learn(net, train, *args, **kwargs)
        with torch.no_grad():
            for weights in net.parameters():
                if weights.dim() > 1:
                    least = weights.abs().flatten().quantile(0.94) if weights.numel() > 40_000 else 0
                    kept = torch.where(weights.abs() >= least, weights, torch.zeros_like(weights))
                    weights.copy_((16 * kept).to(torch.float8_e4m3fn).float() / 16)
            for layer in net.modules():
                if isinstance(layer, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                    layer.reset_running_stats()
                    layer.momentum = None
            net.train()
            net(torch.from_numpy(train.read()).float())
        return history

    network_training.train_network = learn_and_round
    torch.set_num_threads(1)
    view = audiospec.open_store("two.zarr").view("mel")
    settings = {"epochs": 15, "batch": 4, "learning_rate": 0.003, "device": "cpu"}
    audiospec.train("crnn-base", view, settings=settings, strategy="random", shares=(0.5, 0.25, 0.25))


def cpu() -> str:
    """The kind of CPU: bits of features and probabilities are those of one kind alone."""
    import torch

    lines = Path("/proc/cpuinfo").read_text().splitlines()
    maker = next((line.split(":")[1].strip() for line in lines if line.startswith("vendor_id")), "")
    return f"{maker} {torch.backends.cpu.get_cpu_capability()}".strip()


def spec(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    fingerprint = getattr(audiospec, name)(**parameters).fingerprint
    return {"class": name, "parameters": parameters, "fingerprint": fingerprint}


def of_store(path: str) -> dict[str, Any]:
    store = audiospec.open_store(path)
    return {
        "dataset": store.dataset,
        "tracks": list(store.tracks.records()),
        "views": {view.name: of_view(view) for view in store.views()},
        "info": json.loads(said("store", "info", path, "--json")),
        "verify": said("store", "verify", path).splitlines(),
    }


def of_view(view: audiospec.View) -> dict[str, Any]:
    rows = view.read()
    return {
        "fingerprint": view.spec.fingerprint,
        "shape": rows.shape,
        "dtype": str(rows.dtype),
        "read": sha256(rows),
        "rows": {column: sha256(view.rows[column]) for column in view.rows.dtype.names},
    }


def of_run(run: Path) -> dict[str, Any]:
    files = sorted(str(file) for file in Path("audio").rglob("*.flac"))
    predicted = said("predict", run, *files, "--json", status=1)  # 1: some files cannot be predicted
    return {
        "evaluate": json.loads(said("evaluate", run, "--json")),
        "evaluate_h5": json.loads(said("evaluate", run, "--store", "three.h5", "--json")),
        "predict": [json.loads(line) for line in predicted.splitlines()],
    }


def sha256(values: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def said(*command: object, status: int = 0) -> str:
    """Run `audiospec COMMAND`; what it prints."""
    print("audiospec", *command)
    arguments = [sys.executable, "-m", "audiospec", *map(str, command)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def pack(archive: Path, path: str) -> None:
    """Write a file or a folder into an archive, in order and with one date."""
    with zipfile.ZipFile(archive, "w") as out:
        for file in sorted(Path(path).rglob("*")) or [Path(path)]:
            if file.is_file():
                entry = zipfile.ZipInfo(file.as_posix(), (1980, 1, 1, 0, 0, 0))
                out.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
