/* Log-mel spectrogram of one chunk, for one instruction set: LANES and NAME are defined by who includes this.
 *
 * A vector holds one sample of LANES frames that are far apart, so that no step within a frame moves values
 * between lanes: lane j computes frames first[j] ... first[j] + frames_a_lane - 1. The samples are transposed
 * once, into `slide`; a frame of all lanes is then a contiguous part of it.
 *
 * The real transform of n_fft samples is a complex one of n_fft / 2 = columns x rows in two passes: transforms
 * down the columns straight from the product with the window, a twiddle, and transforms along the rows, whose
 * results are split into the real signal's bins at once.
 */

#include "vector.h"
#include "fourier.h"

struct job {
    const struct plan *plan;
    const float *wave;
    ptrdiff_t samples, frames, frames_a_lane;
    ptrdiff_t first[LANES]; /* each lane's first frame */
    vec *slide;             /* transposed samples: rows `base` to `filled` of each lane's stream */
    ptrdiff_t base, filled;
    vec *spectrum, *power, *results;
    char *out;
    enum kind kind;
    vec low, high;
    ivec nan;
};

/* Transpose samples until the slide holds rows up to `end`. */
static void fill_slide(struct job *job, ptrdiff_t end)
{
    ptrdiff_t half = half_padding(job->plan), hop = job->plan->hop_length;
    for (; job->filled < end; job->filled += LANES) {
        vec rows[LANES];
        for (int lane = 0; lane < LANES; lane++) {
            ptrdiff_t place = job->first[lane] * hop + job->filled, sample = place - half;
            if (sample >= 0 && sample + LANES <= job->samples) {
                rows[lane] = load(job->wave + sample);
            } else {
                for (int i = 0; i < LANES; i++)
                    rows[lane][i] = padded_sample(job->wave, job->samples, job->plan->padding, sample + i);
            }
        }
        transpose(rows);
        vec *to = job->slide + (job->filled - job->base);
        for (int i = 0; i < LANES; i++)
            to[i] = rows[i];
    }
}

/* Return the samples of a frame, from each lane's first: n_fft vectors. */
static const vec *frame_samples(struct job *job, ptrdiff_t frame)
{
    const struct plan *plan = job->plan;
    ptrdiff_t begin = frame * plan->hop_length, end = begin + plan->n_fft;
    if (begin >= job->filled) { /* frames do not overlap */
        job->base = job->filled = begin;
    } else if (end + LANES - job->base > sliding_rows(plan, LANES)) {
        memmove(job->slide, job->slide + (begin - job->base), sizeof(vec) * (size_t)(job->filled - begin));
        job->base = begin;
    }
    fill_slide(job, end);
    return job->slide + (begin - job->base);
}

/* Transforms down the columns of (columns, rows) packed samples, with few * many = columns. */
INLINE void transform_columns(const struct plan *plan, const vec *samples, vec *spectrum, const int few,
                              const int many, const int rows)
{
    const float *window = plan->window;
    for (int row = 0; row < rows; row++) {
        vec re[64], im[64];
#pragma GCC unroll 8
        for (int number = 0; number < many; number++) {
            vec a[8], b[8];
#pragma GCC unroll 8
            for (int k = 0; k < few; k++) {
                int place = 2 * (rows * (many * k + number) + row);
                a[k] = samples[place] * window[place];
                b[k] = samples[place + 1] * window[place + 1];
            }
            begin_transform(plan->turns, few, many, number, a, b);
#pragma GCC unroll 8
            for (int k = 0; k < few; k++) {
                re[k * many + number] = a[k];
                im[k * many + number] = b[k];
            }
        }
        finish_column(plan->twiddles, re, im, spectrum, few, many, rows, row);
    }
}

/* The transform along one row of the spectrum; value k + few * j is at k * many + j. */
INLINE void transform_row(const struct plan *plan, const vec *row, vec *re, vec *im, const int few,
                          const int many)
{
    begin_row(plan->turns, row, re, im, few, many);
    finish_transform(few, many, re, im);
}

/* |X|^power of bins k and n_fft / 2 - k of the real signal, from the packed transform's same two bins. */
INLINE void split(const struct plan *plan, vec *power, ptrdiff_t bin, vec a, vec b, vec c, vec d)
{
    ptrdiff_t packed = plan->n_fft / 2;
    vec even_re = a + c, even_im = b - d, odd_re = a - c, odd_im = b + d;
    float cosine = plan->split[2 * bin], sine = plan->split[2 * bin + 1];
    vec turned_re = odd_im * cosine - odd_re * sine, turned_im = odd_re * cosine + odd_im * sine;
    vec x = even_re + turned_re, y = even_im - turned_im, square = x * x + y * y;
    power[bin] = plan->power == 1 ? root(square) : square;
    if (packed - bin <= plan->last_bin) {
        x = even_re - turned_re;
        y = even_im + turned_im;
        square = x * x + y * y;
        power[packed - bin] = plan->power == 1 ? root(square) : square;
    }
}

