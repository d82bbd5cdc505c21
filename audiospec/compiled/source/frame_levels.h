/* Sums and extremes of frames of interleaved samples, and their clipped samples, for one instruction set.
 *
 * Sums are of doubles: those of 16-bit samples are exact, in any order. One or two channels are measured by
 * vectors, whose lanes are of alternating channels then.
 */

/* Of a channel of a frame. */
struct level {
    double sum, square, cross, low, high;
};

/* Values at a time. Loops over them are unrolled and become vectors of whatever size is fastest: vectors of a
 * given size took twice as long. */
#define LEVEL_STEP 16

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
    double sum[LEVEL_STEP] = {0}, square[LEVEL_STEP] = {0}, cross[LEVEL_STEP / 2] = {0};
    float low[LEVEL_STEP], high[LEVEL_STEP];
    for (int i = 0; i < LEVEL_STEP; i++) {
        low[i] = INFINITY;
        high[i] = -INFINITY;
    }
    for (ptrdiff_t at = 0; at < count; at += LEVEL_STEP) {
        for (int i = 0; i < LEVEL_STEP; i++) {
            float value = values[at + i];
            low[i] = value < low[i] ? value : low[i];
            high[i] = value > high[i] ? value : high[i];
            double number = value;
            sum[i] += number;
            square[i] += number * number;
        }
        if (channels == 2)
            for (int i = 0; i < LEVEL_STEP / 2; i++)
                cross[i] += (double)values[at + 2 * i] * (double)values[at + 2 * i + 1];
    }
    for (int i = 0; i < LEVEL_STEP; i++) {
        struct level *level = levels + (channels == 2 && i % 2);
        level->low = low[i] < level->low ? low[i] : level->low;
        level->high = high[i] > level->high ? high[i] : level->high;
        level->sum += sum[i];
        level->square += square[i];
        if (channels == 2 && i % 2)
            level->cross += cross[i / 2];
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
