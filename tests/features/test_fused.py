"""Backend `fused` of the mel frontend: one Triton kernel, compared with float64 and with librosa.

Without a CUDA device the kernel runs in Triton's interpreter, which uses numpy and is slow: chunks are short.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import librosa
import pytest
import torch
from torch import Tensor

from audiospec.errors import SpecError
from audiospec.features.base import frontend
from audiospec.features.kernels.mel_filters import mel_filters
from audiospec.features.mel import MelFrontend
from audiospec.specs.mel import MelSpec

pytest.importorskip("triton", reason="Triton is installed with torch for CUDA, on Linux")

# Whether a kernel is interpreted is decided when its module is imported, which is when a frontend first needs
# it. Other test files request the interpreter; run by itself, this file uses the GPU if there is one.
INTERPRETED = not torch.cuda.is_available() or os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
if INTERPRETED:
    os.environ["TRITON_INTERPRET"] = "1"

STUDY = MelSpec()
SMALL = MelSpec(sample_rate=8000, n_fft=64, hop_length=20, n_mels=8, fmax=4000)
SPECS = {
    "study": STUDY,
    "slaney": MelSpec(mel_scale="slaney", n_mels=128, hop_length=512),
    "height-1": MelSpec(norm=None, n_mels=128, mel_scale="slaney", fmax=11025, hop_length=441),
    "zero-padded": MelSpec(pad_mode="constant", hop_length=301),
    "not-centred": MelSpec(center=False, n_mels=96, n_fft=1024, hop_length=255),
    "narrow": MelSpec(n_fft=1024, n_mels=41, fmin=300, fmax=5000),
    "magnitude": MelSpec(power=1, ref=0.5, n_fft=512, n_mels=64),
    "between": MelSpec(power=1.5, n_fft=512, n_mels=64),
    "of-the-peak": MelSpec(ref="max", top_db=80, n_fft=1024, n_mels=100),
    "quiet-floor": MelSpec(ref=1e-3, amin=1e-6, top_db=50, n_mels=64, n_fft=1024),
    "44.1-khz": MelSpec(sample_rate=44100, n_fft=4096, hop_length=1024, n_mels=128, fmin=20, fmax=20000),
    "16-khz": MelSpec(sample_rate=16000, n_fft=256, hop_length=160, n_mels=30, fmin=60, fmax=7600),
    "one-bin": MelSpec(n_mels=1, n_fft=256, hop_length=111),
    "256-bins": MelSpec(n_mels=256, fmax=11025, fmin=30),
    "long-steps": MelSpec(n_fft=128, hop_length=999, n_mels=12, pad_mode="constant"),
    "linear": MelSpec(scale="linear", dtype="float32", n_mels=80, hop_length=700),
    "tiny": SMALL,
    "window": MelSpec(
        sample_rate=16000, n_fft=512, win_length=400, window="hamming", periodic=False, gain=3.0, n_mels=40
    ),
    "over mel": MelSpec(
        sample_rate=16000, n_fft=256, n_mels=64, hop_length=99, filter_domain="mel", allow_empty_filters=True
    ),
}


def fused(spec: MelSpec) -> MelFrontend:
    module = frontend(spec, backend="fused", device=DEVICE)
    assert isinstance(module, MelFrontend)
    return module


def signals(samples: int, rate: int) -> Tensor:
    """Five chunks: noise, tones, clicks, quiet noise, and silence."""
    time = torch.arange(samples) / rate
    noise = torch.randn(samples, generator=torch.Generator().manual_seed(0)) / 10
    tones = sum(0.2 * torch.sin(2 * torch.pi * hertz * time) for hertz in (55, 441.7, 3000))
    clicks = (torch.arange(samples) % 500 == 77) * 0.9
    return torch.stack([noise, torch.as_tensor(tones), clicks, noise / 1000, torch.zeros(samples)])


def worst(spec: MelSpec, rows: Tensor, expected: Tensor) -> float:
    """Largest difference in dB over the bins within 80 dB of each chunk's peak."""
    if spec.scale == "linear":
        rows, expected = (10 * value.clamp(min=spec.amin).log10() for value in (rows, expected))
    near = expected >= expected.amax((1, 2), keepdim=True) - 40 * spec.power
    return float((rows.double() - expected)[near].abs().max())


@pytest.mark.parametrize("name", SPECS)
def test_parity_with_float64(name: str) -> None:
    spec = SPECS[name]
    waves = signals(3 * spec.n_fft + 1501, spec.sample_rate)
    expected = frontend(spec).double()(waves.double())
    rows = fused(spec)(waves.to(DEVICE)).cpu()
    assert rows.dtype == torch.float32
    assert rows.shape == expected.shape == (5, *spec.row_shape(waves.shape[1]))
    assert rows.isfinite().all()
    assert worst(spec, rows, expected) < 0.005


@pytest.mark.long
def test_parity_with_librosa() -> None:
    wave = signals(8000, 22050)[0] + signals(8000, 22050)[1]
    mel = librosa.feature.melspectrogram(
        y=wave.numpy(),
        sr=22050,
        n_fft=2048,
        hop_length=256,
        n_mels=192,
        fmax=8000,
        htk=True,
        pad_mode="reflect",
    )
    expected = torch.from_numpy(librosa.power_to_db(mel, top_db=None)).double()
    assert worst(STUDY, fused(STUDY)(wave.to(DEVICE)).cpu()[None], expected[None]) < 0.01


