"""The lane of the mutants: makes one, has it decoded in two processes, and judges."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from audiospec.benchmarks.trials.child import Child
from audiospec.benchmarks.trials.mutants import decoding
from audiospec.benchmarks.trials.mutants.changes import Change, change
from audiospec.benchmarks.trials.mutants.judging import Sound, align, judge
from audiospec.benchmarks.trials.mutants.sounds import KINDS, Kind, original
from audiospec.benchmarks.trials.trial import Lane, Record, Series

#: Most resident memory of a worker in bytes.
MOST_MEMORY = 1_500_000_000
#: Address space of the process that decodes: a runaway ends there and not in the machine's memory.
_SPACE = 6 << 30
#: The same of a run's parent and workers, which have torch.
_RUN_SPACE = 24 << 30
#: Originals of each kind.
VARIANTS = 4
#: Every so many trials, the last is not a mutant: it featurizes those before it in one run.
BATCH = 250


class MutantLane(Lane):
    """Makes mutants, decodes and judges them.

    Parameters
    ----------
    series : Series
    folder : Path
    """

    def __init__(self, series: Series, folder: Path) -> None:
        self._series, self._folder = series, folder
        self._ours = Child(f"{decoding.__name__}:by_audiospec", _SPACE)
        self._others = Child(f"{decoding.__name__}:by_others")
        self._runs = Child(f"{decoding.__name__.replace('decoding', 'runs')}:by_run", _RUN_SPACE)
        self._sounds: dict[tuple[str, int], Sound] = {}
        #: Kind → the decoder that it is compared with.
        self._library: dict[str, str] = {}

    def do(self, number: int) -> Record:
        """Make mutant `number`, decode it by audiospec and, if that accepts it, by another decoder.

        The last number of each batch is a run over the mutants before it.
        """
        if number % BATCH == BATCH - 1:
            return self._run(range(number - BATCH + 1, number))
        kind, variant, mutant = make(self._series, number)
        path = self._write(mutant.content, mutant.suffix or kind.suffix)
        ours, wave = self._decode(self._ours, path, {}, self._series.seconds)
        record: Record = {"group": kind.name, "what": f"{kind.name} {variant}: {mutant.what}"}
        record.update(seconds=round(ours.seconds, 3), memory=ours.memory)
        error = ours.value.get("error", "")
        if ours.end == "hang":
            record.update(outcome="hang", detail=f"no end in {self._series.seconds:g} s")
        elif ours.end or error:
            record.update(outcome="crash", detail=ours.end or error)
        elif ours.memory > MOST_MEMORY:
            record.update(outcome="memory", detail=f"{ours.memory / 1e9:.2f} GB")
            self._ours.stop()  # what it keeps is not the next one's
        elif "refused" in ours.value:
            text = ours.value["refused"]
            if not text.strip() or len(text.splitlines()) != 1:
                record.update(outcome="crash", detail=f"an error of several lines: {text!r}")
            else:
                record.update(outcome="refused", detail=text)
        else:
            assert wave is not None
            before, joined = (self._sound(kind, one) for one in (variant, (variant + 1) % VARIANTS))
            outcome, reason, detail = self._compare(kind, path, before, joined, mutant, ours.value, wave)
            record.update(outcome=outcome, reason=reason, detail=detail)
        path.unlink()
        return record

    def close(self) -> None:
        """End the processes."""
        for child in (self._ours, self._others, self._runs):
            child.stop()

    def _run(self, numbers: range) -> Record:
        """Featurize mutants in one run; it has to end, and to use those that are accepted one by one."""
        folder = self._folder / "batch"
        folder.mkdir()
        intact = original(KINDS[0], self._series.seed, 0, self._series.data)
        (folder / "intact.wav").write_bytes(intact.content)
        accepted: dict[str, float] = {}
        for number in numbers:
            kind, _, mutant = make(self._series, number)
            path = folder / f"{number}{mutant.suffix or kind.suffix}"
            path.write_bytes(mutant.content)
            answer, _ = self._decode(self._ours, path, {}, self._series.seconds)
            if answer.value.get("rate"):
                accepted[path.name] = answer.value["samples"] / answer.value["rate"]
        run = self._runs.ask({"folder": str(folder), "workers": 2}, 3 * self._series.seconds + 60)
        shutil.rmtree(folder)
        for left in self._folder.glob("store.zarr*"):
            shutil.rmtree(left)
        value = run.value
        record: Record = {"group": "runs", "what": f"a run over mutants {numbers[0]} to {numbers[-1]}"}
        record.update(seconds=round(run.seconds, 3), memory=value.get("memory", run.memory))
        if run.end or "error" in value:
            outcome = "hang" if run.end == "hang" else "crash" if run.end else "stopped"
            record.update(outcome=outcome, detail=run.end or value["error"])
            return record
        used = value["seconds"]
        differing = [name for name, seconds in accepted.items() if abs(used.get(name, -1.0) - seconds) > 1e-3]
        differing += sorted(used.keys() - accepted.keys() - {"intact.wav"})
        if "intact.wav" not in used:
            differing.append("intact.wav")
        if record["memory"] > MOST_MEMORY:
            record.update(outcome="memory", detail=f"{record['memory'] / 1e9:.2f} GB in a worker")
        elif differing or value["damaged"]:
            reasons = [f"{name} ({value['problems'].get(name, 'used')})" for name in differing[:5]]
            detail = f"{len(differing)} files not used as one by one: {', '.join(reasons)}; "
            record.update(outcome="wrong", detail=f"{detail}{value['damaged']} damaged rows")
        else:
            record.update(outcome="equal", detail=f"{len(used)} used, {len(value['problems'])} named")
        return record

    def _compare(
        self, kind: Kind, path: Path, before: Sound, joined: Sound, mutant: Change, ours: dict[str, Any],
        wave: np.ndarray,
    ) -> tuple[str, str, str]:  # fmt: skip
        """Decode a mutant by the other decoder, and judge; return outcome, reason and detail."""
        other, theirs = self._decode(self._others, path, {"library": self._library[kind.name]}, 60)
        value = other.value or {"errors": [f"ended: {other.end}"], "samples": 0, "rate": 0}
        if theirs is None:
            theirs = np.zeros(0, np.float32)
        return judge(before, joined, mutant, ours, wave, value, theirs)

    def _sound(self, kind: Kind, variant: int) -> Sound:
        """Decode an original by both decoders; it has to be accepted, and to agree."""
        key = (kind.name, variant)
        if key in self._sounds:
            return self._sounds[key]
        file = original(kind, self._series.seed, variant, self._series.data)
        path = self._write(file.content, kind.suffix, "original")
        ours, wave = self._decode(self._ours, path, {}, self._series.seconds)
        if wave is None:
            raise RuntimeError(f"{kind.name}: the unchanged file is not accepted: {ours.value or ours.end}")
        if kind.name not in self._library:
            self._library[kind.name] = self._independent(kind, path, wave)
        other, theirs = self._decode(self._others, path, {"library": self._library[kind.name]}, 60)
        if theirs is None or other.value["errors"]:
            raise RuntimeError(f"{kind.name}: the other decoder fails over the unchanged file: {other.value}")
        self._sounds[key] = sound = Sound(file, wave, *align(wave, theirs))
        size = len(file.content)
        unchanged = Change(file.content, [(0, 0, size)], "nothing", size)
        verdict = judge(sound, sound, unchanged, ours.value, wave, other.value, theirs)
        if verdict[0] != "equal":
            raise RuntimeError(
                f"{kind.name} {variant}: the decoders differ over the unchanged file: {verdict}"
            )
        path.unlink()
        return sound

    def _independent(self, kind: Kind, path: Path, wave: np.ndarray) -> str:
        """Return the decoder that audiospec did not use: the one that does not round exactly as it did."""
        alike = {}
        for library in ("pyav", "libsndfile"):
            other, theirs = self._decode(self._others, path, {"library": library}, 60)
            if theirs is None or other.value["errors"]:
                continue
            lead, _ = align(wave, theirs)
            a, b = wave[max(0, -lead) :], theirs[max(0, lead) :]
            count = min(len(a), len(b))
            alike[library] = bool(np.array_equal(a[:count], b[:count]))
        return "libsndfile" if alike == {"pyav": True, "libsndfile": False} else "pyav"

    def _write(self, content: bytes, suffix: str, stem: str = "mutant") -> Path:
        path = self._folder / f"{stem}{suffix}"
        path.write_bytes(content)
        return path

    def _decode(
        self, child: Child, path: Path, request: dict[str, Any], seconds: float
    ) -> tuple[Any, np.ndarray | None]:
        """Return a child's answer over a file, and the samples; None if there are none."""
        wave = self._folder / "wave.npy"
        answer = child.ask({"path": str(path), "wave": str(wave), **request}, seconds)
        if answer.end or "samples" not in answer.value:
            return answer, None
        return answer, np.load(wave)


def make(series: Series, number: int) -> tuple[Kind, int, Change]:
    """Return the kind and the variant of the original of mutant `number`, and the mutant."""
    draw = random.Random(f"{series.seed} mutant {number}")
    kinds = [kind for kind in KINDS if series.only in kind.name]
    kind = kinds[number % len(kinds)]
    variant = draw.randrange(VARIANTS)
    file, other = (
        original(kind, series.seed, one, series.data) for one in (variant, (variant + 1) % VARIANTS)
    )
    return kind, variant, change(file, other, draw)