/* Transforms along the rows, and the power of the bins up to the last that a filter uses. */
INLINE void transform_rows(const struct plan *plan, const vec *spectrum, vec *power, const int few,
                           const int many, const int columns)
{
    const int rows = few * many, stride = 2 * rows + 2;
    vec re[64], im[64], other_re[64], other_im[64];
#define AT(array, j) array[((j) % few) * many + (j) / few]
    for (int column = 0; 2 * column <= columns; column++) {
        transform_row(plan, spectrum + (ptrdiff_t)stride * column, re, im, few, many);
        if (column == 0) { /* its own partner: bin j of columns * j with that of columns * (rows - j) */
            vec sum = 2 * (re[0] + im[0]), difference = 2 * (re[0] - im[0]);
            power[0] = plan->power == 1 ? root(sum * sum) : sum * sum;
            if (plan->n_fft / 2 <= plan->last_bin)
                power[plan->n_fft / 2] = plan->power == 1 ? root(difference * difference)
                                                          : difference * difference;
            for (int j = 1; 2 * j <= rows; j++)
                split(plan, power, columns * j, AT(re, j), AT(im, j), AT(re, rows - j), AT(im, rows - j));
        } else if (2 * column == columns) {
            for (int j = 0; 2 * j < rows; j++)
                split(plan, power, column + columns * j, AT(re, j), AT(im, j), AT(re, rows - 1 - j),
                      AT(im, rows - 1 - j));
        } else {
            transform_row(plan, spectrum + (ptrdiff_t)stride * (columns - column), other_re, other_im, few,
                          many);
#pragma GCC unroll 4
            for (int j = 0; 2 * j < rows; j++) {
                split(plan, power, column + columns * j, AT(re, j), AT(im, j), AT(other_re, rows - 1 - j),
                      AT(other_im, rows - 1 - j));
                split(plan, power, columns - column + columns * j, AT(other_re, j), AT(other_im, j),
                      AT(re, rows - 1 - j), AT(im, rows - 1 - j));
            }
        }
    }
#undef AT
}

#define SIZE(size, column_few, column_many, row_few, row_many)                                               \
    __attribute__((noinline)) static void power_##size(struct job *job, const vec *samples)                  \
    {                                                                                                        \
        transform_columns(job->plan, samples, job->spectrum, column_few, column_many, row_few *row_many);    \
        transform_rows(job->plan, job->spectrum, job->power, row_few, row_many, column_few *column_many);    \
    }
SIZE(64, 4, 1, 8, 1)
SIZE(128, 8, 1, 8, 1)
SIZE(256, 8, 1, 4, 4)
SIZE(512, 4, 4, 4, 4)
SIZE(1024, 4, 4, 8, 4)
SIZE(2048, 8, 4, 8, 4)
SIZE(4096, 8, 4, 8, 8)
SIZE(8192, 8, 8, 8, 8)

static void compute_power(struct job *job, const vec *samples)
{
    switch (job->plan->n_fft) {
    case 64: power_64(job, samples); break;
    case 128: power_128(job, samples); break;
    case 256: power_256(job, samples); break;
    case 512: power_512(job, samples); break;
    case 1024: power_1024(job, samples); break;
    case 2048: power_2048(job, samples); break;
    case 4096: power_4096(job, samples); break;
    default: power_8192(job, samples); break;
    }
}

/* Mel bins of a frame, on the plan's scale, into place `number` of each bin's LANES results. */
static void apply_filters(struct job *job, int number)
{
    const struct plan *plan = job->plan;
    const float reference = needs_peak(plan) ? 0 : plan->reference;
    vec low = job->low, high = job->high;
    ivec nan = job->nan;
    for (ptrdiff_t mel = 0; mel < plan->n_mels; mel++) {
        const float *weights = plan->weights + plan->firsts[mel];
        const vec *power = job->power + plan->starts[mel];
        vec one = {0}, other = {0};
        int count = plan->counts[mel], i = 0;
        for (; i + 1 < count; i += 2) {
            one += power[i] * weights[i];
            other += power[i + 1] * weights[i + 1];
        }
        if (i < count)
            one += power[i] * weights[i];
        vec value = one + other;
        if (plan->decibels) {
            value = choose(value < plan->amin, spread(plan->amin), value);
            value = to_decibels(value) - reference;
        }
        nan |= value != value;
        low = choose(value < low, value, low);
        high = choose(value > high, value, high);
        job->results[mel * LANES + number] = value;
    }
    job->nan = nan;
    job->low = low;
    job->high = high;
}

