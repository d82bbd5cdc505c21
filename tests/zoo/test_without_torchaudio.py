"""torchaudio is frozen while torch goes on: where it is missing, or cannot load, everything works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from audiospec.benchmarks.base import absent

#: Hides torchaudio by raising what a missing package, a missing library or a wrong version raises.
HIDE = """
import sys

class Hider:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torchaudio":
            tried.append(name)
            raise {error}

tried = []
sys.meta_path.insert(0, Hider())
try:
    import torchaudio
except (ImportError, OSError, RuntimeError):
    assert tried.pop() == "torchaudio"
else:
    raise AssertionError("torchaudio is not hidden")
"""

ERRORS = {
    "missing": "ModuleNotFoundError(\"No module named 'torchaudio'\", name='torchaudio')",
    "cannot import": "ImportError('cannot import name x')",
    "missing library": "OSError('libtorch_cuda.so: cannot open shared object file')",
    "other version": "RuntimeError('made for another version of torch')",
}

WORK = """
from pathlib import Path
import audiospec
from audiospec import cli

folder, music = Path(sys.argv[1]), Path(sys.argv[2])

def call(*arguments):
    sys.argv = ["audiospec", *map(str, arguments)]
    status = cli.main()
    assert status == 0, (arguments, status)

call("--help")
call("models")
spec = audiospec.MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, fmax=4000)
view = audiospec.featurize("folder", data=music, spec=spec, chunk=1.0, store=folder / "x.zarr", workers=0)
for masks in ({"mask_mel": 0, "mask_time": 0}, {"mask_mel": 0.3, "mask_time": 0.3}):
    settings = {"epochs": 1, "batch": 8, "device": "cpu", **masks}
    name = f"masks-{masks['mask_mel']}"
    run = audiospec.train("crnn-base", view, settings=settings, out=folder / "runs" / name)
(prediction,) = audiospec.predict(run, [next(music.rglob("*.wav"))])
assert prediction.classes
call("report", folder / "runs", "--out", folder / "report.html")
assert not tried, tried
"""

SPLIT = """
import numpy as np
from types import SimpleNamespace
from audiospec.stores.layout.schema import TrackRecord
from audiospec.stores.layout.tracks import Tracks
from audiospec.annotations.annotation import Labelling
from audiospec.zoo.splits.strategies import split

genres = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
tracks = [(f"{genre}.{number:05d}", genre) for genre in genres for number in range(100)]
rows = np.zeros(1000, [("track", "<i4"), ("start", "<f8")])
rows["track"] = range(1000)

class View(SimpleNamespace):
    def __len__(self):
        return 1000

ids, labels = (np.array(column, dtype=object) for column in zip(*tracks))
table = Tracks.from_records([TrackRecord(id=id, label=label) for id, label in tracks])
store = SimpleNamespace(tracks=table, dataset="gtzan", path="x.zarr", labelling=Labelling())
view = View(ids=ids, labels=labels, classes=sorted(genres), rows=rows, name="x", store=store, targets=None)
made = split(view, "filtered")
assert [len(side) for side in (made.train, made.valid, made.test)] == [443, 197, 290]
assert not tried, tried
"""


@pytest.mark.parametrize("error", ERRORS)
def test_the_filtered_split_needs_no_torchaudio(python, error: str) -> None:
    python(HIDE.format(error=ERRORS[error]) + SPLIT)


@pytest.mark.long
@pytest.mark.parametrize("error", ["missing"])
def test_everything_works_without_torchaudio(python, music: Path, tmp_path: Path, error: str) -> None:
    """Nothing even tries to import it: masks and the split are this project's own."""
    done = python(HIDE.format(error=ERRORS[error]) + WORK, tmp_path, music)
    assert "featurize" in done.stdout
    assert "crnn-base" in done.stdout
    assert (tmp_path / "report.html").stat().st_size > 1000


@pytest.mark.parametrize("error", ERRORS)
def test_benchmarks_name_it_as_absent(python: Callable[..., object], error: str) -> None:
    code = """
from audiospec.benchmarks.base import absent
found = absent("torchaudio", "numpy")
assert list(found) == ["torchaudio"], found
assert ("pip install" in found["torchaudio"]) == (sys.argv[1] == "missing"), found
assert ("it does not load" in found["torchaudio"]) == (sys.argv[1] != "missing"), found
assert "\\n" not in found["torchaudio"]
"""
    python(HIDE.format(error=ERRORS[error]) + code, error)


def test_suites_go_on_without_torchaudio(python: Callable[..., object], tmp_path: Path) -> None:
    code = """
from pathlib import Path
import numpy as np
from audiospec.benchmarks.base import Setup
from audiospec.benchmarks.suites import frontend, pipeline

chunk = np.random.default_rng(0).standard_normal(22050).astype(np.float32)
for case in (frontend._log_mel_case([chunk]), frontend._batch_case([chunk], 1, frontend.torch.device("cpu"))):
    assert "torchaudio" in case.missing
    assert "torchaudio" not in [each.name for each in case.contenders]
setup = Setup(device="cpu", full=False, data=None, folder=Path(sys.argv[1]))
found, missing = pipeline._peers(setup, None)
assert {"torchaudio script", "lhotse, lilcom", "lhotse, plain files"} <= missing.keys()
assert not [name for name in found if "librosa" not in name]
"""
    python(HIDE.format(error=ERRORS["missing library"]) + code, tmp_path)


def test_what_is_there_is_not_absent() -> None:
    assert absent("numpy", "torch") == {}
    assert list(absent("a_package_that_nobody_has")) == ["a_package_that_nobody_has"]
