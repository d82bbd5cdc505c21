/* Second pass over a chunk's frames: chroma, and the wave of the harmonic part. */

static void filter_powers(const struct tabular *plan, ptrdiff_t samples, const float *filters, ptrdiff_t count,
                          float *out, char *scratch)
{
    struct frames frames = begin_frames(plan, NULL, samples, scratch);
    ptrdiff_t bins = plan->bins;
    for (ptrdiff_t block = 0; block < frames.layout.blocks; block++) {
        const vec *spectrum = frames.spectrum + block * 2 * bins;
        go_to(&frames, block);
        for (ptrdiff_t first = 0; first < count; first += 4) {
            const float *weights[4];
            vec sums[4] = {{0}};
            for (int i = 0; i < 4; i++)
                weights[i] = filters + bins * (first + i < count ? first + i : count - 1);
            for (ptrdiff_t begin = 0; begin < bins; begin += PART) {
                vec parts[4] = {{0}};
                for (ptrdiff_t bin = begin; bin < bins && bin < begin + PART; bin++) {
                    vec re = spectrum[2 * bin], im = spectrum[2 * bin + 1], power = re * re + im * im;
#pragma GCC unroll 4
                    for (int i = 0; i < 4; i++)
                        parts[i] += power * weights[i][bin];
                }
                for (int i = 0; i < 4; i++)
                    sums[i] += parts[i];
            }
            for (int i = 0; i < 4 && first + i < count; i++)
                write_lanes(&frames, out + (first + i) * frames.layout.frames, sums[i]);
        }
    }
}

/* Harmonic part of the frames' spectrum: X H^2 / (H^2 + P^2), from rows of H for each frame. */
static void mask_spectrum(struct frames *frames, ptrdiff_t block, const float *harmonic)
{
    const struct tabular *plan = frames->plan;
    ptrdiff_t bins = plan->bins, stride = row_stride(plan);
    const vec *spectrum = frames->spectrum + block * 2 * bins, *percussive = frames->percussive + block * bins;
    for (ptrdiff_t begin = 0; begin < bins; begin += LANES) {
        vec rows[LANES];
        for (int lane = 0; lane < LANES; lane++)
            rows[lane] = load(harmonic + lane * stride + begin);
        transpose(rows);
        for (int i = 0; i < LANES && begin + i < bins; i++) {
            ptrdiff_t bin = begin + i;
            /* 1 / (1 + (P/H)^2) does not overflow; where both are 0, each part gets half. */
            vec ratio = percussive[bin] / rows[i], mask = 1 / (1 + ratio * ratio);
            mask = choose(mask == mask, mask, spread(0.5f));
            frames->masked[2 * bin] = spectrum[2 * bin] * mask;
            frames->masked[2 * bin + 1] = spectrum[2 * bin + 1] * mask;
        }
    }
}

/* The packed transform of real signals from their bins, with real and imaginary parts exchanged, which makes
 * the next transform an inverse one. */
static void merge_bins(const struct tabular *plan, const vec *masked, vec *packed)
{
    ptrdiff_t size = plan->inverse.size;
    int shift = plan->inverse.row_shift;
    for (ptrdiff_t bin = 0; bin <= size / 2; bin++) {
        const vec *one = masked + 2 * bin, *other = masked + 2 * (size - bin);
        vec a = one[0], b = one[1], c = other[0], d = other[1];
        if (bin == 0)
            b = d = (vec){0};
        float cosine = (float)plan->split[2 * bin], sine = (float)plan->split[2 * bin + 1];
        vec even_re = a + c, even_im = b - d, odd_re = a - c, odd_im = b + d;
        vec turned_re = odd_re * cosine - odd_im * sine, turned_im = odd_re * sine + odd_im * cosine;
        vec *to = packed + PLACE(bin, shift);
        to[1] = even_re - turned_im;
        to[0] = even_im + turned_re;
        if (bin) {
            to = packed + PLACE(size - bin, shift);
            to[1] = even_re + turned_im;
            to[0] = turned_re - even_im;
        }
    }
}

