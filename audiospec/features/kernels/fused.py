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

# Compile-time arguments of kernels are in capitals, as Triton's are; what is traced by Triton has no types.
# ruff: noqa: N803, N806
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, import-untyped"
# mypy: disable-error-code="assignment, misc"

from __future__ import annotations

import math
from contextlib import nullcontext

import torch
import triton
import triton.language as tl
from torch import Tensor, nn
from triton.runtime.interpreter import InterpretedFunction

from audiospec.errors import SpecError
from audiospec.spec import MelSpec

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
VERSION = tuple(map(int, triton.__version__.split(".")[:2]))
#: Where memory does not say which axis threads should follow, Triton takes the last; before 3.8, the first.
BACKWARDS = tl.constexpr(VERSION < (3, 8))


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
            _log_mel[(count * -(-frames // block),)](
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
    if not waves.is_cuda and not isinstance(_log_mel, InterpretedFunction):
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


@triton.jit(
    do_not_specialize=["samples", "frames"], do_not_specialize_on_alignment=["waves", "rows", "tables"]
)
def _log_mel(
    waves,
    rows,
    tables,
    samples,
    frames,
    HOP: tl.constexpr,
    BEFORE: tl.constexpr,
    REFLECT: tl.constexpr,
    POWER: tl.constexpr,
    DECIBELS: tl.constexpr,
    AMIN: tl.constexpr,
    N_MELS: tl.constexpr,
    CHUNKS: tl.constexpr,
    STARTS: tl.constexpr,
    ENDS: tl.constexpr,
    TURNS: tl.constexpr,
    MELS: tl.constexpr,
    LOG1: tl.constexpr,
    LOG2: tl.constexpr,
    FRAMES: tl.constexpr,
):
    """FRAMES frames of a row."""
    COUNT1: tl.constexpr = 2**LOG1
    COUNT2: tl.constexpr = 2**LOG2
    POINTS: tl.constexpr = COUNT1 * COUNT2
    blocks = (frames + FRAMES - 1) // FRAMES
    row = (tl.program_id(0) // blocks).to(tl.int64)
    first = tl.program_id(0) % blocks * FRAMES
    last = tl.minimum(first + FRAMES, frames) - 1
    frame = first + tl.arange(0, FRAMES)[:, None]
    wave = waves + row * samples

    # Point n = COUNT2 · n1 + n2 has samples 2 n and 2 n + 1; n1 is its register, n2 its lane.
    begin = tl.minimum(frame, last) * HOP - BEFORE + 2 * tl.arange(0, COUNT2)[None, :]
    step = 2 * COUNT2 * tl.arange(0, COUNT1)[:, None, None]
    if (first * HOP >= BEFORE) & (last * HOP - BEFORE + 2 * POINTS <= samples):
        start = tl.broadcast_to((wave + begin)[None], (COUNT1, FRAMES, COUNT2))
        re = _loaded(start + step)
        im = _loaded(start + step + 1)
    else:
        re = tl.load(*_sample(wave, begin[None] + step, samples, REFLECT), other=0.0)
        im = tl.load(*_sample(wave, begin[None] + step + 1, samples, REFLECT), other=0.0)
    re *= _table(tables, COUNT1, FRAMES, COUNT2)
    im *= _table(tables + POINTS, COUNT1, FRAMES, COUNT2)
    re, im = _fourier(_tensors(re, LOG1), _tensors(im, LOG1), LOG1, TURNS)

    re, im = _stacked(re, LOG1), _stacked(im, LOG1)
    cosine = _table(tables + 2 * POINTS, COUNT1, FRAMES, COUNT2)
    sine = _table(tables + 3 * POINTS, COUNT1, FRAMES, COUNT2)
    x = re * cosine - im * sine
    y = re * sine + im * cosine
    re, im = _tensors(tl.permute(x, (2, 1, 0)), LOG2), _tensors(tl.permute(y, (2, 1, 0)), LOG2)
    re, im = _fourier(re, im, LOG2, TURNS)  # point k1 + COUNT1 · k2: k1 its lane, k2 its register

    power = _power(re, im, tables + 4 * POINTS, POWER, LOG1, LOG2)
    for mel in tl.static_range(0, N_MELS, 2**MELS):
        total = _mels(power, tables + 5 * POINTS, mel, CHUNKS, STARTS, ENDS, MELS, LOG1)
        if DECIBELS:
            # 10 log10. What is not a number stays so, as in the other backends.
            total = tl.maximum(total, AMIN, propagate_nan=tl.PropagateNan.ALL)
            total = tl.log2(total) * 3.010299956639812
        mels = mel + tl.arange(0, 2**MELS)[None, :]
        to = rows + (row * N_MELS + mels) * frames + frame
        tl.store(to, total, mask=(mels < N_MELS) & (frame < frames))


@triton.jit
def _sample(wave, place, samples, REFLECT: tl.constexpr):
    """Pointers to samples of a wave that may lie beyond its ends, and which are there."""
    if REFLECT:
        place = samples - 1 - tl.abs(samples - 1 - tl.abs(place))
    return wave + place, (place >= 0) & (place < samples)


@triton.jit
def _table(table, COUNT: tl.constexpr, FRAMES: tl.constexpr, LANES: tl.constexpr):
    """Constants (COUNT, LANES) as (COUNT, FRAMES, LANES): each frame, a warp, reads them for itself."""
    lanes = tl.broadcast_to((table + tl.arange(0, LANES))[None, None, :], (COUNT, FRAMES, LANES))
    return _loaded(lanes + LANES * tl.arange(0, COUNT)[:, None, None])


@triton.jit
def _loaded(pointers):
    """What pointers (register, frame, lane) point to, each lane's in that lane, each frame's in one warp."""
    if BACKWARDS:
        return tl.permute(tl.load(tl.permute(pointers, (2, 1, 0))), (2, 1, 0))
    else:
        return tl.load(pointers)


@triton.jit
def _stacked(parts, LOG: tl.constexpr):
    """2**LOG tensors (frame, lane) as one (2**LOG, frame, lane)."""
    FRAMES: tl.constexpr = parts[0].shape[0]
    LANES: tl.constexpr = parts[0].shape[1]
    for level in tl.static_range(LOG):
        joined = ()
        for at in tl.static_range(2 ** (LOG - level - 1)):
            joined += (tl.join(parts[at], parts[at + 2 ** (LOG - level - 1)]),)
        parts = joined
    return tl.permute(tl.reshape(parts[0], (FRAMES, LANES, 2**LOG)), (2, 0, 1))


@triton.jit
def _tensors(whole, LOG: tl.constexpr):
    """One tensor (2**LOG, frame, lane) as 2**LOG tensors (frame, lane)."""
    FRAMES: tl.constexpr = whole.shape[1]
    LANES: tl.constexpr = whole.shape[2]
    rest = (tl.permute(whole, (1, 2, 0)),)
    for level in tl.static_range(LOG):
        even, odd = (), ()
        for at in tl.static_range(2**level):
            x, y = tl.split(tl.reshape(rest[at], (FRAMES, LANES, 2 ** (LOG - level - 1), 2)))
            even += (x,)
            odd += (y,)
        rest = even + odd
    parts = ()
    for at in tl.static_range(2**LOG):
        parts += (tl.reshape(rest[at], (FRAMES, LANES)),)
    return parts


@triton.jit
def _fourier(re, im, LOG: tl.constexpr, TURNS: tl.constexpr):
    """Fourier transform of 2**LOG registers: Stockham's, of radix 2, in and out in natural order."""
    HALF: tl.constexpr = 2 ** (LOG - 1)
    for stage in tl.static_range(LOG):
        r, i = (), ()
        for turn in tl.static_range(HALF // 2**stage):
            for at in tl.static_range(turn * 2**stage, (turn + 1) * 2**stage):
                r += (re[at] + re[at + HALF],)
                i += (im[at] + im[at + HALF],)
            for at in tl.static_range(turn * 2**stage, (turn + 1) * 2**stage):
                x, y = _turned(
                    re[at] - re[at + HALF],
                    im[at] - im[at + HALF],
                    TURNS[turn * 2**stage * (64 // HALF)],
                    TURNS[turn * 2**stage * (64 // HALF) + 1],
                )
                r += (x,)
                i += (y,)
        re, im = r, i
    return re, im


@triton.jit
def _turned(re, im, COSINE: tl.constexpr, SINE: tl.constexpr):
    """Complex numbers times COSINE + i SINE, one of the circle's lower half."""
    if COSINE == 1:
        return re, im
    elif COSINE == 0:
        return im, -re
    else:
        return re * COSINE - im * SINE, re * SINE + im * COSINE


@triton.jit
def _power(re, im, table, POWER: tl.constexpr, LOG1: tl.constexpr, LOG2: tl.constexpr):
    """|X|^POWER of real frames, from the transform Z of their even and odd samples, in chunks of 2**LOG1.

    With a bar for the conjugate: X[k] and X[n - k] (conjugated) are E ± T where 2 E = Z[k] + Z̄[n - k] and
    2 T = -i (Z[k] - Z̄[n - k]) exp(-πik / n). The halves are in the window.
    """
    FRAMES: tl.constexpr = re[0].shape[0]
    LANES: tl.constexpr = 2**LOG1
    HALF: tl.constexpr = 2 ** (LOG2 - 1)
    middle = 4 * (re[HALF] * re[HALF] + im[HALF] * im[HALF])
    # Point n - k of chunk `at`: mirrored lanes of chunk -1 - at, but for lane 0, which is that of chunk -at.
    r, i, first_r, first_i = (), (), (), ()
    for at in tl.static_range(HALF):
        r += (re[2 * HALF - 1 - at],)
        i += (im[2 * HALF - 1 - at],)
        first_r += (re[(2 * HALF - at) % (2 * HALF)],)
        first_i += (im[(2 * HALF - at) % (2 * HALF)],)
    lane = tl.arange(0, LANES)[None, None, :]
    mirror = tl.broadcast_to((LANES - lane) % LANES, (HALF, FRAMES, LANES))
    other_re = tl.gather(_stacked(r, LOG2 - 1), mirror, 2)
    other_im = tl.gather(_stacked(i, LOG2 - 1), mirror, 2)
    other_re = tl.where(lane == 0, _stacked(first_r, LOG2 - 1), other_re)
    other_im = tl.where(lane == 0, _stacked(first_i, LOG2 - 1), other_im)
    re, im = _stacked(re[:HALF], LOG2 - 1), _stacked(im[:HALF], LOG2 - 1)

    even_re, even_im = re + other_re, im - other_im
    odd_re, odd_im = im + other_im, other_re - re
    cosine = _table(table, HALF, FRAMES, LANES)
    sine = _table(table + HALF * LANES, HALF, FRAMES, LANES)
    x = odd_re * cosine - odd_im * sine
    y = odd_re * sine + odd_im * cosine
    low = (even_re + x) * (even_re + x) + (even_im + y) * (even_im + y)
    high = (even_re - x) * (even_re - x) + (even_im - y) * (even_im - y)
    low = _tensors(_magnitude(low, POWER), LOG2 - 1)
    high = _tensors(_magnitude(high, POWER), LOG2 - 1)
    # See `_filters`: bin n / 2 has the place of bin 0.
    lane = tl.arange(0, LANES)[None, :]
    return (tl.where(lane == 0, _magnitude(middle, POWER), low[0]),) + low[1:] + high  # noqa: RUF005


@triton.jit
def _magnitude(power, POWER: tl.constexpr):
    """|X|^POWER, from |X|²."""
    if POWER == 2:
        return power
    elif POWER == 1:
        return tl.sqrt(power)
    else:
        return tl.exp2(tl.log2(tl.maximum(power, 1.1754943508222875e-38)) * (POWER / 2))


@triton.jit
def _mels(
    power,
    table,
    FIRST: tl.constexpr,
    CHUNKS: tl.constexpr,
    STARTS: tl.constexpr,
    ENDS: tl.constexpr,
    MELS: tl.constexpr,
    LOG: tl.constexpr,
):
    """Mel bins (frame, 2**MELS) from bin FIRST on; see `_filters`."""
    FRAMES: tl.constexpr = power[0].shape[0]
    BEGIN: tl.constexpr = STARTS[FIRST]
    COUNT: tl.constexpr = ENDS[FIRST + 2**MELS - 1] - BEGIN
    weights = ()
    for zeros in tl.static_range(16):  # runs of 32768, 16384 ... parts; what a load has is a power of 2
        if COUNT >> (15 - zeros) & 1 == 1:
            before = COUNT >> (16 - zeros) << (16 - zeros)
            run = _table(table + (BEGIN + before) * 2**LOG, 2 ** (15 - zeros), FRAMES, 2**LOG)
            weights += _tensors(run, 15 - zeros)
    sums = ()
    for at in tl.static_range(FIRST, FIRST + 2**MELS):
        sums += (_weighted(power, weights, BEGIN, CHUNKS, STARTS[at], ENDS[at]),)
    # From a mel bin a register to a mel bin a lane; its sum is then one of registers, pair by pair.
    total = tl.permute(_stacked(sums, MELS), (2, 1, 0))
    for level in tl.static_range(LOG):
        total = tl.reshape(total, (2, 2 ** (LOG - level - 1), FRAMES, 2**MELS))
        x, y = tl.split(tl.permute(total, (1, 2, 3, 0)))
        total = x + y
    return tl.reshape(total, (FRAMES, 2**MELS))


@triton.jit
def _weighted(
    power, weights, BEGIN: tl.constexpr, CHUNKS: tl.constexpr, START: tl.constexpr, END: tl.constexpr
):
    """Sum of chunks times their weights, lane by lane."""
    total = power[CHUNKS[START]] * weights[START - BEGIN]
    for part in tl.static_range(START + 1, END):
        total += power[CHUNKS[part]] * weights[part - BEGIN]
    return total
