"""Log-mel spectrograms by one Triton kernel, from waveform to decibels: backend ``fused`` of `MelFrontend`.

A program computes a few frames of one row; nothing but samples is read from device memory (beside tables
of some 50 KiB, which stay in cache), and nothing but mel bins is written to it. A warp has a frame:

1. `n_fft` samples, read by index arithmetic (no padded copy), times the window. Even and odd ones are the
   real and imaginary parts of n_fft / 2 = count1 · count2 complex points.
2. Each lane transforms its count1 points in registers; twiddles; one exchange between lanes; each lane
   transforms count2 points. That is the four-step FFT, 32 × 32 points for n_fft = 2048.
3. Points k and n_fft / 2 - k, from mirrored lanes, give bins k and n_fft / 2 - k of the real frame.
4. Bins now lie in chunks, one lane a bin. A mel filter touches one or two chunks, so lanes multiply and
   add without exchange; what is left is the sum over lanes: an exchange again, for 32 mel bins at once.
5. Decibels.

All of it is float32 on the ordinary units. Tensor cores would need three products in TensorFloat-32 for
each of float32, and a DFT as a product has nine times the FFT's operations.

Counted for n_fft = 2048, hop 256, 192 mel bins to 8000 Hz, as Triton 3.8 compiles it for sm_90. A frame is
1 KiB of new samples and 768 bytes of mel bins in device memory, 8 KiB of samples through the first-level
cache (frames overlap), and about 2500 instructions of one warp: 870 additions, 800 products (430 with an
addition), 390 loads, 130 through shared memory, 32 shuffles, the rest addresses. A multiprocessor issues 4 a
cycle: on an H200 (132 of them at 1.8 GHz) 380 million frames a second at the very most, 4.4 million × real
time at 22050 Hz, where memory would allow six times that. So instructions are the bound, and latency behind
it: 128 registers a thread, 16 KiB of shared memory a program of 4 warps, let 16 warps share a multiprocessor.
"""

from __future__ import annotations

import math
from contextlib import nullcontext

import torch
import triton
from torch import Tensor, nn
from triton.runtime.interpreter import InterpretedFunction

from audiospec.errors import SpecError
from audiospec.features.kernels.fused_kernel import VERSION, log_mel_kernel
from audiospec.specs.mel import MelSpec

#: Warps of a program. Few: programs wait at their own barriers only, and more of them fit.
WARPS = 4
#: Registers of a thread at most, so that 16 warps fit on a multiprocessor.
REGISTERS = 128
#: Lengths of window that the kernel is written for. Longer ones do not fit into registers.
SIZES = (64, 128, 256, 512, 1024, 2048, 4096)
#: Points of the unit circle, cosine and sine of each, clockwise; exact where they are 0 or 1.
WHEEL = tuple(
    round(value, 15) for i in range(64) for value in (math.cos(math.pi * i / 32), -math.sin(math.pi * i / 32))
)


def unfit(spec: MelSpec) -> str:
    """Why the kernel cannot compute a spec; empty if it can."""
    if VERSION < (3, 6):  # no tuples of tensors
        return f"Triton must be 3.6 or later; got {triton.__version__}"
    if spec.n_fft not in SIZES:
        return f"n_fft must be a power of 2 from {SIZES[0]} to {SIZES[-1]}; got {spec.n_fft}"
    return ""