/* Add the windowed frames to the padded wave. */
static void overlap(struct frames *frames, const vec *output)
{
    const struct tabular *plan = frames->plan;
    int shift = plan->inverse.column_shift;
    for (ptrdiff_t begin = 0; begin < plan->n_fft; begin += LANES) {
        vec rows[LANES], window = load(plan->synthesis + begin);
        for (int i = 0; i < LANES; i++)
            rows[i] = output[PLACE((begin + i) / 2, shift) + !(i & 1)];
        transpose(rows);
        for (int lane = 0; lane < frames->count; lane++) {
            float *to = frames->padded_wave + (frames->first + lane) * plan->hop_length + begin;
            vec sum = load(to) + rows[lane] * window;
            memcpy(to, &sum, sizeof sum);
        }
    }
}

/* Sum of the squared windows over a place of the padded wave. */
static float weight_at(const struct frames *frames, ptrdiff_t place)
{
    const struct tabular *plan = frames->plan;
    ptrdiff_t hop = plan->hop_length, last = place / hop, first = (place - plan->n_fft + hop) / hop;
    if (place - plan->n_fft + 1 > 0 && last < frames->layout.frames)
        return plan->weights_of_hop[place % hop];
    if (place - plan->n_fft + 1 <= 0)
        first = 0;
    if (last >= frames->layout.frames)
        last = frames->layout.frames - 1;
    float sum = 0;
    for (ptrdiff_t frame = first; frame <= last; frame++) {
        float value = plan->synthesis[place - frame * hop] * (float)plan->n_fft;
        sum += value * value;
    }
    return sum < 1.17549435e-38f ? 1 : sum;
}

static void compute_harmonic(const struct tabular *plan, ptrdiff_t samples, float *out, char *scratch)
{
    struct frames frames = begin_frames(plan, NULL, samples, scratch);
    ptrdiff_t count = frames.layout.frames, span = frames.layout.span, stride = row_stride(plan);
    ptrdiff_t tile = plan->network.tile, half = plan->n_fft / 2;
    vec *packed = (vec *)frames.input, *output = (vec *)frames.output;
    memset(frames.padded_wave, 0, sizeof(float) * (size_t)((count - 1) * plan->hop_length + plan->n_fft));
    for (ptrdiff_t begin = 0; begin < count; begin += span) {
        for (ptrdiff_t first = 0; first < span; first += tile)
            medians_of_rows(&plan->network, frames.rows, count, plan->bins, stride, begin + first,
                            frames.harmonic + first * stride, frames.places);
        for (ptrdiff_t first = begin; first < begin + span && first < count; first += LANES) {
            go_to(&frames, first / LANES);
            mask_spectrum(&frames, first / LANES, frames.harmonic + (first - begin) * stride);
            merge_bins(plan, frames.masked, packed);
            transform_float(&plan->inverse, packed, (vec *)frames.between, output);
            overlap(&frames, output);
        }
    }
    /* Where every window that can reach a sample is there, the weights repeat from hop to hop. */
    ptrdiff_t hop = plan->hop_length, sample = 0;
    while (sample < samples) {
        ptrdiff_t place = sample + half, end = samples - sample;
        const float *from = frames.padded_wave + place;
        if (place % hop == 0 && place >= plan->n_fft && place / hop < count) {
            end = end < hop ? end : hop;
            for (ptrdiff_t i = 0; i < end; i++)
                out[sample + i] = from[i] / plan->weights_of_hop[i];
            sample += end;
        } else {
            out[sample++] = *from / weight_at(&frames, place);
        }
    }
}

static void running_medians(const struct network *network, const float *values, ptrdiff_t count, ptrdiff_t width,
                            float *out, float *places)
{
    vec *aligned = (vec *)(((uintptr_t)places + 63) / 64 * 64);
    for (ptrdiff_t first = 0; first < count; first += network->tile)
        medians_of_rows(network, values, count, width, width, first, out + first * width, aligned);
}