/* Write LANES values of a row, the first `count` of which are wanted. */
INLINE void write_values(const struct plan *plan, char *out, enum kind kind, ptrdiff_t place, vec value,
                         int count)
{
    char values[4 * LANES];
    size_t size = kind == KIND_FLOAT32 ? 4 : kind == KIND_FLOAT16 ? 2 : 1;
    char *to = count == LANES ? out + size * (size_t)place : values;
    if (kind == KIND_FLOAT32) {
        memcpy(to, &value, sizeof value);
    } else if (kind == KIND_FLOAT16) {
        store_halves(to, value);
    } else {
        ivec bytes = to_integers((value - plan->offset) * plan->inverse_scale);
        for (int lane = 0; lane < LANES; lane++)
            to[lane] = (char)bytes[lane];
    }
    if (to == values)
        memcpy(out + size * (size_t)place, values, size * (size_t)count);
}

/* Write the results of `count` frames of each lane, from its frame `frame` on. */
static void write_results(struct job *job, ptrdiff_t frame, int count)
{
    for (ptrdiff_t mel = 0; mel < job->plan->n_mels; mel++) {
        vec *rows = job->results + mel * LANES;
        transpose(rows);
        for (int lane = 0; lane < LANES; lane++)
            write_values(job->plan, job->out, job->kind, mel * job->frames + job->first[lane] + frame,
                         rows[lane], count);
    }
}

/* Write decibels that depend on the peak: limited to `top_db` below it, relative to it or to `reference`. */
static void write_below_peak(const struct plan *plan, const float *row, ptrdiff_t count, char *out,
                             enum kind kind, struct range *range)
{
    float peak = range->has_nan ? NAN : range->high;
    float least = plan->top_db >= 0 ? peak - plan->top_db : range->low;
    float reference = plan->peak_reference ? peak : plan->reference;
    for (ptrdiff_t place = 0; place < count; place += LANES) {
        int some = count - place < LANES ? (int)(count - place) : LANES;
        vec value = {0};
        memcpy(&value, row + place, sizeof(float) * (size_t)some);
        value = choose(value > least, value, spread(least)) - reference;
        write_values(plan, out, kind, place, value, some);
    }
    range->low = (range->low > least ? range->low : least) - reference;
    range->high = peak - reference;
}

struct range NAME(const struct plan *plan, const float *wave, ptrdiff_t samples, void *out, enum kind kind,
                  char *scratch)
{
    ptrdiff_t frames = count_frames(plan, samples), count = plan->n_mels * frames;
    struct job job = {.plan = plan, .wave = wave, .samples = samples, .frames = frames};
    job.frames_a_lane = (frames + LANES - 1) / LANES;
    for (int lane = 0; lane < LANES; lane++) { /* the last lanes overlap where LANES does not divide */
        ptrdiff_t first = lane * job.frames_a_lane, last = frames - job.frames_a_lane;
        job.first[lane] = first < last ? first : last;
    }
    job.slide = (vec *)(((uintptr_t)scratch + 63) / 64 * 64);
    job.spectrum = job.slide + sliding_rows(plan, LANES);
    job.power = job.spectrum + plan->columns * (2 * (ptrdiff_t)plan->rows + 2);
    job.results = job.power + plan->n_fft / 2 + 1;
    job.low = spread(INFINITY);
    job.high = spread(-INFINITY);
    int in_two_passes = needs_peak(plan);
    float *row = in_two_passes && kind != KIND_FLOAT32 ? (float *)(job.results + plan->n_mels * LANES) : out;
    job.out = in_two_passes ? (char *)row : out;
    job.kind = in_two_passes ? KIND_FLOAT32 : kind;
    int number = 0;
    for (ptrdiff_t frame = 0; frame < job.frames_a_lane; frame++) {
        compute_power(&job, frame_samples(&job, frame));
        apply_filters(&job, number++);
        if (number == LANES || frame + 1 == job.frames_a_lane) {
            write_results(&job, frame + 1 - number, number);
            number = 0;
        }
    }
    struct range range = {INFINITY, -INFINITY, 0};
    for (int lane = 0; lane < LANES; lane++) {
        range.low = job.low[lane] < range.low ? job.low[lane] : range.low;
        range.high = job.high[lane] > range.high ? job.high[lane] : range.high;
        range.has_nan |= job.nan[lane] != 0;
    }
    if (in_two_passes)
        write_below_peak(plan, row, count, out, kind, &range);
    return range;
}
