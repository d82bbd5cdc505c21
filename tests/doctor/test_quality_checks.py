"""Findings on files that were made to have each fault, and none on those that were not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import audiospec
from audiospec.audio.reading import Reading
from audiospec.doctor.diagnosis import Diagnosis, diagnose
from audiospec.doctor.measured import deviations, histogram
from audiospec.pipeline.featurize import run
from audiospec.stores import stores
from audiospec.testing.stores.content import Content, publish

RATE = 16000
CHECKS = ["bandwidth", "channels", "clipping", "levels", "noise", "offset", "silence"]


def sound(seed: int) -> NDArray[np.float64]:
    """Noise of all frequencies, -20 dBFS, that rises and falls by 20 dB."""
    noise = np.random.default_rng(seed).normal(0, 1, 2 * RATE)
    wave = noise * 10 ** (0.5 * np.sin(np.arange(len(noise)) / RATE * 9))
    return 0.1 * wave / np.sqrt(np.mean(wave**2))


def cut(wave: NDArray[np.float64], frequency: float) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(wave)
    spectrum[np.fft.rfftfreq(len(wave), 1 / RATE) > frequency] = 0
    return np.fft.irfft(spectrum, len(wave))


def faults() -> dict[str, NDArray[np.float64]]:
    left, right = sound(100), sound(101)
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE)
    return {
        "clipped": 0.5 * np.clip(1.6 * sound(1), -0.3, 0.3),
        "clipped-badly": 0.3 * np.clip(7 * sound(2), -1, 1),
        "offset": sound(3) + 0.05,
        "dead-left": np.stack([0 * left, right], 1),
        "inverted": np.stack([left, -left * 0.9], 1),
        "mono-in-stereo": np.stack([left, left], 1),
        "stereo": np.stack([left, right], 1),
        "cut-at-5-khz": cut(sound(4), 5000),
        "zeros-at-the-end": np.concatenate([sound(5), np.zeros(RATE)]),
        "quiet": 0.005 * sound(6),
        "silent": np.zeros(RATE),
        "steady-noise": noise,
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faults")
    waves = {**{f"fine-{number}": sound(200 + number) for number in range(20)}, **faults()}
    (folder / "audio" / "a").mkdir(parents=True)
    for name, wave in waves.items():
        samples = np.clip(np.rint(wave * 32768), -32768, 32767).astype(np.int16)
        soundfile.write(folder / "audio" / "a" / f"{name}.wav", samples, RATE)
    spec = audiospec.MelSpec(
        sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, fmax=4000, channel="left"
    )
    run(
        "folder",
        data=folder / "audio",
        views=[(spec, audiospec.Chunking(seconds=0.5))],
        store=folder / "s.zarr",
        workers=0,
        reading=Reading(keep_silent=True),
    )
    return folder / "s.zarr"


@pytest.fixture(scope="module")
def diagnosis(store: Path) -> Diagnosis:
    return diagnose(store, names=CHECKS)


def test_each_fault_is_found_and_nothing_else(store: Path, diagnosis: Diagnosis) -> None:
    ids = audiospec.open_store(store).tracks["id"].tolist()
    found = [
        (finding.check, finding.severity, [Path(ids[number]).stem for number in finding.tracks])
        for finding in diagnosis.findings
    ]
    assert sorted(found) == [
        ("bandwidth", "warning", ["cut-at-5-khz"]),
        ("channels", "error", ["inverted"]),
        ("channels", "note", ["mono-in-stereo"]),
        ("channels", "warning", ["dead-left"]),
        ("clipping", "warning", ["clipped-badly", "clipped"]),
        ("levels", "warning", ["quiet"]),
        ("levels", "warning", ["silent"]),
        ("noise", "note", ["steady-noise"]),
        ("offset", "warning", ["offset"]),
        ("silence", "warning", ["silent", "zeros-at-the-end"]),
    ]
    assert diagnosis.not_checked == {}
    assert found[0][1] == "error"


def test_lines_name_the_fault(diagnosis: Diagnosis) -> None:
    details = {
        finding.check: finding.details[0] for finding in diagnosis.findings if finding.check != "channels"
    }
    assert details["bandwidth"] in ("ends at 5.1 of 8.0 kHz", "ends at 5.2 of 8.0 kHz")
    assert details["offset"] == "its mean is +5 % of full scale"
    assert details["silence"] == "100 % is constant (1.0 s)"
    titles = " ".join(finding.title for finding in diagnosis.findings)
    assert "2 of 32 tracks clipped, the worst in " in titles
    for finding in diagnosis.findings:
        assert "\n" not in finding.title + finding.advice
        bins = finding.figures["histogram"]
        assert len(bins["edges"]) == len(bins["counts"]) + 1
        assert sum(bins["counts"]) > 0
        assert set(bins) == {"column", "unit", "edges", "counts"}
    assert Diagnosis.from_dict(json.loads(json.dumps(diagnosis.to_dict(), allow_nan=False))) == diagnosis


def test_settings(store: Path) -> None:
    settings = {"clipping.least": 0.999, "offset.least": 1e-6, "silence.least": 0.5, "bandwidth.share": 0.1}
    found = {finding.check: finding for finding in diagnose(store, names=CHECKS, settings=settings).findings}
    assert "clipping" not in found
    assert "bandwidth" not in found
    assert len(found["offset"].tracks) > 20
    assert len(found["silence"].tracks) == 1


def test_a_store_that_was_not_measured(tmp_path: Path) -> None:
    content = Content.make()
    publish(stores["zarr"], tmp_path / "s.zarr", content)
    diagnosis = diagnose(tmp_path / "s.zarr", names=CHECKS)
    assert diagnosis.findings == ()
    assert set(diagnosis.not_checked) == set(CHECKS)
    assert "featurize" in diagnosis.not_checked["levels"]


def test_a_store_that_was_measured_in_part(tmp_path: Path) -> None:
    """Tracks without measurements are not named, and do not count among the others."""
    content = Content.make()
    records = list(content.tracks.records())
    records[0] = replace(records[0], samples_hash="1" * 32, clipped=0.5, level=-9.0, dc=0.2)
    tracks = type(content.tracks).from_records(records)
    publish(stores["zarr"], tmp_path / "s.zarr", replace(content, tracks=tracks))
    findings = diagnose(tmp_path / "s.zarr", names=CHECKS).findings
    assert [(finding.check, finding.tracks) for finding in findings] == [("clipping", (0,)), ("offset", (0,))]


def test_deviations() -> None:
    values = np.array([1.0, 2, 3, 4, 5, 6, 7, np.nan, 100])
    far = deviations(values, 0.1)
    assert far[7] != far[7]
    assert far[3] == pytest.approx(0.6745 * -0.5 / 2)
    assert far[8] > 10
    assert deviations(values[:7], 0.1).tolist() == [0] * 7
    assert deviations(np.full(9, 3.0), 0.1).tolist() == [0] * 9


def test_histograms() -> None:
    bins = histogram(np.array([0.0, 1, 2, np.nan]), "snr", "dB")
    assert (sum(bins["counts"]), bins["edges"][0], bins["edges"][-1]) == (3, 0, 2)
    assert histogram(np.array([np.nan]), "snr", "dB")["counts"] == []
    assert histogram(np.array([2.0, 2.0]), "snr", "dB")["counts"].count(2) == 1
