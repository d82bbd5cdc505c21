"""Frames before their Fourier transform, and that transform as nnAudio's convolution, in torch."""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn

from audiospec.errors import SpecError
from audiospec.features.kernels.windows import analysis_window, window_start
from audiospec.specs.mel import MelSpec

# nnAudio prints a citation reminder on import; the citation is in `features.mel` and in the README.
os.environ.setdefault("NNAUDIO_DISABLE_CITATION_REMINDER", "1")

#: Longest window of nnAudio's kernels, one for each Fourier bin, which take 1 GiB then.
MOST_KERNEL = 1 << 14


def conditioned(spec: MelSpec, frames: Tensor) -> Tensor:
    """Return frames without their mean and with pre-emphasis, as far as a spec has them.

    Parameters
    ----------
    frames : Tensor, shape (..., spec.window_samples)

    Returns
    -------
    Tensor, of the same shape
    """
    if spec.remove_dc:
        frames = frames - frames.mean(-1, keepdim=True)
    if spec.preemphasis:
        before = torch.cat([frames[..., :1], frames[..., :-1]], -1)
        frames = frames - spec.preemphasis * before
    return frames


def nnaudio_stft(spec: MelSpec) -> nn.Module:
    """Return nnAudio's short-time Fourier transform for a spec, with everything that happens to its frames.

    All of that is linear, so it is part of the kernels: Fourier kernel · window · pre-emphasis · mean.
    """
    if spec.n_fft > MOST_KERNEL:
        raise SpecError(
            f"backend 'conv' computes with n_fft up to {MOST_KERNEL}; got {spec.n_fft}", "use backend 'fft'"
        )
    from nnAudio2.features.stft import STFT

    stft: nn.Module = STFT(
        n_fft=spec.n_fft,
        hop_length=spec.hop_length,
        window="hann" if spec.has_plain_frames else "boxcar",
        center=spec.center,
        pad_mode=spec.pad_mode,
        sr=spec.sample_rate,
        output_format="Complex",
        verbose=False,
    )
    for name, kernel in list(stft.named_buffers()):
        if name in ("wsin", "wcos") and not spec.has_plain_frames:
            kernel = _conditioned_kernels(spec, kernel)
        stft.register_buffer(name, kernel, persistent=False)
    return stft


def _conditioned_kernels(spec: MelSpec, kernels: Tensor) -> Tensor:
    """Return Fourier kernels (bins, 1, n_fft), which then act on samples as the spec's frames do.

    If frames are not centred, they have the length of the window.
    """
    samples, start = spec.window_samples, window_start(spec)
    window = torch.from_numpy(analysis_window(spec))
    # Row n is what sample n of a frame becomes, of all samples.
    operation = conditioned(spec, torch.eye(samples, dtype=torch.float64)).T
    used = (kernels[:, 0, start : start + samples].double() * window) @ operation
    if spec.center:
        used = torch.nn.functional.pad(used, (start, spec.n_fft - start - samples))
    return used.unsqueeze(1).float()
