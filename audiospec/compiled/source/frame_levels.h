/* Sums and extremes of frames of interleaved samples, and their clipped samples, for one instruction set.
 *
 * Sums are of doubles: those of 16-bit samples are exact, in any order. One or two channels are measured by
 * vectors, whose lanes are of alternating channels then.
 */

/* Of a channel of a frame. */
struct level {
    double sum, square, cross, low, high;
};

/* Two vectors at a time, so that a sum need not wait for the one before. */
#define LEVEL_STEP (2 * LANES)

static void add_level(struct level *level, float value, float first)
{
    level->sum += value;
    level->square += (double)value * value;
    level->cross += (double)value * first;
    level->low = value < level->low ? value : level->low;
    level->high = value > level->high ? value : level->high;
}

INLINE void measure_vectors(const float *values, ptrdiff_t count, int channels, struct level *levels)
{
    dvec sum[4] = {{0}}, square[4] = {{0}}, cross[4] = {{0}};
    vec low[2] = {spread(INFINITY), spread(INFINITY)}, high[2] = {spread(-INFINITY), spread(-INFINITY)};
    for (ptrdiff_t at = 0; at < count; at += LEVEL_STEP)
        for (int part = 0; part < 2; part++) {
            vec now = load(values + at + part * LANES);
            low[part] = choose(now < low[part], now, low[part]);
            high[part] = choose(now > high[part], now, high[part]);
            for (int half = 0; half < 2; half++) {
                half_vec floats;
                memcpy(&floats, (char *)&now + half * sizeof floats, sizeof floats);
                dvec number = __builtin_convertvector(floats, dvec);
                sum[2 * part + half] += number;
                square[2 * part + half] += number * number;
                if (channels == 2) {
                    dvec other;
                    for (int lane = 0; lane < LANES / 2; lane++)
                        other[lane] = number[lane ^ 1];
                    cross[2 * part + half] += number * other;
                }
            }
        }
    for (int part = 0; part < 2; part++)
        for (int lane = 0; lane < LANES; lane++) {
            struct level *level = levels + (channels == 2 && lane % 2);
            level->low = low[part][lane] < level->low ? low[part][lane] : level->low;
            level->high = high[part][lane] > level->high ? high[part][lane] : level->high;
        }
    for (int part = 0; part < 4; part++)
        for (int lane = 0; lane < LANES / 2; lane++) {
            struct level *level = levels + (channels == 2 && lane % 2);
            level->sum += sum[part][lane];
            level->square += square[part][lane];
            if (channels == 2 && lane % 2)
                level->cross += cross[part][lane];
        }
    levels[0].cross = levels[0].square;
}

/* Add the samples of a channel that are in runs of LEAST_RUN or more, at full scale or at its own extreme. With
 * the sign -1 the extreme is the lowest sample. */
static void add_runs(const float *values, ptrdiff_t samples, ptrdiff_t channels, float sign, double extreme,
                     double *own, double *at_extreme, double *at_full_scale)
{
    float top = (float)(sign * extreme);
    if (top >= FULL_SCALE)
        for (ptrdiff_t i = 0, run = 0; i <= samples; i++) {
            if (i < samples && sign * values[i * channels] >= FULL_SCALE && sign * values[i * channels] <= 1) {
                run++;
            } else {
                *at_full_scale += run >= LEAST_RUN ? (double)run : 0;
                run = 0;
            }
        }
    if (top < sign * *own)
        return;
    if (top > sign * *own) {
        *own = extreme;
        *at_extreme = 0;
    }
    double edge = (double)top / 64 > 1 / 8192. ? (double)top / 64 : 1 / 8192.;
    for (ptrdiff_t i = 0, run = 0; i <= samples; i++) {
        if (i < samples && sign * values[i * channels] == top) {
            run++;
            continue;
        }
        ptrdiff_t before = i - run - 1;
        if (run >= LEAST_RUN && before >= 0 && (double)top - (double)(sign * values[before * channels]) > edge)
            *at_extreme += (double)run;
        run = 0;
    }
}

static void measure_levels(const float *values, ptrdiff_t frames, ptrdiff_t samples, ptrdiff_t channels,
                           double *out, double *clipping)
{
    ptrdiff_t vectors = channels <= 2 ? samples * channels / LEVEL_STEP * LEVEL_STEP : 0;
    for (ptrdiff_t frame = 0; frame < frames; frame++, values += samples * channels) {
        struct level *levels = (struct level *)out + frame * channels;
        for (ptrdiff_t channel = 0; channel < channels; channel++)
            levels[channel] = (struct level){0, 0, 0, INFINITY, -INFINITY};
        if (vectors && channels == 1)
            measure_vectors(values, vectors, 1, levels);
        else if (vectors)
            measure_vectors(values, vectors, 2, levels);
        for (ptrdiff_t i = vectors / channels; i < samples; i++)
            for (ptrdiff_t channel = 0; channel < channels; channel++)
                add_level(levels + channel, values[i * channels + channel], values[i * channels]);
        for (ptrdiff_t channel = 0; channel < channels; channel++) {
            double *state = clipping + 5 * channel;
            add_runs(values + channel, samples, channels, 1, levels[channel].high, state, state + 1, state + 4);
            add_runs(values + channel, samples, channels, -1, levels[channel].low, state + 2, state + 3,
                     state + 4);
        }
    }
}