class FusedMel(nn.Module):
    """The kernel and its tables for one spec.

    Parameters
    ----------
    spec : MelSpec
        What to compute.
    window : Tensor, shape (n_fft,)
        The window.
    filters : Tensor, shape (n_mels, bins)
        The mel filters.

    Raises
    ------
    SpecError
        An `n_fft` that the kernel is not written for.
    """

    tables: Tensor
    parts: list[tuple[int, ...]]

    def __init__(self, spec: MelSpec, window: Tensor, filters: Tensor) -> None:
        super().__init__()
        reason = unfit(spec)
        if reason:
            raise SpecError(f"backend 'fused': {reason}; backends 'fft' and 'conv' compute any")
        self.spec = spec
        bits = spec.n_fft.bit_length() - 2
        self.log1, self.log2 = bits - bits // 2, bits // 2
        self.mels = min(5, (spec.n_mels - 1).bit_length())
        weights, *self.parts = _filters(filters.double(), 2**self.log1, 2**self.mels)
        tables = [*_constants(window.double(), self.log1, self.log2), weights]
        flat = torch.cat([table.flatten() for table in tables]).float()
        self.register_buffer("tables", flat, persistent=False)

    def forward(self, waves: Tensor) -> Tensor:
        """Mel bins (B, n_mels, frames), in decibels over 1 if the spec is in decibels, of waves (B, samples).

        Parameters
        ----------
        waves : Tensor, shape (B, samples), float32
            On the device of the tables.
        """
        spec = self.spec
        waves = waves.detach().contiguous()
        count, samples = waves.shape
        mels, frames = spec.row_shape(samples)
        rows = waves.new_empty(count, mels, frames)
        if not rows.numel():
            return rows
        # A warp has at least 32 lanes' work, also where a frame has fewer. The interpreter (on a CPU) takes
        # about as long for a program of many frames as for one of few.
        block = WARPS * max(1, 32 >> self.log2) * (1 if waves.is_cuda else 8)
        with torch.cuda.device(waves.device) if waves.is_cuda else nullcontext():
            log_mel_kernel[(count * -(-frames // block),)](
                waves,
                rows,
                self.tables,
                samples,
                frames,
                HOP=spec.hop_length,
                BEFORE=spec.n_fft // 2 if spec.center else 0,
                REFLECT=spec.center and spec.pad_mode == "reflect",
                POWER=spec.power,
                DECIBELS=spec.scale == "db",
                AMIN=spec.amin,
                N_MELS=mels,
                CHUNKS=self.parts[0],
                STARTS=self.parts[1],
                ENDS=self.parts[2],
                TURNS=WHEEL,
                MELS=self.mels,
                LOG1=self.log1,
                LOG2=self.log2,
                FRAMES=block,
                num_warps=WARPS,
                maxnreg=REGISTERS if self.log1 < 6 else 255,  # 64 points a lane take 128 for themselves
            )
        return rows


def require_device(waves: Tensor) -> None:
    """Raise `SpecError` if the kernel cannot run where the waves are."""
    if not waves.is_cuda and not isinstance(log_mel_kernel, InterpretedFunction):
        raise SpecError(
            f"backend 'fused' needs a CUDA device, and the waves are on {str(waves.device)!r}: move them and "
            "the frontend to 'cuda', or take backend 'fft'"
        )


def _constants(window: Tensor, log1: int, log2: int) -> list[Tensor]:
    """Window and twiddles, float64, in the kernel's order."""
    count1, count2 = 2**log1, 2**log2
    points = count1 * count2
    # Half of the window: the spectrum of a real frame is half the sum of two points.
    halved = window.view(points, 2).T / 2
    n1, n2, k2 = (torch.arange(n, dtype=torch.float64) for n in (count1, count2, count2 // 2))
    inner = n1[:, None] * n2 * (2 * math.pi / points)
    outer = (count1 * k2[:, None] + n1) * (math.pi / points)
    return [halved, inner.cos(), -inner.sin(), outer.cos(), -outer.sin()]


def _filters(
    filters: Tensor, lanes: int, size: int
) -> tuple[Tensor, tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Mel filters (n_mels, bins) as the kernel adds them up, in groups of `size` mel bins.

    Returns
    -------
    weights : Tensor, shape (parts, lanes)
        What a filter has in a chunk of bins is a part.
    chunks : tuple of int
        The chunk of each part.
    starts, ends : tuple of int
        Of each mel bin: the range of its parts. Mel bins that fill up the last group are the last again.
    """
    points = filters.shape[1] - 1
    # Bins as they lie in chunks: 0 to n / 2 - 1, then n down to n / 2 + 1. The first, whose weight is 0 in
    # every filter since all begin at 0 Hz or above, makes way for n / 2.
    half = torch.arange(points // 2)
    laid = torch.cat([half, points - half])
    laid[0] = points // 2
    parts = filters[:, laid].view(len(filters), -1, lanes)
    weights: list[Tensor] = []
    chunks: list[int] = []
    starts, ends = [], []
    for part, used in zip(parts, parts.any(2), strict=True):
        own = used.nonzero().flatten().tolist() or [0]
        starts.append(len(chunks))
        chunks += own
        ends.append(len(chunks))
        weights += part[own]
    more = -len(filters) % size
    return torch.stack(weights), tuple(chunks), (*starts, *starts[-1:] * more), (*ends, *ends[-1:] * more)


# --- the kernel -------------------------------------------------------------------------------------
#
# Lanes' registers are told from lanes by tuples: a tuple of tensors (frame, lane) is as many registers of
# each lane. Joins, splits and permutations that only rename registers cost nothing; Triton makes one
# exchange through shared memory of each transposition. Tables are read by one wide load, not one for each
# register: the time to compile grows with the square of the loads. None may be taken for aligned (hence
# `do_not_specialize`): loads of four numbers would lay out lanes otherwise, and cost more exchanges.
