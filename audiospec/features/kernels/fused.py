"""Log-mel spectrograms by one Triton kernel, from waveform to decibels: backend ``fused`` of `MelFrontend`.

A program computes a few frames of one row. It reads only samples from device memory (and tables of some
50 KiB, which stay in cache) and writes only mel bins. Each warp computes one frame:

1. It reads `n_fft` samples by index arithmetic (no padded copy) and multiplies them by the window. Even and
   odd samples are the real and imaginary parts of n_fft / 2 = count1 · count2 complex points.
2. Each lane transforms its count1 points in registers; twiddles; one exchange between lanes; each lane
   transforms count2 points. That is the four-step FFT, 32 × 32 points for n_fft = 2048.
3. Points k and n_fft / 2 - k, from mirrored lanes, give bins k and n_fft / 2 - k of the real frame.
4. Bins are now in chunks, one lane per bin. A mel filter touches one or two chunks, so lanes multiply and
   add without exchange; the sum over lanes needs one more exchange, for 32 mel bins at once.
5. Mel bins are converted to decibels.

Everything is float32 on the ordinary units. Tensor cores would need three products in TensorFloat-32 for
each of float32, and a DFT as a matrix product has nine times the FFT's operations.

The cost was counted for n_fft = 2048, hop 256, 192 mel bins to 8000 Hz, as Triton 3.8 compiles it for sm_90.
A frame is 1 KiB of new samples and 768 bytes of mel bins in device memory, 8 KiB of samples through the
first-level cache (frames overlap), and about 2500 instructions of one warp: 870 additions, 800 products (430
with an addition), 390 loads, 130 through shared memory, 32 shuffles, the rest addresses. A multiprocessor
issues 4 per cycle, so an H200 (132 of them at 1.8 GHz) computes at most 380 million frames per second, 4.4
million × real time at 22050 Hz; memory would allow six times that. Instructions are the bound, then latency:
128 registers per thread and 16 KiB of shared memory per program of 4 warps let one hold 16 warps.
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
from audiospec.features.kernels.windows import reason_not_fused
from audiospec.specs.mel import MelSpec

#: Warps per program. Few, because a program waits only at its own barriers and more programs then fit.
WARPS = 4
#: Largest number of registers per thread, so that 16 warps fit on a multiprocessor.
REGISTERS = 128
#: Points of the unit circle, cosine and sine of each, clockwise; exact where they are 0 or 1.
WHEEL = tuple(
    round(value, 15) for i in range(64) for value in (math.cos(math.pi * i / 32), -math.sin(math.pi * i / 32))
)


def reason_unsupported(spec: MelSpec) -> str:
    """Return why the kernel cannot compute a spec; ``""`` if it can."""
    if VERSION < (3, 6):  # older versions have no tuples of tensors
        return f"Triton must be 3.6 or later; got {triton.__version__}"
    return reason_not_fused(spec)


class FusedMel(nn.Module):
    """The fused kernel and its tables for one spec.

    Parameters
    ----------
    spec : MelSpec
    window : Tensor, shape (n_fft,), float64
    filters : Tensor, shape (n_mels, bins)
        Mel filters.

    Raises
    ------
    SpecError
        The kernel does not support the spec, or Triton is too old.
    """

    tables: Tensor
    parts: list[tuple[int, ...]]

    def __init__(self, spec: MelSpec, window: Tensor, filters: Tensor) -> None:
        super().__init__()
        reason = reason_unsupported(spec)
        if reason:
            raise SpecError(f"backend 'fused': {reason}", "use backend 'fft', which computes any spec")
        self.spec = spec
        bits = spec.n_fft.bit_length() - 2
        self.log1, self.log2 = bits - bits // 2, bits // 2
        self.mels = min(5, (spec.n_mels - 1).bit_length())
        weights, *self.parts = _filters(filters.double(), 2**self.log1, 2**self.mels)
        tables = [*_constants(window.double(), self.log1, self.log2), weights]
        flat = torch.cat([table.flatten() for table in tables]).float()
        self.register_buffer("tables", flat, persistent=False)

    def forward(self, waves: Tensor) -> Tensor:
        """Compute mel bins, in decibels relative to 1 if the spec is in decibels.

        Parameters
        ----------
        waves : Tensor, shape (B, samples), float32
            On the device of the tables.

        Returns
        -------
        Tensor, shape (B, n_mels, frames), float32
        """
        spec = self.spec
        waves = waves.detach().contiguous()
        count, samples = waves.shape
        mels, frames = spec.row_shape(samples)
        rows = waves.new_empty(count, mels, frames)
        if not rows.numel():
            return rows
        # A frame with fewer than 32 lanes shares its warp with others. The interpreter (on a CPU) takes about
        # as long for a program of many frames as for one of few, so it gets more frames per program.
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
                maxnreg=REGISTERS if self.log1 < 6 else 255,  # 64 complex points per lane need 128
            )
        return rows


def require_device(waves: Tensor) -> None:
    """Raise `SpecError` if the kernel cannot run where the waves are."""
    if not waves.is_cuda and not isinstance(log_mel_kernel, InterpretedFunction):
        raise SpecError(
            f"backend 'fused' needs a CUDA device, and the waves are on {str(waves.device)!r}",
            "move them and the frontend to 'cuda', or use backend 'fft'",
        )


def _constants(window: Tensor, log1: int, log2: int) -> list[Tensor]:
    """Return the window and the twiddle factors, float64, in the kernel's order."""
    count1, count2 = 2**log1, 2**log2
    points = count1 * count2
    # The window is halved because the spectrum of a real frame is half the sum of two points.
    halved = window.view(points, 2).T / 2
    n1, n2, k2 = (torch.arange(n, dtype=torch.float64) for n in (count1, count2, count2 // 2))
    inner = n1[:, None] * n2 * (2 * math.pi / points)
    outer = (count1 * k2[:, None] + n1) * (math.pi / points)
    return [halved, inner.cos(), -inner.sin(), outer.cos(), -outer.sin()]


def _filters(
    filters: Tensor, lanes: int, size: int
) -> tuple[Tensor, tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Arrange mel filters (n_mels, bins) as the kernel sums them, in groups of `size` mel bins.

    Returns
    -------
    weights : Tensor, shape (parts, lanes)
        A part is a filter's weights in one chunk of bins.
    chunks : tuple of int
        The chunk of each part.
    starts, ends : tuple of int
        The range of each mel bin's parts. The last mel bin is repeated to fill the last group.
    """
    points = filters.shape[1] - 1
    # The order of bins in chunks: 0 to n / 2 - 1, then n down to n / 2 + 1. Bin n / 2 replaces bin 0, whose
    # weight is 0 in every filter because all filters begin at 0 Hz or above.
    half = torch.arange(points // 2)
    order = torch.cat([half, points - half])
    order[0] = points // 2
    parts = filters[:, order].view(len(filters), -1, lanes)
    weights: list[Tensor] = []
    chunks: list[int] = []
    starts, ends = [], []
    for part, used in zip(parts, parts.any(2), strict=True):
        touched = used.nonzero().flatten().tolist() or [0]
        starts.append(len(chunks))
        chunks += touched
        ends.append(len(chunks))
        weights += part[touched]
    fill = -len(filters) % size
    return torch.stack(weights), tuple(chunks), (*starts, *starts[-1:] * fill), (*ends, *ends[-1:] * fill)
