"""The Triton kernel of backend `fused`: from waveform to log-mel in one launch.

A tuple of tensors (frame, lane) stands for as many registers of each lane, which separates the axis of
registers from that of lanes. Joins, splits and permutations that only rename registers cost nothing; Triton
compiles each transposition into one exchange through shared memory. Tables are read by one wide load, not one
per register, because compile time grows with the square of the number of loads. No pointer may be assumed
aligned (hence `do_not_specialize`): loads of four numbers would lay out lanes differently and cost more
exchanges.
"""

# Compile-time arguments of kernels are in capitals, as in Triton; code that Triton traces has no types.
# ruff: noqa: N803, N806
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, import-untyped"
# mypy: disable-error-code="assignment, misc"

from __future__ import annotations

import triton
import triton.language as tl

VERSION = tuple(map(int, triton.__version__.split(".")[:2]))
#: Where memory does not determine which axis threads follow, Triton uses the last; before 3.8, the first.
BACKWARDS = tl.constexpr(VERSION < (3, 8))


@triton.jit(
    do_not_specialize=["samples", "frames"], do_not_specialize_on_alignment=["waves", "rows", "tables"]
)
def log_mel_kernel(
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
    """Compute FRAMES frames of a row."""
    COUNT1: tl.constexpr = 2**LOG1
    COUNT2: tl.constexpr = 2**LOG2
    POINTS: tl.constexpr = COUNT1 * COUNT2
    blocks = (frames + FRAMES - 1) // FRAMES
    row = (tl.program_id(0) // blocks).to(tl.int64)
    first = tl.program_id(0) % blocks * FRAMES
    last = tl.minimum(first + FRAMES, frames) - 1
    frame = first + tl.arange(0, FRAMES)[:, None]
    wave = waves + row * samples

    # Point n = COUNT2 · n1 + n2 is samples 2 n and 2 n + 1; n1 is its register, n2 its lane.
    begin = tl.minimum(frame, last) * HOP - BEFORE + 2 * tl.arange(0, COUNT2)[None, :]
    step = 2 * COUNT2 * tl.arange(0, COUNT1)[:, None, None]
    if (first * HOP >= BEFORE) & (last * HOP - BEFORE + 2 * POINTS <= samples):
        start = tl.broadcast_to((wave + begin)[None], (COUNT1, FRAMES, COUNT2))
        re = _load(start + step)
        im = _load(start + step + 1)
    else:
        re = tl.load(*_sample(wave, begin[None] + step, samples, REFLECT), other=0.0)
        im = tl.load(*_sample(wave, begin[None] + step + 1, samples, REFLECT), other=0.0)
    re *= _table(tables, COUNT1, FRAMES, COUNT2)
    im *= _table(tables + POINTS, COUNT1, FRAMES, COUNT2)
    re, im = _fourier(_split(re, LOG1), _split(im, LOG1), LOG1, TURNS)

    re, im = _stack(re, LOG1), _stack(im, LOG1)
    cosine = _table(tables + 2 * POINTS, COUNT1, FRAMES, COUNT2)
    sine = _table(tables + 3 * POINTS, COUNT1, FRAMES, COUNT2)
    x = re * cosine - im * sine
    y = re * sine + im * cosine
    re, im = _split(tl.permute(x, (2, 1, 0)), LOG2), _split(tl.permute(y, (2, 1, 0)), LOG2)
    re, im = _fourier(re, im, LOG2, TURNS)  # point k1 + COUNT1 · k2: k1 is its lane, k2 its register

    power = _power(re, im, tables + 4 * POINTS, POWER, LOG1, LOG2)
    for mel in tl.static_range(0, N_MELS, 2**MELS):
        total = _mels(power, tables + 5 * POINTS, mel, CHUNKS, STARTS, ENDS, MELS, LOG1)
        if DECIBELS:
            # 10 log10. NaN stays NaN, as in the other backends.
            total = tl.maximum(total, AMIN, propagate_nan=tl.PropagateNan.ALL)
            total = tl.log2(total) * 3.010299956639812
        mels = mel + tl.arange(0, 2**MELS)[None, :]
        to = rows + (row * N_MELS + mels) * frames + frame
        tl.store(to, total, mask=(mels < N_MELS) & (frame < frames))


@triton.jit
def _sample(wave, place, samples, REFLECT: tl.constexpr):
    """Pointers to samples of a wave, and the mask of those within its ends."""
    if REFLECT:
        place = samples - 1 - tl.abs(samples - 1 - tl.abs(place))
    return wave + place, (place >= 0) & (place < samples)


@triton.jit
def _table(table, COUNT: tl.constexpr, FRAMES: tl.constexpr, LANES: tl.constexpr):
    """Constants (COUNT, LANES) as (COUNT, FRAMES, LANES): each frame's warp reads its own copy."""
    lanes = tl.broadcast_to((table + tl.arange(0, LANES))[None, None, :], (COUNT, FRAMES, LANES))
    return _load(lanes + LANES * tl.arange(0, COUNT)[:, None, None])


@triton.jit
def _load(pointers):
    """Load pointers (register, frame, lane): each lane's values into that lane, a frame's into one warp."""
    if BACKWARDS:
        return tl.permute(tl.load(tl.permute(pointers, (2, 1, 0))), (2, 1, 0))
    else:
        return tl.load(pointers)


@triton.jit
def _stack(parts, LOG: tl.constexpr):
    """Stack 2**LOG tensors (frame, lane) into one (2**LOG, frame, lane)."""
    FRAMES: tl.constexpr = parts[0].shape[0]
    LANES: tl.constexpr = parts[0].shape[1]
    for level in tl.static_range(LOG):
        joined = ()
        for at in tl.static_range(2 ** (LOG - level - 1)):
            joined += (tl.join(parts[at], parts[at + 2 ** (LOG - level - 1)]),)
        parts = joined
    return tl.permute(tl.reshape(parts[0], (FRAMES, LANES, 2**LOG)), (2, 0, 1))


@triton.jit
def _split(whole, LOG: tl.constexpr):
    """Split one tensor (2**LOG, frame, lane) into 2**LOG tensors (frame, lane)."""
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
    """Fourier transform of 2**LOG registers: Stockham's, radix 2, input and output in natural order."""
    HALF: tl.constexpr = 2 ** (LOG - 1)
    for stage in tl.static_range(LOG):
        r, i = (), ()
        for turn in tl.static_range(HALF // 2**stage):
            for at in tl.static_range(turn * 2**stage, (turn + 1) * 2**stage):
                r += (re[at] + re[at + HALF],)
                i += (im[at] + im[at + HALF],)
            for at in tl.static_range(turn * 2**stage, (turn + 1) * 2**stage):
                x, y = _rotate(
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
def _rotate(re, im, COSINE: tl.constexpr, SINE: tl.constexpr):
    """Multiply complex numbers by COSINE + i SINE, a point of the unit circle's lower half."""
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
    2 T = -i (Z[k] - Z̄[n - k]) exp(-πik / n). The factor 1/2 is in the window.
    """
    FRAMES: tl.constexpr = re[0].shape[0]
    LANES: tl.constexpr = 2**LOG1
    HALF: tl.constexpr = 2 ** (LOG2 - 1)
    middle = 4 * (re[HALF] * re[HALF] + im[HALF] * im[HALF])
    # Points n - k of chunk `at` are the mirrored lanes of chunk -1 - at; lane 0 is from chunk -at.
    r, i, first_r, first_i = (), (), (), ()
    for at in tl.static_range(HALF):
        r += (re[2 * HALF - 1 - at],)
        i += (im[2 * HALF - 1 - at],)
        first_r += (re[(2 * HALF - at) % (2 * HALF)],)
        first_i += (im[(2 * HALF - at) % (2 * HALF)],)
    lane = tl.arange(0, LANES)[None, None, :]
    mirror = tl.broadcast_to((LANES - lane) % LANES, (HALF, FRAMES, LANES))
    other_re = tl.gather(_stack(r, LOG2 - 1), mirror, 2)
    other_im = tl.gather(_stack(i, LOG2 - 1), mirror, 2)
    other_re = tl.where(lane == 0, _stack(first_r, LOG2 - 1), other_re)
    other_im = tl.where(lane == 0, _stack(first_i, LOG2 - 1), other_im)
    re, im = _stack(re[:HALF], LOG2 - 1), _stack(im[:HALF], LOG2 - 1)

    even_re, even_im = re + other_re, im - other_im
    odd_re, odd_im = im + other_im, other_re - re
    cosine = _table(table, HALF, FRAMES, LANES)
    sine = _table(table + HALF * LANES, HALF, FRAMES, LANES)
    x = odd_re * cosine - odd_im * sine
    y = odd_re * sine + odd_im * cosine
    low = (even_re + x) * (even_re + x) + (even_im + y) * (even_im + y)
    high = (even_re - x) * (even_re - x) + (even_im - y) * (even_im - y)
    low = _split(_magnitude(low, POWER), LOG2 - 1)
    high = _split(_magnitude(high, POWER), LOG2 - 1)
    # Bin n / 2 replaces bin 0: see `_filters` in fused.py.
    lane = tl.arange(0, LANES)[None, :]
    return (tl.where(lane == 0, _magnitude(middle, POWER), low[0]),) + low[1:] + high  # noqa: RUF005


@triton.jit
def _magnitude(power, POWER: tl.constexpr):
    """Return |X|^POWER from |X|²."""
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
    """Mel bins (frame, 2**MELS), beginning with bin FIRST; see `_filters` in fused.py."""
    FRAMES: tl.constexpr = power[0].shape[0]
    BEGIN: tl.constexpr = STARTS[FIRST]
    COUNT: tl.constexpr = ENDS[FIRST + 2**MELS - 1] - BEGIN
    weights = ()
    for zeros in tl.static_range(16):  # runs of 32768, 16384 ... parts: a load's size is a power of 2
        if COUNT >> (15 - zeros) & 1 == 1:
            before = COUNT >> (16 - zeros) << (16 - zeros)
            run = _table(table + (BEGIN + before) * 2**LOG, 2 ** (15 - zeros), FRAMES, 2**LOG)
            weights += _split(run, 15 - zeros)
    sums = ()
    for at in tl.static_range(FIRST, FIRST + 2**MELS):
        sums += (_weighted_sum(power, weights, BEGIN, CHUNKS, STARTS[at], ENDS[at]),)
    # Transpose one mel bin per register to one per lane; its sum is then over registers, pair by pair.
    total = tl.permute(_stack(sums, MELS), (2, 1, 0))
    for level in tl.static_range(LOG):
        total = tl.reshape(total, (2, 2 ** (LOG - level - 1), FRAMES, 2**MELS))
        x, y = tl.split(tl.permute(total, (1, 2, 3, 0)))
        total = x + y
    return tl.reshape(total, (FRAMES, 2**MELS))


@triton.jit
def _weighted_sum(
    power, weights, BEGIN: tl.constexpr, CHUNKS: tl.constexpr, START: tl.constexpr, END: tl.constexpr
):
    """Sum chunks times their weights, lane by lane."""
    total = power[CHUNKS[START]] * weights[START - BEGIN]
    for part in tl.static_range(START + 1, END):
        total += power[CHUNKS[part]] * weights[part - BEGIN]
    return total