@pytest.mark.parametrize("padding", [{}, {"pad_mode": "constant"}, {"center": False}], ids=str)
@pytest.mark.parametrize("hop_length", [7, 64, 150])
def test_any_length(hop_length: int, padding: dict[str, Any]) -> None:
    # Blocks at one end, at both ends, or in the middle; a last block that is full or not.
    spec = MelSpec(sample_rate=8000, n_fft=64, hop_length=hop_length, n_mels=8, fmax=4000, **padding)
    mel, exact = fused(spec), frontend(spec).double()
    least = {"{}": 33, "{'pad_mode': 'constant'}": 1}.get(str(padding), 64)
    with pytest.raises(SpecError, match=f"{least - 1} samples is too short .* at least {least} samples"):
        mel(torch.zeros(2, least - 1, device=DEVICE))
    for samples in (least, least + 1, 64, 65, 96, 777, 2500):
        waves = signals(samples, 8000)[:2]
        assert worst(spec, mel(waves.to(DEVICE)).cpu(), exact(waves.double())) < 0.001


def test_a_row_does_not_depend_on_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = MelSpec(n_fft=256, n_mels=20, hop_length=100)
    waves, mel = signals(4000, 22050).to(DEVICE), fused(spec)
    rows = mel(waves)
    for wave, row in zip(waves, rows, strict=True):
        assert torch.equal(mel(wave), row)
    assert torch.equal(mel(waves.flip(0)), rows.flip(0))
    assert torch.equal(mel(waves.repeat(2, 1)[:, ::1])[5:], rows)
    assert torch.equal(mel(torch.stack([waves, -waves], 2)[..., 0]), rows)  # not contiguous
    assert mel(waves[:0]).shape == (0, *rows.shape[1:])
    # A frame's sums do not depend on its position in a chunk.
    assert torch.equal(mel(waves[:, 1000:])[..., 3:20], rows[..., 13:30])
    if INTERPRETED:
        from audiospec.features.kernels import fused as fused_module

        monkeypatch.setattr(fused_module, "WARPS", 1)
        assert torch.equal(mel(waves), rows)


def test_nan_stays_nan() -> None:
    wave = signals(2000, 8000)[0]
    wave[1000] = float("nan")
    mel = fused(SMALL)
    assert torch.equal(mel(wave.to(DEVICE)).isnan().cpu(), frontend(SMALL)(wave).isnan())


def test_gradients_and_float64_use_fft() -> None:
    mel, fft = fused(SMALL), frontend(SMALL, backend="fft", device=DEVICE)
    waves = signals(700, 8000).to(DEVICE)
    plain, tracked = mel(waves), mel(waves.clone().requires_grad_())
    assert not plain.requires_grad
    assert torch.equal(tracked, fft(waves.clone().requires_grad_()))
    assert tracked.requires_grad
    assert torch.equal(mel.double()(waves), fft.double()(waves))
    assert torch.equal(mel.float()(waves), plain)


def test_export_uses_fft() -> None:
    mel, waves = fused(SMALL), signals(600, 8000).to(DEVICE)
    exported = torch.export.export(mel, (waves,)).module()
    assert bool(((exported(waves) - mel(waves))[:4].abs() < 0.005).all())


def test_unsupported_window_lengths_are_refused() -> None:
    for n_fft in (1023, 400, 8192, 32):
        with pytest.raises(
            SpecError, match=rf"^backend 'fused': n_fft must .* got {n_fft}: use backend '(native|fft)'$"
        ):
            frontend(MelSpec(n_fft=n_fft, n_mels=4), backend="fused")


def test_the_error_without_a_gpu(python: Callable[..., Any]) -> None:
    python(
        """
        import os
        os.environ["TRITON_INTERPRET"] = "0"
        import torch
        from audiospec import MelSpec, frontend
        from audiospec.errors import SpecError
        mel = frontend(MelSpec(), backend="fused")
        for waves in (torch.zeros(1, 3000), torch.zeros(3000).requires_grad_()):
            try:
                mel(waves)
            except SpecError as error:
                text = str(error)
                assert text.startswith("backend 'fused' needs a CUDA device, and the waves are on"), text
                assert "\\n" not in text
            else:
                raise AssertionError
        assert frontend(MelSpec()).backend != "fused"
        """.replace("\n        ", "\n")
    )


def test_it_is_never_the_default() -> None:
    # It has not passed its parity tests on a device yet.
    assert frontend(STUDY).backend != "fused"
    assert frontend(STUDY, device=DEVICE).backend != "fused"


@pytest.mark.skipif(INTERPRETED, reason="needs a CUDA device, and this file to be run by itself")
def test_no_frames_in_device_memory() -> None:
    waves = torch.randn(64, 220500, device=DEVICE)
    mel = fused(STUDY)
    rows = mel(waves)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    mel(waves)
    assert torch.cuda.max_memory_allocated() - before < rows.nbytes + (1 << 20)


@pytest.mark.parametrize("name", SPECS)
def test_no_part_of_a_filter_is_lost(name: str) -> None:
    from audiospec.features.kernels.fused import _filters

    filters = torch.from_numpy(mel_filters(SPECS[name])).double()
    for lanes, size in ((8, 4), (32, 32)):
        weights, chunks, starts, ends = _filters(filters, lanes, size)
        assert weights.shape == (len(chunks), lanes)
        assert len(starts) == len(ends) == -(-len(filters) // size) * size
        sums = [weights[start:end].sum() for start, end in zip(starts, ends, strict=True)]
        torch.testing.assert_close(torch.stack(sums)[: len(filters)], filters.sum(1), rtol=1e-12, atol=0)
