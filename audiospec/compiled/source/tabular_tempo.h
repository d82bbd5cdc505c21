/* What is computed along a chunk's frames or samples, rather than bins: onsets, their correlation, zero crossings,
 * and means and variances. */

/* The value of each lane that `rank` others are below, of `count` vectors of numbers from 0 on. Their bits, as
 * integers, have the same order, so the value is found bit by bit. */
INLINE vec select_rank(const vec *values, ptrdiff_t count, int rank)
{
    ivec found = {0};
    for (int bit = 30; bit >= 0; bit--) {
        ivec candidate = found | (1 << bit), below = {0};
        for (ptrdiff_t i = 0; i < count; i++)
            below -= (ivec)values[i] < candidate;
        found = (ivec)choose(below <= rank, (vec)candidate, (vec)found);
    }
    return (vec)found;
}

/* Median over mel bins of their rise since the frame before: out (frames - 1). `room`: n_mels + LANES vectors. */
static void find_onsets(const float *mel, ptrdiff_t frames, ptrdiff_t n_mels, float *out, char *scratch)
{
    vec *rises = (vec *)(((uintptr_t)scratch + 63) / 64 * 64);
    int rank = (int)((n_mels - 1) / 2), next_rank = (int)(n_mels / 2);
    for (ptrdiff_t first = 1; first < frames; first += LANES) {
        int some = frames - first < LANES ? (int)(frames - first) : LANES;
        for (ptrdiff_t begin = 0; begin < n_mels; begin += LANES) {
            size_t size = sizeof(float) * (size_t)(n_mels - begin < LANES ? n_mels - begin : LANES);
            for (int lane = 0; lane < LANES; lane++) {
                vec now = {0}, before = {0};
                if (lane < some) {
                    memcpy(&now, mel + (first + lane) * n_mels + begin, size);
                    memcpy(&before, mel + (first + lane - 1) * n_mels + begin, size);
                }
                rises[begin + lane] = greatest(now - before, (vec){0});
            }
            transpose(rises + begin);
        }
        vec one = select_rank(rises, n_mels, rank), other = spread(INFINITY);
        ivec below = {0};
        for (ptrdiff_t i = 0; i < n_mels; i++) {
            below -= rises[i] <= one;
            other = choose(rises[i] > one, least(rises[i], other), other);
        }
        vec middle = (one + choose(below > next_rank, one, other)) / 2;
        memcpy(out + first - 1, &middle, sizeof(float) * (size_t)some);
    }
}

INLINE dvec load_double(const double *from)
{
    dvec value;
    memcpy(&value, from, sizeof value);
    return value;
}

/* 1 / root of the energy of LANES / 2 windows that begin one value after another, `count` of which there are. */
INLINE dvec inverse_norm(const struct tabular *plan, const double *values, ptrdiff_t count)
{
    dvec energy = {0};
    for (ptrdiff_t i = 0; i < plan->lags; i++) {
        dvec value = load_double(values + i) * plan->lag_window[i];
        energy += value * value;
    }
    for (int lane = 0; lane < LANES / 2; lane++)
        energy[lane] = lane >= count ? 0 : 1 / sqrt(energy[lane] < 2.2250738585072014e-308 ? 1 : energy[lane]);
    return energy;
}

/* Mean power spectrum of the windows of values, each divided by its energy: out (lag_fourier.size / 2 + 1).
 * `values` has LANES - 1 more than the windows need.
 *
 * A complex transform takes two windows, one as its imaginary part: the powers of bins k and size - k add up to
 * twice the sum of theirs. */
static void mean_spectrum(const struct tabular *plan, const double *values, ptrdiff_t windows, double *out,
                          char *scratch)
{
    const struct fourier_double *fourier = &plan->lag_fourier;
    ptrdiff_t size = fourier->size, room = 2 * (size + fourier->columns + fourier->rows);
    dvec *input = (dvec *)(((uintptr_t)scratch + 63) / 64 * 64);
    dvec *between = input + room, *output = between + room, *powers = output + room;
    memset(input, 0, sizeof(dvec) * (size_t)room);
    memset(powers, 0, sizeof(dvec) * (size_t)size);
    for (ptrdiff_t first = 0; first < windows; first += LANES) {
        const double *one = values + first, *other = one + LANES / 2;
        dvec norm = inverse_norm(plan, one, windows - first);
        dvec other_norm = inverse_norm(plan, other, windows - first - LANES / 2);
        for (ptrdiff_t i = 0; i < plan->lags; i++) {
            dvec *to = input + PLACE(i, fourier->row_shift);
            to[0] = load_double(one + i) * plan->lag_window[i] * norm;
            to[1] = load_double(other + i) * plan->lag_window[i] * other_norm;
        }
        transform_double(fourier, input, between, output);
        for (ptrdiff_t k = 0; k < size; k++) {
            const dvec *from = output + PLACE(k, fourier->column_shift);
            powers[k] += from[0] * from[0] + from[1] * from[1];
        }
    }
    for (ptrdiff_t k = 0; k <= size / 2; k++) {
        dvec sum = powers[k] + powers[k ? size - k : 0];
        double total = 0;
        for (int lane = 0; lane < LANES / 2; lane++)
            total += sum[lane];
        out[k] = total / 2 / (double)windows;
    }
}

/* Share of samples in each frame whose sign differs from that of the sample before. */
static void measure_crossings(const struct frames *frames, float *values)
{
    const struct tabular *plan = frames->plan;
    int32_t *crossings = (int32_t *)frames->padded_wave, count = 0;
    int before = frames->wave[0] < -1e-10f;
    for (ptrdiff_t sample = 0; sample < frames->samples; sample++) {
        int negative = frames->wave[sample] < -1e-10f;
        count += negative != before;
        before = negative;
        crossings[sample] = count;
    }
    for (ptrdiff_t frame = 0; frame < frames->layout.frames; frame++) {
        ptrdiff_t first = frame * plan->hop_length - plan->n_fft / 2, last = first + plan->n_fft - 1;
        first = first < 0 ? 0 : first < frames->samples ? first : frames->samples - 1;
        last = last < frames->samples ? last : frames->samples - 1;
        values[CROSSINGS * frames->layout.frames + frame] =
            (float)(crossings[last] - crossings[first]) / (float)plan->n_fft;
    }
}

/* Mean and variance of values, added up in double. */
static void measure_moments(const float *values, ptrdiff_t count, double *mean, double *variance)
{
    enum { HALF = LANES / 2, STEP = 4 * HALF };
    for (int pass = 0; pass < 2; pass++) {
        float middle = pass ? (float)*mean : 0;
        dvec sums[4] = {{0}};
        double sum = 0;
        ptrdiff_t i = 0;
        for (; i + STEP <= count; i += STEP)
            for (int k = 0; k < 4; k++) {
                half_vec some;
                memcpy(&some, values + i + k * HALF, sizeof some);
                dvec away = __builtin_convertvector(some - middle, dvec);
                sums[k] += pass ? away * away : away;
            }
        for (; i < count; i++) {
            double away = (double)(values[i] - middle);
            sum += pass ? away * away : away;
        }
        for (int k = 0; k < 4; k++)
            for (int lane = 0; lane < HALF; lane++)
                sum += sums[k][lane];
        *(pass ? variance : mean) = sum / (double)count;
    }
}
